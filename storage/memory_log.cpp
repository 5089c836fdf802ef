#include "storage/memory_log.hpp"

#include <algorithm>
#include <mutex>

namespace mlforge::storage {
namespace {

constexpr std::uint64_t kMemoryPageEvents = 4096;

EventView decoded(const std::vector<std::uint8_t>& record) {
  EventView event;
  decode_record(Bytes(record), event);  // encoded by this process, so it cannot be refused
  return event;
}

}  // namespace

MemoryLog::MemoryLog(std::shared_ptr<Clock> clock, std::shared_ptr<IdSource> ids)
    : planner_(
          clock, ids,
          [this](StreamName s) -> Expected<std::uint64_t> {
            return stream_version(s.tenant, s.name);
          },
          100'000),
      ids_(std::move(ids)),
      log_id_(ids_->next(clock->now())) {}

std::vector<Expected<Appended>> MemoryLog::append(std::span<const AppendRequest> requests) {
  std::vector<Expected<Appended>> answers;
  if (const Status stopped = writable()) {
    answers.assign(requests.size(), *stopped);
    return answers;
  }
  const auto events = planner_.plan(requests, answers);
  std::vector<Record> encoded(events.size());
  for (std::size_t i = 0; i < events.size(); ++i) {
    std::array<std::uint8_t, kSaltBytes> salt;
    ids_->salt(salt);
    encoder_.append(events[i], salt, encoded[i]);
  }
  {
    const std::unique_lock lock(mutex_);
    for (std::size_t i = 0; i < events.size(); ++i) store(events[i], std::move(encoded[i]));
  }
  planner_.commit();
  return answers;
}

void MemoryLog::store(const EventView& event, Record record) {
  records_.push_back(std::move(record));
  times_.push_back(event.time);
  const StreamName name{event.tenant, event.stream};
  auto stream = streams_.find(name);
  if (stream == streams_.end()) stream = streams_.try_emplace(StreamKey(name)).first;
  stream->second.push_back(event.position);
}

Position MemoryLog::head() const {
  const std::shared_lock lock(mutex_);
  return records_.size();
}

std::vector<const MemoryLog::Record*> MemoryLog::records(Position from, std::uint64_t limit) const {
  const std::shared_lock lock(mutex_);
  std::vector<const Record*> page;
  for (Position p = from; p <= records_.size() && page.size() < limit; ++p)
    page.push_back(&records_[p - 1]);
  return page;
}

// Visitors run without the lock, so that they may append.
Expected<Position> MemoryLog::read_records(Position from, std::uint64_t limit,
                                           const RecordVisitor& visit) const {
  const Position head = this->head();
  Position next = std::max<Position>(from, 1), visited = 0;
  while (limit > 0 && next <= head) {
    for (const Record* record :
         records(next, std::min({limit, kMemoryPageEvents, head - next + 1}))) {
      visited = next++;
      --limit;
      if (!visit(visited, Bytes(*record))) return visited;
    }
  }
  return visited;
}

Expected<Position> MemoryLog::read(Position from, std::uint64_t limit, const Visitor& visit) const {
  return read_records(from, limit, [&visit](Position, Bytes record) {
    EventView event;
    decode_record(record, event);
    return visit(event);
  });
}

Expected<std::uint64_t> MemoryLog::read_stream(std::string_view tenant, std::string_view stream,
                                               std::uint64_t from_version, std::uint64_t limit,
                                               Position as_of, const Visitor& visit) const {
  std::vector<const Record*> found;
  from_version = std::max<std::uint64_t>(from_version, 1);
  {
    const std::shared_lock lock(mutex_);
    const auto positions = streams_.find(StreamName{tenant, stream});
    if (positions == streams_.end()) return std::uint64_t{0};
    const auto& all = positions->second;
    for (std::uint64_t v = from_version; v <= all.size() && found.size() < limit; ++v) {
      if (all[v - 1] > as_of) break;
      found.push_back(&records_[all[v - 1] - 1]);
    }
  }
  std::uint64_t visited = 0;
  for (const Record* record : found) {
    const EventView event = decoded(*record);
    visited = event.version;
    if (!visit(event)) break;
  }
  return visited;
}

Expected<std::uint64_t> MemoryLog::stream_version(std::string_view tenant,
                                                  std::string_view stream) const {
  const std::shared_lock lock(mutex_);
  const auto found = streams_.find(StreamName{tenant, stream});
  return std::uint64_t{found == streams_.end() ? 0 : found->second.size()};
}

std::optional<Appended> MemoryLog::find_command(std::string_view tenant,
                                                std::string_view command_id) const {
  return planner_.find_command({tenant, command_id});
}

Position MemoryLog::position_at(TimeUs time) const {
  const std::shared_lock lock(mutex_);
  return std::upper_bound(times_.begin(), times_.end(), time) - times_.begin();
}

Status MemoryLog::writable() const {
  const std::shared_lock lock(mutex_);
  return stopped_;
}

Uuid MemoryLog::log_id() const { return log_id_; }

void MemoryLog::stop_writing(Error why) {
  const std::unique_lock lock(mutex_);
  if (!stopped_) stopped_ = std::move(why);
}

}  // namespace mlforge::storage
