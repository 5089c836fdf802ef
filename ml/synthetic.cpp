#include "ml/synthetic.hpp"

#include <algorithm>
#include <array>
#include <span>
#include <string_view>

#include "ml/random.hpp"

namespace mlforge::ml {
namespace {

// A category, how often it occurs (any unit) and what it adds to the income score (thousandths of a
// logit).
struct Choice {
  std::string_view name;
  std::uint32_t weight;
  std::int32_t effect;
};

constexpr std::array kWorkclass{
    Choice{"Private", 697, 0},       Choice{"Self-emp-not-inc", 79, -300},
    Choice{"Local-gov", 64, -100},   Choice{"State-gov", 41, -200},
    Choice{"Self-emp-inc", 35, 400}, Choice{"Federal-gov", 29, 500},
    Choice{"Without-pay", 1, -2000}, Choice{"Never-worked", 1, -2000}};
constexpr std::array kOccupation{Choice{"Prof-specialty", 126, 700},
                                 Choice{"Craft-repair", 125, 100},
                                 Choice{"Exec-managerial", 125, 1000},
                                 Choice{"Adm-clerical", 115, 0},
                                 Choice{"Sales", 113, 300},
                                 Choice{"Other-service", 101, -900},
                                 Choice{"Machine-op-inspct", 62, -300},
                                 Choice{"Transport-moving", 48, -100},
                                 Choice{"Handlers-cleaners", 42, -800},
                                 Choice{"Farming-fishing", 31, -1000},
                                 Choice{"Tech-support", 30, 600},
                                 Choice{"Protective-serv", 20, 500},
                                 Choice{"Priv-house-serv", 5, -1500},
                                 Choice{"Armed-Forces", 1, 0}};
constexpr std::array kMarital{Choice{"Married-civ-spouse", 458, 1900},
                              Choice{"Never-married", 330, -700},
                              Choice{"Divorced", 136, 0},
                              Choice{"Separated", 31, -200},
                              Choice{"Widowed", 31, -100},
                              Choice{"Married-spouse-absent", 13, 0},
                              Choice{"Married-AF-spouse", 1, 1900}};
constexpr std::array kRace{Choice{"White", 855, 0}, Choice{"Black", 96, -100},
                           Choice{"Asian-Pac-Islander", 31, 0},
                           Choice{"Amer-Indian-Eskimo", 10, -200}, Choice{"Other", 8, -200}};
constexpr std::array kCountry{
    Choice{"United-States", 915, 0}, Choice{"Mexico", 20, -400}, Choice{"Philippines", 6, 100},
    Choice{"Germany", 4, 100},       Choice{"Canada", 4, 200},   Choice{"India", 3, 100},
    Choice{"Puerto-Rico", 4, -300},  Choice{"England", 3, 100},  Choice{"Cuba", 3, 0},
    Choice{"China", 3, -100}};
// Index + 1 is education-num.
constexpr std::array kEducation{
    Choice{"Preschool", 2, 0},      Choice{"1st-4th", 5, 0},    Choice{"5th-6th", 10, 0},
    Choice{"7th-8th", 20, 0},       Choice{"9th", 16, 0},       Choice{"10th", 28, 0},
    Choice{"11th", 37, 0},          Choice{"12th", 13, 0},      Choice{"HS-grad", 323, 0},
    Choice{"Some-college", 223, 0}, Choice{"Assoc-voc", 42, 0}, Choice{"Assoc-acdm", 33, 0},
    Choice{"Bachelors", 164, 0},    Choice{"Masters", 54, 0},   Choice{"Prof-school", 17, 0},
    Choice{"Doctorate", 12, 0}};

std::size_t choose(std::span<const Choice> choices, Random& random) {
  std::uint32_t total = 0;
  for (const auto& choice : choices) total += choice.weight;
  std::uint32_t at = random.below(total);
  std::size_t i = 0;
  while (at >= choices[i].weight) at -= choices[i++].weight;
  return i;
}

// Sum of four dice: about normal, mean 0, standard deviation about 0.58 * side.
std::int32_t bell(std::uint32_t side, Random& random) {
  std::int32_t sum = 0;
  for (int i = 0; i < 4; ++i) sum += static_cast<std::int32_t>(random.below(side));
  return sum - 2 * static_cast<std::int32_t>(side - 1);
}

struct Person {
  std::int32_t age = 0, fnlwgt = 0, hours = 0, gain = 0, loss = 0;
  std::size_t education = 0;
  Choice workclass{}, occupation{}, marital{}, race{}, country{};
  bool male = false;
};

std::string_view relationship_of(const Person& p, Random& random) {
  if (p.marital.name.starts_with("Married-civ")) return p.male ? "Husband" : "Wife";
  if (p.age < 26) return "Own-child";
  constexpr std::array<std::string_view, 3> names{"Not-in-family", "Unmarried", "Other-relative"};
  const auto dice = random.below(10);
  return names[dice < 6 ? 0 : dice < 9 ? 1 : 2];
}

Person draw(Random& random, std::int32_t shift_thousandths) {
  Person p;
  p.age = std::clamp(39 + bell(24, random) + shift_thousandths / 100, 17, 90);
  p.fnlwgt = std::max(12285, 189664 + bell(170000, random));
  p.education = choose(kEducation, random);
  p.workclass = kWorkclass[choose(kWorkclass, random)];
  const bool richer = static_cast<std::int32_t>(random.below(2000)) < shift_thousandths;
  p.occupation = richer ? kOccupation[2] : kOccupation[choose(kOccupation, random)];
  p.marital = p.age < 24 && random.below(4) > 0 ? kMarital[1] : kMarital[choose(kMarital, random)];
  p.race = kRace[choose(kRace, random)];
  p.country = kCountry[choose(kCountry, random)];
  p.male = random.below(1000) < 668;
  p.hours = std::clamp(
      (random.below(2) == 0 ? 40 : 40 + bell(18, random)) + shift_thousandths / 250, 1, 99);
  const auto capital = random.below(100);
  if (capital < 8) p.gain = static_cast<std::int32_t>(random.below(12000)) + 114;
  if (capital >= 95) p.loss = 1500 + static_cast<std::int32_t>(random.below(1000));
  return p;
}

// Thousandths of a logit that the income is above 50K.
std::int32_t income_score(const Person& p) {
  const std::int32_t from_peak = std::abs(p.age - 50);
  std::int32_t score = -3300 - 5 * from_peak * from_peak / 2;
  score += 550 * (static_cast<std::int32_t>(p.education) - 8);
  score += 45 * (p.hours - 40);
  score += 3 *
           (p.workclass.effect + p.occupation.effect + p.marital.effect + p.race.effect +
            p.country.effect) /
           2;
  score += p.male ? 300 : 0;
  if (p.gain > 5000) score += 3500;
  if (p.loss > 1800) score += 1800;
  return score;
}

// 1 / (1 + exp(-x)) in millionths at x = -6, -5.5, ..., 6, linear between: no floating point, no
// exp that differs by machine.
bool above_50k(std::int32_t score, Random& random) {
  constexpr std::array<std::int32_t, 25> table{
      2473,   4070,   6693,   10987,  17986,  29312,  47426,  75858,  119203,
      182426, 268941, 377541, 500000, 622459, 731059, 817574, 880797, 924142,
      952574, 970688, 982014, 989013, 993307, 995930, 997527};
  const std::int32_t x = std::clamp(score + 6000, 0, 11999);
  const auto i = static_cast<std::size_t>(x / 500);
  const std::int32_t chance = table[i] + (table[i + 1] - table[i]) * (x % 500) / 500;
  return static_cast<std::int32_t>(random.below(1000000)) < chance;
}

void append(std::string& out, std::string_view field) {
  out += field;
  out += ", ";
}

}  // namespace

std::string synthetic_adult(const SyntheticOptions& options) {
  Random random(options.seed);
  const auto shift = static_cast<std::int32_t>(options.shift * 1000);
  std::string out;
  for (std::uint32_t row = 0; row < options.rows; ++row) {
    const Person p = draw(random, shift);
    const auto relationship = relationship_of(p, random);
    const bool no_work = random.below(100) < 6, no_country = random.below(100) < 2;
    append(out, std::to_string(p.age));
    append(out, no_work ? "?" : p.workclass.name);
    append(out, std::to_string(p.fnlwgt));
    append(out, kEducation[p.education].name);
    append(out, std::to_string(p.education + 1));
    append(out, p.marital.name);
    append(out, no_work ? "?" : p.occupation.name);
    append(out, relationship);
    append(out, p.race.name);
    append(out, p.male ? "Male" : "Female");
    append(out, std::to_string(p.gain));
    append(out, std::to_string(p.loss));
    append(out, std::to_string(p.hours));
    append(out, no_country ? "?" : p.country.name);
    out += above_50k(income_score(p), random) ? ">50K\n" : "<=50K\n";
  }
  return out;
}

}  // namespace mlforge::ml
