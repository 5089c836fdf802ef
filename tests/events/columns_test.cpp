#include "events/columns.hpp"

#include <catch2/catch.hpp>

#include "tests/events/samples.hpp"

namespace mlforge::test {
namespace {

struct Everything {
  std::int64_t number = 0;
  double real = 0;
  std::string text;
  std::vector<std::int64_t> numbers;
  std::vector<double> reals;
  std::vector<std::string> texts;
  static constexpr auto fields() {
    return FieldList{field("number", &Everything::number), field("real", &Everything::real),
                     field("text", &Everything::text),     field("numbers", &Everything::numbers),
                     field("reals", &Everything::reals),   field("texts", &Everything::texts)};
  }
};

struct Older {
  std::vector<double> reals;
  std::int64_t number = 5;
  static constexpr auto fields() {
    return FieldList{field("reals", &Older::reals), field("number", &Older::number)};
  }
};

struct Retyped {
  std::string number = "kept";
  static constexpr auto fields() { return FieldList{field("number", &Retyped::number)}; }
};

Everything some() {
  return {-7, 0.5, "abc", {1, -2, 3}, {0.25, -0.0}, {"", "x", std::string("\0y", 2)}};
}

}  // namespace

TEST_CASE("columns: every kind comes back, with all bit patterns of doubles") {
  Random random(3, true);
  for (int round = 0; round < 500; ++round) {
    Everything value;
    random.fill(value);
    const auto bytes = columns::encode(value);
    const auto back = columns::decode<Everything>(bytes);
    REQUIRE(back);
    REQUIRE(same_bits(*back, value));
    REQUIRE(columns::encode(*back) == bytes);
  }
  const auto empty = columns::decode<Everything>(columns::encode(Everything{}));
  REQUIRE(empty);
  CHECK(same_bits(*empty, Everything{}));
}

TEST_CASE("columns: the layout is the one that is written down") {
  const auto bytes = columns::encode(Older{{1.0}, 258});
  const std::string expected(
      "\x02\x00"
      "\x05"
      "reals"
      "\x05\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\xf0\x3f"
      "\x06"
      "number"
      "\x01\x02\x01\x00\x00\x00\x00\x00\x00",
      2 + 1 + 5 + 1 + 12 + 1 + 6 + 1 + 8);
  CHECK(bytes == expected);
}

TEST_CASE("columns: cut at any byte they are corrupt, never read beyond their end") {
  const auto bytes = columns::encode(some());
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    INFO("cut after " << size << " of " << bytes.size() << " bytes");
    const std::string cut(bytes, 0, size);  // on the heap, so that a sanitizer sees a step too far
    const auto back = columns::decode<Everything>(cut);
    REQUIRE_FALSE(back);
    REQUIRE(back.error().code == ErrorCode::corrupt);
  }
  CHECK(columns::decode<Everything>(bytes));
}

TEST_CASE("columns: with any byte changed they decode or are corrupt, and stay inside") {
  const auto bytes = columns::encode(some());
  std::size_t refused = 0;
  for (std::size_t at = 0; at < bytes.size(); ++at)
    for (const int flip : {0x01, 0x40, 0x80, 0xFF}) {
      std::string changed = bytes;
      changed[at] = static_cast<char>(changed[at] ^ flip);
      const auto back = columns::decode<Everything>(changed);
      if (back) continue;
      REQUIRE(back.error().code == ErrorCode::corrupt);
      ++refused;
    }
  CHECK(refused > 20);
}

TEST_CASE("columns: counts that no payload can hold are corrupt") {
  const auto with_value = [](char kind, const std::string& value) {
    return std::string("\x01\x00\x01x", 4) + kind + value;
  };
  struct Any {
    std::vector<std::string> x;
    static constexpr auto fields() { return FieldList{field("x", &Any::x)}; }
  };
  const std::string huge("\xff\xff\xff\xff", 4);
  for (const char kind : {3, 4, 5, 6}) {
    INFO(int(kind));
    CHECK_FALSE(columns::decode<Any>(with_value(kind, huge)));
    CHECK_FALSE(columns::decode<Any>(with_value(kind, huge + huge + huge)));
  }
  for (const int kind : {0, 7, 255})
    CHECK_FALSE(columns::decode<Any>(with_value(static_cast<char>(kind), std::string(64, '\0'))));
  // Lengths of texts whose sum is beyond what is there.
  CHECK_FALSE(columns::decode<Any>(with_value(6, std::string("\x02\0\0\0", 4) + huge + huge)));
  CHECK(columns::decode<Any>(with_value(6, std::string("\x02\0\0\0\x01\0\0\0\0\0\0\0a", 13))));
}

TEST_CASE("columns: a reader takes what it knows by name and kind, whatever the order") {
  const auto older = columns::decode<Older>(columns::encode(some()));
  REQUIRE(older);
  CHECK(older->number == -7);
  CHECK(same_bits(older->reals, some().reals));
  const auto newer = columns::decode<Everything>(columns::encode(Older{{1.5}, 9}));
  REQUIRE(newer);
  CHECK(newer->number == 9);
  CHECK(newer->reals == std::vector<double>{1.5});
  CHECK(newer->text.empty());
  const auto retyped = columns::decode<Retyped>(columns::encode(some()));
  REQUIRE(retyped);
  CHECK(retyped->number == "kept");
}

}  // namespace mlforge::test
