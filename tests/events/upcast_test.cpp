// Payloads of older schema versions, lifted step by step.
#include "events/upcast.hpp"

#include <catch2/catch.hpp>

#include "tests/events/samples.hpp"

namespace mlforge::test {
namespace {

// {"a":"1"} -> {"a":"1","b":"2"} -> {"c":"12"}
Expected<std::string> add_b(std::string_view payload) {
  if (!payload.ends_with('}')) return Error{ErrorCode::corrupt, "no object", ""};
  return std::string(payload.substr(0, payload.size() - 1)) + ",\"b\":\"2\"}";
}
Expected<std::string> join(std::string_view payload) {
  auto texts = from_json<Texts>(payload, Unknown::skip);
  if (!texts) return texts.error();
  return to_json(Texts{{"c", (*texts)["a"] + (*texts)["b"]}});
}
constexpr Upcaster kChain[] = {{"x.y", 1, ContentType::json, add_b},
                               {"x.y", 2, ContentType::json, join},
                               {"x.z", 3, ContentType::json, join}};

// What version 1 wrote: all columns but `sealed`.
struct PredictionsLogged1 {
  std::vector<std::string> request_ids;
  std::vector<double> probabilities;
  std::vector<std::int64_t> versions, challenger, times;
  std::vector<std::string> numeric_names;
  std::vector<double> numeric_values;
  static constexpr auto fields() {
    return FieldList{field("request_ids", &PredictionsLogged1::request_ids),
                     field("probabilities", &PredictionsLogged1::probabilities),
                     field("versions", &PredictionsLogged1::versions),
                     field("challenger", &PredictionsLogged1::challenger),
                     field("times", &PredictionsLogged1::times),
                     field("numeric_names", &PredictionsLogged1::numeric_names),
                     field("numeric_values", &PredictionsLogged1::numeric_values)};
  }
};

}  // namespace

TEST_CASE("upcast: a chain is gone through in order, from where the payload stands") {
  CHECK(*upcast("x.y", ContentType::json, 1, 3, R"({"a":"1"})", kChain) == R"({"c":"12"})");
  CHECK(*upcast("x.y", ContentType::json, 1, 2, R"({"a":"1"})", kChain) == R"({"a":"1","b":"2"})");
  CHECK(*upcast("x.y", ContentType::json, 2, 3, R"({"a":"1","b":"3"})", kChain) == R"({"c":"13"})");
  CHECK(*upcast("x.y", ContentType::json, 3, 3, "anything", kChain) == "anything");
  CHECK(upcast("x.y", ContentType::json, 1, 3, "", kChain).error().code == ErrorCode::corrupt);
  CHECK(can_upcast("x.y", ContentType::json, 1, 3, kChain));
  CHECK(can_upcast("x.y", ContentType::json, 3, 3, kChain));
  CHECK_FALSE(can_upcast("x.y", ContentType::json, 0, 3, kChain));
  CHECK_FALSE(can_upcast("x.y", ContentType::json, 4, 3, kChain));
  CHECK_FALSE(can_upcast("x.y", ContentType::columns, 1, 3, kChain));
  CHECK_FALSE(can_upcast("x.z", ContentType::json, 2, 4, kChain));
  CHECK(upcast("x.z", ContentType::json, 2, 4, "{}", kChain).error().code == ErrorCode::corrupt);
}

TEST_CASE("upcast: every version below the newest has a step") {
  for_each_event_type([](std::string_view type, std::uint16_t schema, ContentType content,
                         const std::vector<std::string_view>&) {
    INFO(type);
    for (std::uint16_t from = 1; from <= schema; ++from)
      CHECK(can_upcast(type, content, from, schema));
  });
  for (const auto& step : upcasters()) {
    INFO(step.type);
    CHECK(can_upcast(step.type, step.content, step.from, step.from + 1));
  }
}

TEST_CASE("upcast: predictions of version 1 are those of version 2 in which nothing is encrypted") {
  PredictionsLogged1 old{.request_ids = {"a", "b"},
                         .probabilities = {0.25, std::nan("")},
                         .versions = {1, 2},
                         .challenger = {0, 1},
                         .times = {3, 4},
                         .numeric_names = {"age"},
                         .numeric_values = {1, 2}};
  const auto bytes = columns::encode(old);
  const auto event = decode_event("prediction.logged", 1, ContentType::columns, bytes);
  REQUIRE(event);
  const auto& now = get<PredictionsLogged>(*event);
  CHECK(now.request_ids == old.request_ids);
  CHECK(same_bits(now.probabilities, old.probabilities));
  CHECK(now.versions == old.versions);
  CHECK(now.numeric_values == old.numeric_values);
  CHECK(now.sealed.empty());
  CHECK(encode_event(*event).schema == 2);
  // So it does for replays, whatever stood in their memory before.
  EventDecoder decoder;
  Envelope e;
  e.type = "prediction.logged", e.content_type = ContentType::columns;
  e.schema = 2, e.payload = columns::encode(PredictionsLogged{.sealed = {"x"}});
  REQUIRE(decoder.decode(e.view()));
  e.schema = 1, e.payload = bytes;
  const auto kept = decoder.decode(e.view());
  REQUIRE(kept);
  CHECK(encode_event(**kept).payload == encode_event(*event).payload);
  // Expired, it is what is left of it.
  e.expired = true;
  const auto left = decoder.decode(e.view());
  REQUIRE(left);
  CHECK(encode_event(**left).payload == encode_event(*event).payload);
  e.payload.clear();
  const auto nothing = decoder.decode(e.view());
  REQUIRE(nothing);
  CHECK(holds_alternative<UnknownEvent>(**nothing));
  // Shown, it is what was written.
  std::string json;
  append_payload_json(json, "prediction.logged", 1, ContentType::columns, bytes);
  CHECK(json == to_json(old));
  json.clear();
  append_payload_json(json, "prediction.logged", 1, ContentType::columns, bytes.substr(0, 9));
  CHECK(json.front() == '"');
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const auto torn =
        decode_event("prediction.logged", 1, ContentType::columns, bytes.substr(0, size));
    REQUIRE_FALSE(torn);
    CHECK(torn.error().code == ErrorCode::corrupt);
  }
}

}  // namespace mlforge::test
