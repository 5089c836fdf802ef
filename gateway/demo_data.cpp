#include "gateway/demo_data.hpp"

#include <array>
#include <cstdlib>
#include <fstream>

#include "events/json.hpp"
#include "ml/synthetic.hpp"
#include "storage/digest.hpp"

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

// Of the files at archive.ics.uci.edu; ops/adult-data has the same.
constexpr std::string_view kUciData =
    "5b00264637dbfec36bdeaab5676b0b309ff9eb788d63554ca0a249491c86603d";
constexpr std::string_view kUciTest =
    "a2a9044bc167a35b2361efbabec64e89d69ce82d9790d2980119aac5fd7e9c05";
constexpr const char* kGenerated = "synthetic: made by mlforge's generator, no real persons";

std::string synthetic_data() { return ml::synthetic_adult({.rows = 32561, .seed = 42}); }
std::string synthetic_test() { return ml::synthetic_adult({.rows = 16281, .seed = 43}); }

std::string digest_of(std::string_view text) {
  return to_string(storage::sha256(storage::as_bytes(text)));
}
std::string file_digest(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return digest_of(std::string{std::istreambuf_iterator<char>(in), {}});
}

// Named by what its bytes are, not by where it lies.
DemoData named(const fs::path& data, const fs::path& test) {
  const auto of_data = file_digest(data), of_test = file_digest(test);
  if (of_data == kUciData && of_test == kUciTest)
    return {data, test,
            "UCI Adult, B. Becker and R. Kohavi, 1996, doi.org/10.24432/C5XW20 (CC BY 4.0)", "",
            false};
  if (of_data == digest_of(synthetic_data()) || of_test == digest_of(synthetic_test()))
    return {data, test, kGenerated, "SYNTHETIC data", true};
  std::string differing;
  for (const auto& [file, same] :
       {std::pair{data, of_data == kUciData}, std::pair{test, of_test == kUciTest}})
    if (!same) differing += (differing.empty() ? "" : " and ") + file.string();
  return {data, test,
          "not UCI's data: the SHA-256 of " + differing + " is not that of UCI Adult's file",
          "not UCI's data", false};
}

std::optional<DemoData> look_in(const fs::path& folder) {
  std::error_code bad;
  for (const auto& each : {folder, folder / "adult"})
    if (fs::exists(each / "adult.data", bad) && fs::exists(each / "adult.test", bad))
      return named(each / "adult.data", each / "adult.test");
  return std::nullopt;
}

Expected<DemoData> generate(const fs::path& scratch) {
  std::error_code bad;
  fs::create_directories(scratch, bad);
  DemoData data{scratch / "adult.data", scratch / "adult.test", kGenerated, "SYNTHETIC data", true};
  std::ofstream(data.data) << synthetic_data();
  std::ofstream(data.test) << synthetic_test();
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
  if (const char* variable = std::getenv("MLFORGE_DATA"); variable && *variable) {
    if (auto found = look_in(variable)) return *found;
    return Error{ErrorCode::not_found,
                 "the folder '" + std::string(variable) +
                     "', which the environment variable MLFORGE_DATA names, holds no adult.data "
                     "and adult.test: correct or unset it",
                 "MLFORGE_DATA"};
  }
  for (const fs::path& folder : {fs::path("../shared/data"), fs::path("build")})
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
