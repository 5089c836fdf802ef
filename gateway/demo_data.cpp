#include "gateway/demo_data.hpp"

#include <array>
#include <cstdlib>
#include <fstream>

#include "events/json.hpp"
#include "ml/synthetic.hpp"

namespace mlforge::gateway {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::pair<std::string_view, bool>, 14> kColumns{{{"age", true},
                                                                      {"workclass", false},
                                                                      {"fnlwgt", true},
                                                                      {"education", false},
                                                                      {"education-num", true},
                                                                      {"marital-status", false},
                                                                      {"occupation", false},
                                                                      {"relationship", false},
                                                                      {"race", false},
                                                                      {"sex", false},
                                                                      {"capital-gain", true},
                                                                      {"capital-loss", true},
                                                                      {"hours-per-week", true},
                                                                      {"native-country", false}}};

std::optional<DemoData> look_in(const fs::path& folder) {
  std::error_code bad;
  for (const auto& each : {folder, folder / "adult"})
    if (fs::exists(each / "adult.data", bad) && fs::exists(each / "adult.test", bad))
      return DemoData{
          each / "adult.data", each / "adult.test",
          "UCI Adult, B. Becker and R. Kohavi, 1996, doi.org/10.24432/C5XW20 (CC BY 4.0)", false};
  return std::nullopt;
}

Expected<DemoData> generate(const fs::path& scratch) {
  std::error_code bad;
  fs::create_directories(scratch, bad);
  DemoData data{scratch / "adult.data", scratch / "adult.test", "synthetic: generated with seed 42",
                true};
  std::ofstream(data.data) << ml::synthetic_adult({.rows = 32561, .seed = 42});
  std::ofstream(data.test) << ml::synthetic_adult({.rows = 16281, .seed = 43});
  if (!fs::exists(data.test, bad))
    return Error{ErrorCode::internal,
                 "the stand-in data cannot be written to '" + scratch.string() + "'", ""};
  return data;
}

// One line as a JSON object; nothing for lines that hold no person.
std::optional<DemoPerson> parse_person(std::string_view line) {
  DemoPerson person;
  person.features = "{";
  for (std::size_t i = 0; i < kColumns.size(); ++i) {
    const auto comma = line.find(',');
    if (comma == line.npos) return std::nullopt;
    auto cell = line.substr(0, comma);
    while (!cell.empty() && cell.front() == ' ') cell.remove_prefix(1);
    line.remove_prefix(comma + 1);
    if (i > 0) person.features += ',';
    append_json_string(person.features, kColumns[i].first);
    person.features += ':';
    if (kColumns[i].second)
      person.features.append(cell);
    else
      append_json_string(person.features, cell);
    if (i == 0) person.age = std::atof(std::string(cell).c_str());
  }
  person.features += '}';
  return person;
}

}  // namespace

Expected<DemoData> find_demo_data(const std::string& wanted, const fs::path& scratch) {
  if (!wanted.empty()) {
    if (auto found = look_in(wanted)) return *found;
    return Error{ErrorCode::not_found,
                 "the folder '" + wanted + "' holds no adult.data and adult.test", "adult"};
  }
  const char* variable = std::getenv("MLFORGE_DATA");
  for (const fs::path& folder :
       {fs::path(variable ? variable : ""), fs::path("../shared/data"), fs::path("build")})
    if (!folder.empty())
      if (auto found = look_in(folder)) return *found;
  return generate(scratch);
}

Expected<std::vector<DemoPerson>> read_people(const fs::path& file) {
  std::ifstream in(file);
  std::vector<DemoPerson> people;
  for (std::string line; std::getline(in, line);)
    if (auto person = parse_person(line)) people.push_back(*std::move(person));
  if (people.empty()) return Error{ErrorCode::not_found, "no rows in '" + file.string() + "'", ""};
  return people;
}

}  // namespace mlforge::gateway
