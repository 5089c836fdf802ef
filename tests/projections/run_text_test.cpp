// The text of a run's row, made from the one before, against the run written as a whole.
#include "projections/run_text.hpp"

#include "fixture.hpp"

using namespace mlforge;
using namespace mlforge::projections;
using namespace mlforge::projections::test;

namespace {

std::string any_text(std::mt19937_64& random) {
  static const std::string kParts[] = {"a", "b",   "\"",    ",",    ":",      "\\",
                                       "{", "}",   "[",     "]",    "\n",     "\x01",
                                       "é", "\":", "\",\"", "tags", "params", " "};
  std::string out;
  for (auto left = random() % 4; left > 0; --left) out += kParts[random() % std::size(kParts)];
  return out;
}

struct Sequence {
  explicit Sequence(std::uint64_t seed) : random(seed) {
    run.run_id = random() % 8 ? any_text(random) : std::string();
    run.status = random() % 8 ? "running" : "";
    texts.write(now, run);
    check();
  }

  void set_text(RunText::Piece piece) {
    auto& of = piece == RunText::params ? run.params : run.tags;
    const auto key = any_text(random);
    const bool is_new = of.insert_or_assign(key, any_text(random)).second;
    std::string out;
    texts.set_text(out, now, run, piece, key, is_new);
    now = out;
  }
  void rewrite(RunText::Piece piece) {
    std::string out;
    texts.rewrite(out, now, run, piece);
    now = out;
  }
  void one() {
    switch (random() % 12) {
      case 0:
        run.status = any_text(random);
        return rewrite(RunText::head);
      case 1:
        run.run_id = any_text(random);
        return rewrite(RunText::head);
      case 2:
        run.artifacts.resize(random() % 3, {any_text(random), any_text(random), random() % 9});
        return rewrite(RunText::artifacts);
      case 3:
        run.deleted = random() % 2 ? std::optional(random()) : std::nullopt;
        return rewrite(RunText::rest);
      case 4:
        run.params.erase(any_text(random));
        return rewrite(RunText::params);
      case 5:
        if (random() % 9 == 0) run.tags.clear();
        return rewrite(RunText::tags);
      case 6:
        texts = {};  // what was written last is not known any more
        return set_text(RunText::tags);
      default:
        return set_text(random() % 2 ? RunText::params : RunText::tags);
    }
  }
  void check() const {
    std::string whole;
    append_short_json(whole, run);
    REQUIRE(now == whole);
  }

  std::mt19937_64 random;
  StoredRun run;
  RunText texts;
  std::string now;
};

}  // namespace

TEST_CASE("a run's text made from the one before is that of the whole run") {
  for (std::uint64_t seed = 1; seed <= 150; ++seed) {
    Sequence sequence(seed);
    for (int i = 0; i < 120; ++i) {
      INFO("seed " << seed << ", change " << i << ", before: " << sequence.now);
      sequence.one();
      sequence.check();
    }
  }
}

TEST_CASE("the rows of runs are what they are when written as a whole") {
  World w;
  for (const auto& happened : random_history(17, 1500)) append(*w.log, happened);
  auto view = w.reader();
  std::size_t runs = 0;
  for (const Position as_of : {Position{200}, Position{700}, kLatest})
    view.scan(view_prefix("runs", kTenant, "run"), {}, as_of, SIZE_MAX,
              [&](std::string_view, std::string_view text) {
                const auto run = from_json<StoredRun>(text, Unknown::refuse);
                REQUIRE(run);
                std::string whole;
                append_short_json(whole, *run);
                REQUIRE(whole == text);
                ++runs;
                return true;
              });
  REQUIRE(runs > 5);
}
