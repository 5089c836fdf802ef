#include "gateway/event_filter.hpp"

#include "events/checks.hpp"
#include "events/event_codec.hpp"

namespace mlforge::gateway {
namespace {

constexpr std::uint64_t kMostLookedAt = 20000;  // tens of milliseconds of the server's thread

bool fits(std::string_view text, std::string_view wanted, bool prefix) {
  return wanted.empty() || (prefix ? text.starts_with(wanted) : text == wanted);
}

void read_pattern(std::string_view text, std::string& out, bool& prefix) {
  prefix = text.ends_with('*');
  out = prefix ? text.substr(0, text.size() - 1) : text;
}

Status read_time(const http::Request& request, std::string_view name, TimeUs& out) {
  const auto text = request.query(name);
  if (!text) return {};
  const auto time = parse_time(*text);
  if (!time)
    return invalid(name, "must be an RFC 3339 time such as 2026-11-21T09:30:00Z, or a date");
  out = *time;
  return {};
}

// The first version in the filter's stream that stands at `from` or later; positions ascend with
// versions.
Expected<std::uint64_t> version_from(const storage::Log& log, const EventFilter& filter,
                                     Position from) {
  const auto holds = log.stream_version(filter.tenant, filter.stream);
  if (!holds) return holds.error();
  std::uint64_t low = 1, high = *holds + 1;
  while (low < high) {
    const auto middle = low + (high - low) / 2;
    Position position = 0;
    const auto read = log.read_stream(filter.tenant, filter.stream, middle, 1, UINT64_MAX,
                                      [&](const EventView& e) {
                                        position = e.position;
                                        return false;
                                      });
    if (!read) return read.error();
    if (position < from)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

}  // namespace

bool EventFilter::matches(const EventView& e) const {
  return e.tenant == tenant && e.time >= since && e.time <= until &&
         fits(e.stream, stream, stream_prefix) && fits(e.type, type, type_prefix);
}

EventFilter event_filter(std::string_view stream, std::string_view type) {
  EventFilter filter;
  read_pattern(stream, filter.stream, filter.stream_prefix);
  read_pattern(type, filter.type, filter.type_prefix);
  return filter;
}

Expected<EventFilter> parse_event_filter(const http::Request& request) {
  EventFilter filter;
  filter.tenant = request.query("tenant").value_or("default");
  read_pattern(request.query("stream").value_or(""), filter.stream, filter.stream_prefix);
  read_pattern(request.query("type").value_or(""), filter.type, filter.type_prefix);
  if (auto bad = read_time(request, "since", filter.since)) return *bad;
  if (auto bad = read_time(request, "until", filter.until)) return *bad;
  return filter;
}

Expected<EventPage> read_events(const storage::Log& log, const EventFilter& filter, Position from,
                                Position as_of, std::size_t limit, std::size_t max_bytes) {
  EventPage page{.next_from = from};
  if (filter.since > INT64_MIN)
    page.next_from = std::max(from, log.position_at(filter.since - 1) + 1);
  std::uint64_t looked_at = 0;
  bool full = false;
  const auto add = [&](const EventView& e) {
    full = e.position > as_of || page.count >= limit || page.items.size() >= max_bytes;
    if (full) return false;
    ++looked_at;
    page.next_from = e.position + 1;
    if (!filter.matches(e)) return true;
    if (page.count++ > 0) page.items += ',';
    append_event_json(page.items, e);
    return true;
  };
  const auto read_all = [&]() -> Expected<EventPage> {
    const Position start = page.next_from;
    const auto read = log.read(start, kMostLookedAt, add);
    // A damaged record ends the page before it; asked for first, it is the answer.
    if (!read && page.next_from == start) return read.error();
    return page;
  };
  if (filter.stream.empty() || filter.stream_prefix) return read_all();
  // Where a damaged record of the stream is in the way, the log is read event by event instead.
  const auto version = version_from(log, filter, page.next_from);
  if (!version) return read_all();
  const auto read =
      log.read_stream(filter.tenant, filter.stream, *version, kMostLookedAt, as_of, add);
  if (!read) {
    if (looked_at == 0) return read_all();
    return page;
  }
  // The stream has no more: neither has the log, for this reader.
  if (!full && looked_at < kMostLookedAt) page.next_from = std::max(page.next_from, as_of + 1);
  return page;
}

}  // namespace mlforge::gateway
