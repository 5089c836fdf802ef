#include "storage/stream_index.hpp"

#include <algorithm>
#include <tuple>

#include "storage/files.hpp"

namespace mlforge::storage {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kLeastMapBytes = 16 << 20;
constexpr std::string_view kClean = "clean\n";
constexpr std::string_view kRebuild = "rebuild\n";

std::string open_state(const std::string& boot_id) { return "open " + boot_id + "\n"; }

}  // namespace

bool StreamIndex::is_trusted(const fs::path& folder, const std::string& boot_id) {
  const auto state = read_small_file(folder / "STATE", 256);
  if (!state) return false;
  return *state == kClean || (!boot_id.empty() && *state == open_state(boot_id));
}

Expected<std::unique_ptr<StreamIndex>> StreamIndex::open(const fs::path& folder,
                                                         const IndexIdentity& identity,
                                                         std::size_t map_bytes) {
  std::unique_ptr<StreamIndex> index(new StreamIndex);
  index->folder_ = folder;
  index->log_id_ = identity.log_id;
  index->map_bytes_ = std::max(map_bytes, kLeastMapBytes);
  std::error_code failed;
  if (!is_trusted(folder, identity.boot_id)) fs::remove_all(folder, failed);
  if (auto bad = make_folder(folder)) return *bad;
  // The marker is on disk before the first page changes. Without room for it there is none, and the
  // next open makes the index anew.
  if (auto bad = write_marker(folder / "STATE", open_state(identity.boot_id))) {
    if (bad->code != ErrorCode::read_only) return *bad;
    fs::remove(folder / "STATE", failed);
    if (auto unsafe = sync_folder(folder)) return *unsafe;
  }
  if (!index->open_database()) return index;
  if (auto bad = index->reset()) return *bad;
  return index;
}

Status StreamIndex::reset() {
  database_ = IndexDatabase();
  std::error_code failed;
  fs::remove(folder_ / "data.mdb", failed);
  fs::remove(folder_ / "lock.mdb", failed);
  return open_database();
}

Status StreamIndex::open_database() {
  auto database = IndexDatabase::open(folder_, log_id_, map_bytes_, false);
  if (!database) return database.error();
  database_ = std::move(*database);
  IndexDatabase::Snapshot snapshot;
  if (const int rc = snapshot.begin(database_)) return lmdb_error(rc, "opening the index");
  reached_ = snapshot.reached();
  return {};
}

void StreamIndex::extend(std::span<const EventView> events) {
  std::vector<TailPlace> places(events.size());
  std::vector<TailPlace*> pointers;
  pointers.reserve(events.size());
  for (TailPlace& place : places) pointers.push_back(&place);
  extend(events, pointers);
}

void StreamIndex::extend(std::span<const EventView> events, std::span<TailPlace* const> places) {
  if (events.empty()) return;
  const std::lock_guard lock(mutex_);
  for (std::size_t i = 0; i < events.size(); ++i) {
    const EventView& event = events[i];
    TailPlace& place = *places[i];
    if (place.generation != active_.number)
      place = {active_.number, &place_of({event.tenant, event.stream})};
    place.positions->push_back(event.position);
  }
  active_.events += events.size();
  active_.last = {events.back().position, events.back().id};
}

// With mutex_ held.
std::vector<Position>& StreamIndex::place_of(StreamName stream) {
  auto found = active_.streams.find(stream);
  if (found == active_.streams.end()) found = active_.streams.try_emplace(StreamKey(stream)).first;
  return found->second;
}

std::size_t StreamIndex::tail_events() const {
  const std::lock_guard lock(mutex_);
  return active_.events + (frozen_ ? frozen_->events : 0);
}

Expected<std::size_t> StreamIndex::index_some() {
  const std::lock_guard one(indexing_);
  {
    const std::lock_guard lock(mutex_);
    if (!frozen_) {  // else an earlier call failed, and it is still to be written
      if (active_.events == 0) return std::size_t{0};
      frozen_ = std::make_unique<Generation>(
          std::exchange(active_, Generation{.number = active_.number + 1}));
    }
  }
  std::vector<IndexDatabase::Addition> additions;
  additions.reserve(frozen_->streams.size());
  for (const auto& [key, positions] : frozen_->streams)
    additions.push_back({key.name(), &positions});
  // Neighbours in the tree are written one after the other.
  std::sort(additions.begin(), additions.end(), [](const auto& a, const auto& b) {
    return std::tie(a.stream.tenant, a.stream.name) < std::tie(b.stream.tenant, b.stream.name);
  });
  if (auto bad = database_.write(additions, frozen_->last)) return *bad;
  std::unique_ptr<Generation> done;  // freed after the lock
  {
    const std::lock_guard lock(mutex_);
    done = std::move(frozen_);
  }
  return done->events;
}

void StreamIndex::visit_tail(StreamName stream, Position after,
                             const std::function<void(std::span<const Position>)>& visit) const {
  const auto visit_generation = [&](const Tail& tail) {
    const auto found = tail.find(stream);
    if (found == tail.end()) return;
    const auto& all = found->second;
    visit({std::upper_bound(all.begin(), all.end(), after), all.end()});
  };
  if (frozen_) visit_generation(frozen_->streams);
  visit_generation(active_.streams);
}

// The lock holds the tail still while the snapshot is taken: an event that is in neither does not
// exist.
Expected<std::uint64_t> StreamIndex::version(StreamName stream) const {
  const std::lock_guard lock(mutex_);
  IndexDatabase::Snapshot snapshot;
  int rc = snapshot.begin(database_);
  if (rc == 0) rc = snapshot.find(stream);
  if (rc != 0) return lmdb_error(rc, "reading the index");
  std::uint64_t version = snapshot.count();
  visit_tail(stream, snapshot.reached().position,
             [&](std::span<const Position> positions) { version += positions.size(); });
  return version;
}

Status StreamIndex::positions(StreamName stream, std::uint64_t from, std::uint64_t limit,
                              std::vector<Position>& out) const {
  IndexDatabase::Snapshot snapshot;
  std::vector<Position> tail;  // the part of it that may be asked for
  int rc = 0;
  {
    const std::lock_guard lock(mutex_);
    rc = snapshot.begin(database_);
    if (rc == 0) rc = snapshot.find(stream);
    if (rc != 0) return lmdb_error(rc, "reading the index");
    std::uint64_t skip = from > snapshot.count() ? from - snapshot.count() - 1 : 0;
    visit_tail(stream, snapshot.reached().position, [&](std::span<const Position> positions) {
      const auto skipped = std::min<std::uint64_t>(skip, positions.size());
      skip -= skipped;
      positions = positions.subspan(skipped);
      positions = positions.first(std::min<std::uint64_t>(positions.size(), limit - tail.size()));
      tail.insert(tail.end(), positions.begin(), positions.end());
    });
  }
  if (limit > 0)
    rc = snapshot.visit(from, [&](Position position) {
      out.push_back(position);
      return --limit > 0;
    });
  if (rc != 0) return lmdb_error(rc, "reading the index");
  tail.resize(std::min<std::uint64_t>(tail.size(), limit));
  out.insert(out.end(), tail.begin(), tail.end());
  return {};
}

Status StreamIndex::close(bool keep) {
  // After a failed sync the kernel may drop the pages, so not even this start of the machine has
  // them.
  const Status failed = keep ? database_.sync() : Status{};
  database_ = IndexDatabase();
  const auto bad = write_marker(folder_ / "STATE", keep && !failed ? kClean : kRebuild);
  return failed ? failed : bad;
}

}  // namespace mlforge::storage
