// Runs a fuzz target without libFuzzer: `fuzz_<what> [mutations [seed]]`, the same inputs each
// time; or `--write FOLDER`: the corpus as files.
#include <algorithm>
#include <cstdio>
#include <fstream>
#include <random>

#include "tests/fuzz/fuzz.hpp"

namespace {

using Random = std::mt19937_64;

class Mutator {
 public:
  Mutator(std::vector<std::string> seeds, std::uint64_t seed)
      : seeds_(std::move(seeds)), words_(mlforge::fuzz::words()), random_(seed) {}

  std::string next() {
    std::string text = any(seeds_);
    for (auto edits = 1 + random_() % 6; edits > 0; --edits) edit(text);
    return text;
  }

 private:
  const std::string& any(const std::vector<std::string>& of) { return of[random_() % of.size()]; }
  std::string tail_of(const std::string& text) { return text.substr(below(text.size() + 1)); }
  std::size_t below(std::size_t limit) { return limit == 0 ? 0 : random_() % limit; }

  void edit(std::string& text) {
    const auto at = below(text.size() + 1);
    const auto size = below(std::min<std::size_t>(text.size() - at, 64) + 1);
    switch (random_() % 9) {
      case 0:
        if (at < text.size()) text[at] = static_cast<char>(text[at] ^ (1 << random_() % 8));
        return;
      case 1:
        if (at < text.size()) text[at] = static_cast<char>(random_());
        return;
      case 2:
        text.erase(at, size);
        return;
      case 3:
        text.insert(at, 1 + random_() % 4, static_cast<char>(random_()));
        return;
      case 4:
        text.insert(below(text.size() + 1), text.substr(at, size));
        return;
      case 5:
        text.resize(at);
        return;
      case 6:
        text.resize(at);
        text += tail_of(any(seeds_));
        return;
      case 7:
        if (!words_.empty()) text.insert(at, any(words_));
        return;
      default:
        if (!words_.empty()) text.replace(at, size, any(words_));
    }
  }

  std::vector<std::string> seeds_, words_;
  Random random_;
};

void run(const std::string& input) {
  LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(input.data()), input.size());
}

int write_corpus(const std::string& folder) {
  const auto seeds = mlforge::fuzz::seeds();
  for (std::size_t i = 0; i < seeds.size(); ++i)
    std::ofstream(folder + "/" + std::to_string(i), std::ios::binary) << seeds[i];
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  const std::vector<std::string> words(arguments + 1, arguments + count);
  if (words.size() == 2 && words[0] == "--write") return write_corpus(words[1]);
  const auto mutations = words.empty() ? 100000 : std::stoull(words[0]);
  const auto seed = words.size() < 2 ? 1 : std::stoull(words[1]);
  const auto seeds = mlforge::fuzz::seeds();
  for (const auto& each : seeds) run(each);
  Mutator mutator(seeds, seed);
  for (std::uint64_t i = 0; i < mutations; ++i) run(mutator.next());
  std::printf("%zu inputs and %llu mutations from seed %llu\n", seeds.size(),
              static_cast<unsigned long long>(mutations), static_cast<unsigned long long>(seed));
  return 0;
}
