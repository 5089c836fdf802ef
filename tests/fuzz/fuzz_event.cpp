// Any payload of any event type is refused, kept as it is, or decodes into an event that is written
// and read back as the same one, and shows as JSON.
//
// An input: type (index), schema, content type, then the payload.
#include "events/event_codec.hpp"
#include "events/upcast.hpp"
#include "tests/events/samples.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace {

using namespace mlforge;
using fuzz::require;

const std::vector<std::string>& types() {
  static const auto all = [] {
    std::vector<std::string> out{"later.happened"};
    for_each_event_type([&](std::string_view type, std::uint16_t, ContentType,
                            const std::vector<std::string_view>&) { out.emplace_back(type); });
    return out;
  }();
  return all;
}

void check(const std::string& type, std::uint16_t schema, ContentType content,
           std::string_view payload) {
  const auto event = decode_event(type, schema, content, payload);
  if (!event) {
    require(event.error().code == ErrorCode::corrupt && !event.error().message.empty());
    return;
  }
  const auto stored = encode_event(*event);
  require(stored.type == type);
  if (holds_alternative<UnknownEvent>(*event)) {
    require(stored.schema == schema && stored.content_type == content && stored.payload == payload);
  } else {
    require(stored.schema >= schema && stored.content_type == content);
    const auto again =
        decode_event(stored.type, stored.schema, stored.content_type, stored.payload);
    require(again.has_value());
    require(encode_event(*again).payload == stored.payload);
  }
  std::string json;
  append_payload_json(json, type, schema, content, payload);
  require(codec::is_json(json));
}

}  // namespace

std::vector<std::string> mlforge::fuzz::seeds() {
  std::vector<std::string> out;
  const auto add = [&](std::size_t index, std::uint16_t schema, ContentType content,
                       const std::string& payload) {
    out.push_back(
        {static_cast<char>(index), static_cast<char>(schema), static_cast<char>(content)});
    out.back() += payload;
  };
  add(0, 7, ContentType::json, "{\"a\":[1,2.5,null]}");
  std::size_t index = 0;
  test::each_event_type([&]<class E>(std::type_identity<E>) {
    ++index;
    for (std::uint16_t schema = 1; schema <= E::schema; ++schema)
      add(index, schema, E::content, encode_event(test::Sample::of<E>()).payload);
    test::Random random(index, false);
    for (int i = 0; i < 3; ++i) {
      E event;
      random.fill(event);
      add(index, E::schema, E::content, encode_event(event).payload);
    }
  });
  return out;
}

std::vector<std::string> mlforge::fuzz::words() {
  return {"null",
          "true",
          "{}",
          "[]",
          "\"\"",
          "1e400",
          "-0",
          "18446744073709551616",
          "\"NaN\"",
          "\\u0000",
          "\\ud800",
          ",",
          ":",
          "\x06",
          std::string(4, '\0'),
          std::string(4, '\xff')};
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 3) return 0;
  const auto content = data[2] <= 1 ? static_cast<ContentType>(data[2]) : ContentType::json;
  check(types()[data[0] % types().size()], data[1], content,
        {reinterpret_cast<const char*>(data) + 3, size - 3});
  return 0;
}
