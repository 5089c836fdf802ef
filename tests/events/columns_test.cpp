#include "events/columns.hpp"

#include <catch2/catch.hpp>
#include <limits>

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

Everything regular() {
  return {-7, 0.5, "abc", {1, 3, 5, 7}, {0.25}, {"x", "x", "x", "yz", "yz", ""}};
}

struct IntColumn {
  std::vector<std::int64_t> n;
  static constexpr auto fields() { return FieldList{field("n", &IntColumn::n)}; }
};
struct StringColumn {
  std::vector<std::string> t;
  static constexpr auto fields() { return FieldList{field("t", &StringColumn::t)}; }
};

char kind_written(const std::string& bytes) {
  return bytes[2 + 1 + 1];
}  // behind a name of one byte

template <class T>
void check_written(const T& value, int kind, std::size_t bytes) {
  const auto text = columns::encode(value);
  CHECK(int(kind_written(text)) == kind);
  CHECK(text.size() == 2 + 1 + 1 + 1 + bytes);
  const auto back = columns::decode<T>(text);
  REQUIRE(back);
  CHECK(same_bits(*back, value));
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

TEST_CASE("columns: the layout of the short forms is the one that is written down") {
  const auto numbers = columns::encode(IntColumn{{258, 255, 252}});
  CHECK(numbers == std::string("\x01\x00\x01n\x07\x03\x00\x00\x00"
                               "\x02\x01\x00\x00\x00\x00\x00\x00"
                               "\xfd\xff\xff\xff\xff\xff\xff\xff",
                               2 + 1 + 1 + 1 + 4 + 8 + 8));
  const auto texts = columns::encode(StringColumn{{"ab", "ab", "ab", "ab", "c"}});
  CHECK(texts == std::string("\x01\x00\x01t\x08\x05\x00\x00\x00\x02\x00\x00\x00"
                             "\x04\x00\x00\x00\x02\x00\x00\x00"
                             "\x01\x00\x00\x00\x01\x00\x00\x00"
                             "abc",
                             2 + 1 + 1 + 1 + 4 + 4 + 8 + 8 + 3));
}

TEST_CASE("columns: the form is the shorter one") {
  constexpr auto kLowest = std::numeric_limits<std::int64_t>::min();
  constexpr auto kHighest = std::numeric_limits<std::int64_t>::max();
  check_written(IntColumn{{}}, 4, 4);
  check_written(IntColumn{{5, 5}}, 4, 4 + 16);
  check_written(IntColumn{{5, 5, 5}}, 7, 20);
  check_written(IntColumn{{5, 6, 8}}, 4, 4 + 24);
  check_written(IntColumn{{kHighest, kLowest, kLowest + 1}}, 7, 20);
  check_written(IntColumn{{kLowest, kHighest, kLowest, kHighest}}, 4, 4 + 32);
  check_written(IntColumn{std::vector<std::int64_t>(65'536, 1)}, 7, 20);
  check_written(IntColumn{std::vector<std::int64_t>(65'537, 1)}, 4, 4 + 8 * 65'537);
  check_written(StringColumn{{}}, 6, 4);
  check_written(StringColumn{{"", "", ""}}, 6, 4 + 12);
  check_written(StringColumn{{"", "", "", ""}}, 8, 8 + 8);
  check_written(StringColumn{{"abcde", "abcde"}}, 8, 8 + 8 + 5);
  check_written(StringColumn{{"a", "b", "a", "b"}}, 6, 4 + 4 * 5);
  check_written(StringColumn{std::vector<std::string>(65'536, "a")}, 8, 8 + 8 + 1);
  check_written(StringColumn{std::vector<std::string>(65'537, "a")}, 6, 4 + 5 * 65'537);
}

TEST_CASE("columns: short forms that stand for too much, or not for what they say, are corrupt") {
  const auto numbers = [](const std::string& count) {
    return std::string("\x01\x00\x01n\x07", 5) + count + std::string(16, '\1');
  };
  CHECK(columns::decode<IntColumn>(numbers(std::string("\x00\x00\x01\x00", 4))));
  CHECK_FALSE(columns::decode<IntColumn>(numbers(std::string("\x01\x00\x01\x00", 4))));
  CHECK_FALSE(columns::decode<IntColumn>(numbers("\xff\xff\xff\xff")));
  const auto texts = [](char count, char first, char second) {
    const auto word = [](char low) { return std::string(1, low) + std::string(3, '\0'); };
    return std::string("\x01\x00\x01t\x08", 5) + word(count) + word(2) + word(first) + word(1) +
           word(second) + word(1) + "ab";
  };
  const auto three = columns::decode<StringColumn>(texts(3, 2, 1));
  REQUIRE(three);
  CHECK(three->t == std::vector<std::string>{"a", "a", "b"});
  CHECK_FALSE(columns::decode<StringColumn>(texts(4, 2, 1)));
  CHECK_FALSE(columns::decode<StringColumn>(texts(2, 2, 1)));
  const auto none =
      columns::decode<StringColumn>(texts(2, 0, 2));  // an empty run is odd but harmless
  REQUIRE(none);
  CHECK(none->t == std::vector<std::string>{"b", "b"});
}

TEST_CASE("columns: short forms are shown as what they stand for") {
  std::string json;
  columns::append_json(json, columns::encode(regular()));
  CHECK(json == R"({"number":-7,"real":0.5,"text":"abc","numbers":[1,3,5,7],"reals":[0.25],)"
                R"("texts":["x","x","x","yz","yz",""]})");
}

TEST_CASE("columns: cut at any byte they are corrupt, never read beyond their end") {
  for (const auto& value : {some(), regular()}) {
    const auto bytes = columns::encode(value);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      INFO("cut after " << size << " of " << bytes.size() << " bytes");
      const std::string cut(bytes, 0,
                            size);  // on the heap, so that a sanitizer sees a step too far
      const auto back = columns::decode<Everything>(cut);
      REQUIRE_FALSE(back);
      REQUIRE(back.error().code == ErrorCode::corrupt);
    }
    CHECK(columns::decode<Everything>(bytes));
  }
}

TEST_CASE("columns: with any byte changed they decode or are corrupt, and stay inside") {
  std::size_t refused = 0;
  for (const auto& bytes : {columns::encode(some()), columns::encode(regular())})
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
  for (const char kind : {3, 4, 5, 6, 7, 8}) {
    INFO(int(kind));
    CHECK_FALSE(columns::decode<Any>(with_value(kind, huge)));
    CHECK_FALSE(columns::decode<Any>(with_value(kind, huge + huge + huge)));
  }
  for (const int kind : {0, 9, 255})
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
