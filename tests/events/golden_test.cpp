// Every form in which an event was ever written stays here as a file and must decode for ever.
//
// tests/events/golden/<type>.v<schema>[-<n>fields].{json|hex}; the number of fields is in the name
// where fields were appended later without a new schema version. Files are never changed:
//   MLFORGE_WRITE_GOLDEN=1 test_events "golden files*"
// writes those that are missing.
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <set>
#include <vector>

#include "tests/events/samples.hpp"

namespace mlforge::test {
namespace {

namespace fs = std::filesystem;

constexpr const char* kHowToWrite =
    "write it with: MLFORGE_WRITE_GOLDEN=1 test_events \"golden files*\"";

fs::path folder() {
  if (const char* source = std::getenv("MLFORGE_SOURCE"))
    return fs::path(source) / "tests/events/golden";
  return fs::path(__FILE__).parent_path() / "golden";
}

std::string to_hex(std::string_view bytes) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (i > 0 && i % 40 == 0) out += '\n';
    out += kHex[static_cast<unsigned char>(bytes[i]) >> 4];
    out += kHex[static_cast<unsigned char>(bytes[i]) & 15];
  }
  return out;
}

std::string from_hex(std::string_view text) {
  std::string out;
  int high = -1;
  for (const char c : text) {
    if (c == '\n') continue;
    const int value = c >= 'a' ? c - 'a' + 10 : c - '0';
    if (high < 0) {
      high = value;
    } else {
      out += static_cast<char>(high << 4 | value);
      high = -1;
    }
  }
  return out;
}

struct Golden {
  std::string type;
  std::uint16_t schema = 0;
  ContentType content = ContentType::json;
  std::string payload;
};

std::optional<Golden> read_golden(const fs::path& path) {
  const auto stem = path.stem().string();
  const auto at = stem.rfind(".v");
  const bool hex = path.extension() == ".hex";
  if (at == stem.npos || (!hex && path.extension() != ".json")) return std::nullopt;
  std::ifstream in(path, std::ios::binary);
  std::string text(std::istreambuf_iterator<char>(in), {});
  if (!text.empty() && text.back() == '\n') text.pop_back();
  return Golden{stem.substr(0, at), static_cast<std::uint16_t>(std::stoi(stem.substr(at + 2))),
                hex ? ContentType::columns : ContentType::json, hex ? from_hex(text) : text};
}

std::vector<Golden> read_all() {
  std::vector<Golden> out;
  for (const auto& entry : fs::directory_iterator(folder())) {
    auto golden = read_golden(entry.path());
    if (!golden) FAIL("no golden file: " << entry.path().filename());
    out.push_back(*std::move(golden));
  }
  return out;
}

// The sample of one type of event as it is written today: the checks are compiled once, not for
// each.
struct Today {
  NewEvent encoded;
  std::size_t fields = 0;
  // How many fields of an event of that type are not as in a fresh one.
  std::size_t (*set)(const Event& event) = nullptr;
};

template <class E>
Today today_of() {
  Today today{encode_event(Sample::of<E>()), decltype(E::fields())::size};
  today.set = [](const Event& event) {
    const E fresh{};
    std::size_t set = 0;
    for_each_field<E>(
        [&](const auto& f) { set += !same_bits(get<E>(event).*(f.member), fresh.*(f.member)); });
    return set;
  };
  return today;
}

std::vector<Today> all_today() {
  std::vector<Today> out;
  each_event_type([&]<class E>(std::type_identity<E>) { out.push_back(today_of<E>()); });
  return out;
}

// The name for the form that is written today.
std::string name_of(const Today& today, bool first_of_its_version) {
  std::string name = today.encoded.type + ".v" + std::to_string(today.encoded.schema);
  if (!first_of_its_version) name += "-" + std::to_string(today.fields) + "fields";
  return name + (today.encoded.content_type == ContentType::columns ? ".hex" : ".json");
}

bool is_of(const Golden& golden, const Today& today) {
  return golden.type == today.encoded.type && golden.schema == today.encoded.schema;
}

// Whether `now` is `before` with fields appended, or the same.
bool extends(const Golden& before, const std::string& now) {
  if (before.content == ContentType::json)
    return now.starts_with(std::string_view(before.payload).substr(0, before.payload.size() - 1));
  return now.size() >= before.payload.size() &&
         std::string_view(now).substr(2).starts_with(std::string_view(before.payload).substr(2));
}

}  // namespace

TEST_CASE("golden files: there is one of every event as it is written today") {
  const bool write = std::getenv("MLFORGE_WRITE_GOLDEN") != nullptr;
  if (write) fs::create_directories(folder());
  const auto all = read_all();
  for (const auto& today : all_today()) {
    const auto& encoded = today.encoded;
    bool first = true, there = false;
    for (const auto& golden : all) {
      if (!is_of(golden, today)) continue;
      first = false;
      there = there || golden.payload == encoded.payload;
    }
    const auto name = name_of(today, first);
    if (!there && write && !fs::exists(folder() / name)) {
      std::ofstream out(folder() / name, std::ios::binary);
      out << (encoded.content_type == ContentType::columns ? to_hex(encoded.payload)
                                                           : encoded.payload)
          << '\n';
      there = static_cast<bool>(out);
    }
    INFO("the golden file " << name << " is missing, or another one of that name differs; "
                            << kHowToWrite);
    CHECK(there);
  }
}

TEST_CASE("golden files: every one decodes, and is written today with the same bytes") {
  const auto all = read_all();
  REQUIRE_FALSE(all.empty());
  for (const auto& golden : all) {
    INFO(golden.type << " version " << golden.schema);
    const auto event = decode_event(golden.type, golden.schema, golden.content, golden.payload);
    REQUIRE(event);
    REQUIRE_FALSE(holds_alternative<UnknownEvent>(*event));
    const auto today = encode_event(*event);
    CHECK(today.type == golden.type);
    if (today.schema == golden.schema) CHECK(extends(golden, today.payload));
  }
}

TEST_CASE("golden files: they hold a value for every field") {
  const auto types = all_today();
  for (const auto& golden : read_all()) {
    for (const auto& today : types) {
      if (!is_of(golden, today)) continue;
      INFO(golden.type);
      const auto event = decode_event(golden.type, golden.schema, golden.content, golden.payload);
      REQUIRE(event);
      const auto set = today.set(*event);
      CHECK(set > 0);
      if (encode_event(*event).payload == golden.payload) CHECK(set == today.fields);
    }
  }
}

}  // namespace mlforge::test
