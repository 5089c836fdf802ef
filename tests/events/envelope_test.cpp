#include "events/envelope.hpp"

#include <catch2/catch.hpp>
#include <random>

namespace mlforge::test {
namespace {

constexpr TimeUs kSecond = 1'000'000, kDay = 86'400 * kSecond;

}  // namespace

TEST_CASE("uuid: text and back") {
  Uuid id;
  CHECK(id.is_nil());
  CHECK(to_string(id) == "00000000-0000-0000-0000-000000000000");
  for (std::size_t i = 0; i < 16; ++i) id.bytes[i] = static_cast<std::uint8_t>(0x11 * i);
  CHECK(to_string(id) == "00112233-4455-6677-8899-aabbccddeeff");
  std::mt19937_64 random(5);
  for (int round = 0; round < 1000; ++round) {
    for (auto& byte : id.bytes) byte = static_cast<std::uint8_t>(random());
    const auto back = parse_uuid(to_string(id));
    REQUIRE(back);
    REQUIRE(*back == id);
  }
}

TEST_CASE("uuid: what is not one") {
  for (const std::string text :
       {"", "0", "00112233-4455-6677-8899-aabbccddeef", "00112233-4455-6677-8899-aabbccddeeff0",
        "00112233445566778899aabbccddeeff", "00112233-4455-6677-8899-aabbccddeefg",
        "00112233-4455-6677-8899aabbccddeeff-", "0011223-34455-6677-8899-aabbccddeeff",
        "{00112233-4455-6677-8899-aabbccddee}"})
    CHECK_FALSE(parse_uuid(text));
}

TEST_CASE("time: formatted in UTC with microseconds") {
  CHECK(format_time(0) == "1970-01-01T00:00:00.000000Z");
  CHECK(format_time(1) == "1970-01-01T00:00:00.000001Z");
  CHECK(format_time(-1) == "1969-12-31T23:59:59.999999Z");
  CHECK(format_time(1'795'225'080'123'456) == "2026-11-21T01:38:00.123456Z");
  CHECK(format_time(951'782'400 * kSecond) == "2000-02-29T00:00:00.000000Z");
}

TEST_CASE("time: every time comes back") {
  std::mt19937_64 random(9);
  for (int round = 0; round < 2000; ++round) {
    const auto time = static_cast<TimeUs>(random() % (8000ull * 365 * kDay));
    const auto back = parse_time(format_time(time));
    REQUIRE(back);
    REQUIRE(*back == time);
  }
}

TEST_CASE("time: offsets, fewer and more digits, other separators") {
  const TimeUs time = 1'795'225'080 * kSecond;
  CHECK(parse_time("2026-11-21T01:38:00Z") == time);
  CHECK(parse_time("2026-11-21t01:38:00z") == time);
  CHECK(parse_time("2026-11-21 01:38:00Z") == time);
  CHECK(parse_time("2026-11-21T02:38:00+01:00") == time);
  CHECK(parse_time("2026-11-20T20:08:00-05:30") == time);
  CHECK(parse_time("2026-11-21T01:38:00.5Z") == time + 500'000);
  CHECK(parse_time("2026-11-21T01:38:00.123456789Z") == time + 123'456);
  CHECK(parse_time("2026-11-21T01:38:00.25+00:00") == time + 250'000);
  CHECK(parse_time("1970-01-02") == kDay);
  CHECK(parse_time("2016-12-31T23:59:60Z") == parse_time("2017-01-01T00:00:00Z"));
}

TEST_CASE("time: what is not one") {
  for (const std::string text : {"",
                                 "2026",
                                 "2026-11-2",
                                 "2026-13-01",
                                 "2026-02-29",
                                 "2026-00-01",
                                 "2026-11-00",
                                 "2026-11-21T",
                                 "2026-11-21T01:38",
                                 "2026-11-21T01:38:00",
                                 "2026-11-21T24:00:00Z",
                                 "2026-11-21T01:60:00Z",
                                 "2026-11-21T01:38:61Z",
                                 "2026-11-21T01:38:00.Z",
                                 "2026-11-21T01:38:00Zx",
                                 "2026-11-21T01:38:00+01",
                                 "2026-11-21T01:38:00+0100",
                                 "2026-11-21T01:38:00*01:00",
                                 "2026-11-21x01:38:00Z",
                                 "2026/11/21T01:38:00Z",
                                 "2O26-11-21T01:38:00Z",
                                 "2026-11-21T01:38:00.123456",
                                 "-026-11-21"}) {
    INFO(text);
    CHECK_FALSE(parse_time(text));
  }
}

TEST_CASE("time: a text cut anywhere is read or refused, never read beyond its end") {
  const std::string whole = "2026-11-21T01:38:00.123456+01:00";
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const std::string cut(whole, 0, size);
    CHECK(parse_time(cut).has_value() == (size == 10));
  }
}

TEST_CASE("envelope: a copy says the same as its view") {
  Envelope e;
  e.position = 7, e.tenant = "acme", e.stream = "run/r", e.version = 2, e.type = "run.ended";
  e.schema = 3, e.actor = "ann", e.time = 9, e.command_id = "c", e.payload = "{}";
  e.id.bytes[0] = 1, e.causation.bytes[0] = 2, e.correlation.bytes[0] = 3;
  e.content_type = ContentType::columns;
  const Envelope copy(e.view());
  CHECK(copy.position == 7);
  CHECK(copy.id == e.id);
  CHECK(copy.tenant == "acme");
  CHECK(copy.stream == "run/r");
  CHECK(copy.version == 2);
  CHECK(copy.type == "run.ended");
  CHECK(copy.schema == 3);
  CHECK(copy.actor == "ann");
  CHECK(copy.time == 9);
  CHECK(copy.causation == e.causation);
  CHECK(copy.correlation == e.correlation);
  CHECK(copy.command_id == "c");
  CHECK(copy.content_type == ContentType::columns);
  CHECK(copy.payload == "{}");
}

}  // namespace mlforge::test
