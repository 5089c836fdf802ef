#include "gateway/archiving.hpp"

#include <algorithm>
#include <sstream>

#include "gateway/moment.hpp"
#include "storage/files.hpp"
#include "storage/log_keys.hpp"

namespace mlforge::gateway {
namespace {

namespace fs = std::filesystem;

fs::path done_file(const fs::path& folder) { return folder / "segments" / "EXPIRED"; }

// Lines of a kind and the position up to which its payloads are gone. Lost, they cost a look at all
// segments.
std::map<std::string, Position> read_done(const fs::path& folder) {
  std::map<std::string, Position> done;
  const auto text = storage::read_small_file(done_file(folder));
  if (!text) return done;
  std::istringstream lines(*text);
  std::string kind;
  for (Position up_to = 0; lines >> kind >> up_to;) done[kind] = up_to;
  return done;
}

Status write_done(const fs::path& folder, const std::map<std::string, Position>& done) {
  std::string text;
  for (const auto& [kind, up_to] : done) text += kind + " " + std::to_string(up_to) + "\n";
  return storage::write_marker(done_file(folder), text);
}

Status archive_to(storage::LmdbLog& log, Position last, const std::function<bool()>& go_on) {
  while (log.archived() < last && go_on()) {
    const auto report = log.archive_some(last);
    if (!report) return report.error();
    if (report->events == 0 && log.archived() < last) break;
  }
  return {};
}

}  // namespace

Expected<Position> archive_limit(const storage::Log& log, std::string_view before,
                                 std::uint64_t keep) {
  const Position head = log.head();
  Position last = head;
  if (!before.empty()) {
    const auto start = parse_start(log, before, "before");
    if (!start) return start.error();
    last = std::min(head, *start - 1);
  }
  return std::min(last, head > keep ? head - keep : 0);
}

Expected<RetentionState> read_retention(const storage::Log& log) {
  RetentionState state;
  const auto read = log.read_stream(storage::kLogTenant, kRetentionStream, 1, UINT64_MAX,
                                    UINT64_MAX, [&](const EventView& e) {
                                      if (const auto a = retention_applied(e.type, e.payload))
                                        evolve(state, *a);
                                      return true;
                                    });
  if (!read) return read.error();
  return state;
}

Expected<ApplyRetention> plan_retention(const storage::Log& log, const RetentionState& state,
                                        const std::string& kind, const std::string& keep,
                                        TimeUs now) {
  if (auto bad = check_retention_kind(kind)) return *bad;
  const auto age = parse_duration(keep);
  if (!age)
    return Error{ErrorCode::invalid_argument,
                 "keep must be a duration such as 12h, 30d or 1y, not '" + keep + "'", "keep"};
  ApplyRetention plan{.kind = kind, .keep = keep, .before = now - *age};
  const Position head = log.head();
  const Position end = std::min(log.position_at(plan.before), head > 0 ? head - 1 : 0);
  const auto known = state.up_to.find(kind);
  const Position from = known == state.up_to.end() ? 1 : known->second + 1;
  if (end < from) return plan;
  const auto read = log.read(from, end - from + 1, [&](const EventView& e) {
    if (stream_kind(e.stream) != kind || e.expired) return true;
    ++plan.events;
    plan.up_to = e.position;
    return true;
  });
  if (!read) return read.error();
  return plan;
}

Expected<std::optional<storage::AppendRequest>> retention_request(const RetentionState& state,
                                                                  const ApplyRetention& plan,
                                                                  const std::string& actor) {
  const auto event = decide(state, plan);
  if (!event) return event.error();
  if (!*event) return std::optional<storage::AppendRequest>();
  storage::AppendRequest request;
  request.tenant = storage::kLogTenant;
  request.actor = actor;
  request.events = {encode_retention(**event)};
  return std::optional(std::move(request));
}

Expected<DropReport> drop_bodies(storage::LmdbLog& log, const fs::path& folder,
                                 const RetentionState& state, const std::function<bool()>& go_on) {
  DropReport report;
  const auto done = read_done(folder);
  Position last = 0, first = UINT64_MAX;  // where something may still be to drop
  for (const auto& [kind, up_to] : state.up_to) {
    const auto known = done.find(kind);
    const Position before = known == done.end() ? 0 : known->second;
    if (before >= up_to) continue;
    last = std::max(last, up_to);
    first = std::min(first, before + 1);
  }
  if (last == 0) return report;
  if (auto bad = archive_to(log, last, go_on)) return *bad;
  const auto segments = log.segments().list();
  if (!segments) return segments.error();
  for (std::size_t i = 0; i < segments->size() && segments->at(i) <= last; ++i) {
    if (i + 1 < segments->size() && segments->at(i + 1) <= first) continue;
    if (!go_on()) return report;
    const auto segment = log.segments().segment(segments->at(i));
    if (!segment) return segment.error();
    if (auto bad = archive_to(log, (*segment)->last(), go_on)) return *bad;
    const auto dropped = log.expire_segment(segments->at(i), state.up_to);
    if (!dropped) return dropped.error();
    report.events += dropped->events;
    report.segments += dropped->events > 0;
    report.bytes_before += dropped->bytes_before;
    report.bytes_after += dropped->bytes_after;
  }
  if (log.archived() < last) return report;
  if (auto bad = write_done(folder, state.up_to)) return *bad;
  return report;
}

}  // namespace mlforge::gateway
