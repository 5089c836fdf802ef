#include "events/event_codec.hpp"

#include <simdjson.h>
#include <catch2/catch.hpp>
#include <set>
#include <vector>

#include "tests/events/samples.hpp"

namespace mlforge::test {
namespace {

Expected<Event> decode(const NewEvent& e) {
  return decode_event(e.type, e.schema, e.content_type, e.payload);
}

// One type of event, whatever its C++ type: the checks are compiled once, not for each.
struct Kind {
  std::string_view type;
  std::uint16_t schema = 1;
  ContentType content = ContentType::json;
  Event fresh;
  Event (*random)(Random& random) = nullptr;
  bool (*same)(const Event& x, const Event& y) = nullptr;  // false where one is of another type
  // Read strictly, and written again.
  Expected<std::string> (*again)(std::string_view json) = nullptr;

  bool columns() const { return content == ContentType::columns; }
};

template <class E>
Kind kind_of() {
  Kind kind{E::type, E::schema, E::content, Event(E{})};
  kind.random = [](Random& random) {
    E event;
    random.fill(event);
    return Event(std::move(event));
  };
  kind.same = [](const Event& x, const Event& y) {
    const auto *one = get_if<E>(&x), *other = get_if<E>(&y);
    return one && other && same_bits(*one, *other);
  };
  kind.again = [](std::string_view json) -> Expected<std::string> {
    const auto event = from_json<E>(json, Unknown::refuse);
    if (!event) return event.error();
    return to_json(*event);
  };
  return kind;
}

const std::vector<Kind>& kinds() {
  static const auto all = [] {
    std::vector<Kind> out;
    each_event_type([&]<class E>(std::type_identity<E>) { out.push_back(kind_of<E>()); });
    return out;
  }();
  return all;
}

std::string payload_json(std::string_view type, std::uint16_t schema, ContentType content,
                         std::string_view payload) {
  std::string out;
  append_payload_json(out, type, schema, content, payload);
  return out;
}

EventView view_of(const NewEvent& encoded) {
  EventView view;
  view.type = encoded.type;
  view.schema = encoded.schema;
  view.content_type = encoded.content_type;
  view.payload = encoded.payload;
  return view;
}

}  // namespace

TEST_CASE("event codec: a decoder that keeps its memory forgets what it held") {
  EventDecoder decoder;
  for (const auto& kind : kinds()) {
    INFO(kind.type);
    Random random(7, kind.columns());
    for (int round = 0; round < 20; ++round) {
      const Event event = round % 4 != 3 ? kind.random(random) : kind.fresh;
      const auto encoded = encode_event(event);
      EventView view = view_of(encoded);
      const auto decoded = decoder.decode(view);
      REQUIRE(decoded);
      REQUIRE(kind.same(**decoded, event));
      // Fields that an older event does not have keep their defaults.
      view.payload = kind.columns() ? std::string_view("\0\0", 2) : "{}";
      const auto empty = decoder.decode(view);
      REQUIRE(empty);
      REQUIRE(kind.same(**empty, kind.fresh));
    }
  }
  EventView broken;
  broken.type = RunStarted::type;
  broken.payload = "{\"run_id\":7}";
  const auto failed = decoder.decode(broken);
  REQUIRE_FALSE(failed);
  CHECK(failed.error().code == ErrorCode::corrupt);
  broken.type = "something.new";
  const auto unknown = decoder.decode(broken);
  REQUIRE(unknown);
  CHECK(get<UnknownEvent>(**unknown).payload == broken.payload);
}

TEST_CASE("event codec: personal columns are left out where that is asked") {
  PredictionsLogged all;
  all.request_ids = {"r-1", "r-2"};
  all.probabilities = {0.25, 0.5};
  all.versions = {3, 4};
  all.numeric_names = {"age"};
  all.numeric_values = {31, 47};
  const auto encoded = encode_event(all);
  const EventView view = view_of(encoded);
  EventDecoder decoder(columns::Personal::left_out);
  for (int round = 0; round < 2; ++round) {
    const auto decoded = decoder.decode(view);
    REQUIRE(decoded);
    const auto& left = get<PredictionsLogged>(**decoded);
    CHECK(left.versions == all.versions);
    CHECK(left.numeric_names == all.numeric_names);
    CHECK(left.request_ids.empty());
    CHECK(left.probabilities.empty());
    CHECK(left.numeric_values.empty());
  }
}

TEST_CASE("event codec: every type comes back to the bit, whatever its fields hold") {
  for (const auto& kind : kinds()) {
    INFO(kind.type);
    Random random(20261121, kind.columns());
    for (int round = 0; round < 100; ++round) {
      const Event event = kind.random(random);
      const auto encoded = encode_event(event, "stream/x");
      CHECK(encoded.type == kind.type);
      CHECK(encoded.schema == kind.schema);
      CHECK(encoded.content_type == kind.content);
      CHECK(encoded.stream == "stream/x");
      const auto decoded = decode(encoded);
      REQUIRE(decoded);
      REQUIRE(kind.same(*decoded, event));
      REQUIRE(encode_event(*decoded).payload == encoded.payload);
    }
  }
}

TEST_CASE("event codec: every payload shows as JSON that parses") {
  for (const auto& kind : kinds()) {
    INFO(kind.type);
    Random random(7, kind.columns());
    for (int round = 0; round < 20; ++round) {
      const auto e = encode_event(kind.random(random));
      const auto json = payload_json(e.type, e.schema, e.content_type, e.payload);
      const auto again = kind.again(json);
      REQUIRE(again);
      CHECK(*again == json);
    }
  }
}

TEST_CASE("event codec: wire names are unique, with a kind before the dot") {
  std::set<std::string> names;
  for_each_event_type([&](std::string_view type, std::uint16_t schema, ContentType,
                          const std::vector<std::string_view>& fields) {
    INFO(type);
    CHECK(names.emplace(type).second);
    CHECK(schema >= 1);
    CHECK(type.find('.') != type.npos);
    CHECK(std::set(fields.begin(), fields.end()).size() == fields.size());
  });
  CHECK(names.size() == EventTypes::size - 1);
}

TEST_CASE("event codec: what this program does not know keeps its bytes") {
  const std::string bytes("\x00\xff{not json", 11);
  const auto kept = [&](std::string_view type, std::uint16_t schema, ContentType content) {
    const auto event = decode_event(type, schema, content, bytes);
    REQUIRE(event);
    const auto* unknown = get_if<UnknownEvent>(&*event);
    REQUIRE(unknown);
    const auto again = encode_event(*event);
    CHECK(again.type == type);
    CHECK(again.schema == schema);
    CHECK(again.content_type == content);
    CHECK(again.payload == bytes);
    CHECK(type_name(*event) == type);
  };
  kept("run.exploded", 1, ContentType::json);
  kept("run.exploded", 1, ContentType::columns);
  kept("run.started", 2, ContentType::json);     // of a newer program
  kept("run.started", 1, ContentType::columns);  // stored in another form
  kept("run.metrics_logged", 1, ContentType::json);
  kept("run.started", 1, ContentType{200});
}

TEST_CASE("event codec: a known type with damaged bytes is corrupt") {
  const auto corrupt = [](std::string_view type, ContentType content, std::string_view payload) {
    const auto event = decode_event(type, 1, content, payload);
    REQUIRE_FALSE(event);
    CHECK(event.error().code == ErrorCode::corrupt);
    CHECK_FALSE(event.error().message.empty());
    return event.error().field;
  };
  corrupt("run.started", ContentType::json, "");
  corrupt("run.started", ContentType::json, "{\"run_id\":");
  corrupt("run.started", ContentType::json, "[]");
  CHECK(corrupt("run.started", ContentType::json, "{\"run_id\":7}") == "run_id");
  CHECK(corrupt("dataset.committed", ContentType::json, R"({"files":[{"bytes":-1}]})") ==
        "files[0].bytes");
  corrupt("run.metrics_logged", ContentType::columns, "");
  corrupt("run.metrics_logged", ContentType::columns, "\x01");
}

TEST_CASE("event codec: fields that an older program does not know are skipped") {
  const auto event = decode_event("run.ended", 1, ContentType::json,
                                  R"({"status":"failed","later":{"a":[1,2]},"end_time":7})");
  REQUIRE(event);
  const auto& ended = get<RunEnded>(*event);
  CHECK(ended.status == "failed");
  CHECK(ended.end_time == 7);
  const auto empty = decode_event("deployment.created", 1, ContentType::json, "{}");
  REQUIRE(empty);
  CHECK(same_bits(get<EndpointCreated>(*empty), EndpointCreated{}));
}

TEST_CASE("event codec: a figure of 21 digits does not make its event unreadable") {
  const auto event =
      encode_event(ModelVersionCreated{.metrics = {{"mse", 123456789012345680000.0}}});
  CHECK(decode(event));
}

TEST_CASE("event codec: an unknown payload shows as JSON where it is some, else as text") {
  CHECK(payload_json("x.y", 1, ContentType::json, R"({"a":[1]})") == R"({"a":[1]})");
  CHECK(payload_json("x.y", 1, ContentType::json, "{\"a\"") == R"("{\"a\"")");
  CHECK(payload_json("x.y", 1, ContentType::columns, "{}") == R"("{}")");
  CHECK(payload_json("run.metrics_logged", 1, ContentType::columns, "\x09") == R"("\t")");
}

TEST_CASE("event codec: an event with its envelope is one JSON object") {
  Envelope e;
  e.position = 42;
  e.id.bytes[0] = 0xAB;
  e.tenant = "acme", e.stream = "run/\"r\"", e.version = 3, e.type = "run.ended", e.schema = 1;
  e.actor = "ann", e.time = 1'000'000;
  e.payload = R"({"status":"failed"})";
  std::string out;
  append_event_json(out, e.view());
  CHECK(out ==
        R"({"position":42,"id":"ab000000-0000-0000-0000-000000000000","type":"run.ended",)"
        R"("schema":1,"tenant":"acme","stream":"run/\"r\"","version":3,)"
        R"("time":"1970-01-01T00:00:01.000000Z","actor":"ann","payload":{"status":"failed"}})");
  e.causation.bytes[15] = 1;
  e.correlation.bytes[15] = 2;
  e.command_id = "c-1";
  out.clear();
  append_event_json(out, e.view());
  const auto parsed = codec::parse(out);
  REQUIRE(parsed);
  std::string_view text;
  REQUIRE((*parsed)["causation_id"].get(text) == simdjson::SUCCESS);
  CHECK(text == "00000000-0000-0000-0000-000000000001");
  REQUIRE((*parsed)["correlation_id"].get(text) == simdjson::SUCCESS);
  CHECK(text == "00000000-0000-0000-0000-000000000002");
  REQUIRE((*parsed)["command_id"].get(text) == simdjson::SUCCESS);
  CHECK(text == "c-1");
}

}  // namespace mlforge::test
