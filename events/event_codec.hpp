// Events to stored payloads and back, derived from the list in vocabulary.hpp.
#pragma once
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "events/columns.hpp"
#include "events/vocabulary.hpp"

namespace mlforge {

// The event ready for the log, without stream and id.
NewEvent encode_event(const Event& event);
NewEvent encode_event(const Event& event, std::string stream);

// A type or a schema version that this program does not know gives UnknownEvent with the bytes as
// they are. `corrupt` where a known type's payload does not decode.
Expected<Event> decode_event(std::string_view type, std::uint16_t schema, ContentType content,
                             std::string_view payload);
// An expired event gives UnknownEvent without bytes: what is folded passes it by.
inline Expected<Event> decode_event(const EventView& e) {
  if (e.expired) return Event{UnknownEvent{std::string(e.type), e.schema, e.content_type, {}}};
  return decode_event(e.type, e.schema, e.content_type, e.payload);
}

// Decodes one event after the other into memory that it keeps: for long replays. Not thread-safe.
class EventDecoder {
 public:
  // With `left_out`, personal fields of events in columns stay empty.
  explicit EventDecoder(columns::Personal personal = columns::Personal::decoded)
      : personal_(personal) {}

  // The event as decode_event() gives it, valid until the next call.
  Expected<const Event*> decode(const EventView& e);

 private:
  columns::Personal personal_;
  std::vector<Event> kept_;  // one of each type, by its place in the list
  std::size_t last_type_ = SIZE_MAX;
  std::string lifted_;  // the payload of an older version as the newest has it
};

// The wire name of an event.
std::string_view type_name(const Event& event);

// Visits the (wire name, schema version, content type, field names) of every event that can be
// written.
void for_each_event_type(const std::function<void(std::string_view, std::uint16_t, ContentType,
                                                  const std::vector<std::string_view>&)>& visit);

// Whether a field may hold what has to be erased some day (docs/erasure.md).
bool is_personal(std::string_view type, std::string_view field);

// The payload as JSON text whatever it is stored as; bytes that do not decode become a JSON string.
void append_payload_json(std::string& out, std::string_view type, std::uint16_t schema,
                         ContentType content, std::string_view payload);

// The event with its envelope as one JSON object, as the API, WebSocket, SSE and NATS show it.
void append_event_json(std::string& out, const EventView& event);

}  // namespace mlforge
