// Which events a reader of the log wants, and pages of them. The same for the API, WebSocket and
// SSE.
#pragma once
#include <string>

#include "events/envelope.hpp"
#include "gateway/http/request.hpp"
#include "storage/log.hpp"

namespace mlforge::gateway {

struct EventFilter {
  std::string tenant;        // always one
  std::string stream, type;  // exact, or a prefix where the flag says so; empty: all
  bool stream_prefix = false, type_prefix = false;
  TimeUs since = INT64_MIN, until = INT64_MAX;  // inclusive
  bool matches(const EventView& e) const;
};

// Of any tenant; a * at the end makes a prefix.
EventFilter event_filter(std::string_view stream, std::string_view type);

// From ?stream=run/* &type=run.* &since= &until=. The Error names the parameter.
Expected<EventFilter> parse_event_filter(const http::Request& request);

struct EventPage {
  std::string items;  // JSON objects with commas between them
  std::size_t count = 0;
  Position next_from = 0;  // where to go on
};

// At most `limit` matching events and `max_bytes` of them from `from` on (one more than fits is
// left for the next page). A whole stream is read through the index, so a page costs what it holds.
// Stops after looking at 20,000 events: then the page may be short, and next_from says where to go
// on.
Expected<EventPage> read_events(const storage::Log& log, const EventFilter& filter, Position from,
                                Position as_of, std::size_t limit, std::size_t max_bytes);

}  // namespace mlforge::gateway
