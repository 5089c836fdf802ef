#include "projections/projector.hpp"

#include <algorithm>
#include <exception>

#include "projections/view_damage.hpp"

namespace mlforge::projections {
namespace {

constexpr std::string_view kLogIdKey = "log_id";
constexpr std::size_t kBatchBytes = 16u << 20;  // LMDB holds a transaction's pages in memory
constexpr Position kLookEvery = 16;             // events of common size, whether there are so many

std::string_view id_bytes(const Uuid& id) {
  return {reinterpret_cast<const char*>(id.bytes.data()), id.bytes.size()};
}

int put_number(MDB_txn* txn, MDB_dbi meta, const std::string& key, std::uint64_t number) {
  std::string bytes;
  append_big_endian(bytes, number);
  MDB_val k = to_val(key), v = to_val(bytes);
  return mdb_put(txn, meta, &k, &v, 0);
}

std::uint64_t get_number(MDB_txn* txn, MDB_dbi meta, const std::string& key) {
  MDB_val k = to_val(key), v;
  if (mdb_get(txn, meta, &k, &v) != 0 || v.mv_size != 8) return 0;
  return load_big_endian(static_cast<const char*>(v.mv_data));
}

// Deletes up to `rows` rows that begin with `prefix`; answers how many in `deleted`.
int delete_some(MDB_txn* txn, MDB_dbi table, const std::string& prefix, std::size_t rows,
                std::size_t& deleted) {
  storage::Cursor cursor;
  if (const int rc = cursor.open(txn, table)) return rc;
  while (deleted < rows) {
    MDB_val key = to_val(prefix), value;
    int rc = mdb_cursor_get(cursor.get(), &key, &value, MDB_SET_RANGE);
    if (rc == MDB_NOTFOUND || (rc == 0 && !to_text(key).starts_with(prefix))) return 0;
    if (rc == 0) rc = mdb_cursor_del(cursor.get(), 0);
    if (rc != 0) return rc;
    ++deleted;
  }
  return 0;
}

// A smaller batch changes fewer pages at a time, and may fit where the disk is nearly full. (LMDB
// answers EIO, which is internal here, when a page could only be written in part.)
bool may_fit_in_pieces(const Error& error) {
  return error.code == ErrorCode::read_only || error.code == ErrorCode::internal;
}

// By the place in EventTypes.
std::vector<bool> wanted_types(const Projection& projection) {
  std::vector<bool> out;
  for (std::size_t i = 0; i < EventTypes::size; ++i)
    out.push_back(projection.wants(Event(std::in_place, i)));
  return out;
}

Error unknown_projection(std::string_view name) {
  return {ErrorCode::not_found, "There is no projection '" + std::string(name) + "'.", ""};
}

}  // namespace

Expected<std::unique_ptr<ProjectionEngine>> ProjectionEngine::open(
    const storage::Log& log, ViewStore& store, std::vector<std::unique_ptr<Projection>> projections,
    EngineOptions options) {
  std::unique_ptr<ProjectionEngine> engine(new ProjectionEngine(log, store, options));
  engine->options_.batch_events = std::max<std::uint64_t>(options.batch_events, 1);
  for (auto& each : projections) {
    ProjectionStatus status{.name = std::string(each->name()), .version = each->version()};
    auto wanted = wanted_types(*each);
    engine->slots_.push_back({.projection = std::move(each),
                              .writer = ViewWriter(store.tables()),
                              .status = std::move(status),
                              .wanted = std::move(wanted)});
  }
  engine->wanting_.resize(EventTypes::size);
  for (Slot& slot : engine->slots_)
    for (std::size_t i = 0; i < EventTypes::size; ++i)
      if (slot.wanted[i]) engine->wanting_[i].push_back(&slot);
  if (auto bad = engine->check_log()) return *bad;
  if (auto bad = engine->check_versions()) return *bad;
  engine->publish();
  return engine;
}

Status ProjectionEngine::check_log() {
  const ViewTables& t = store_.tables();
  storage::Txn txn;
  if (const int rc = txn.begin(store_.env(), 0)) return view_error(rc, "opening the views");
  const Uuid id = log_.log_id();
  MDB_val key = to_val(kLogIdKey), value;
  int rc = mdb_get(txn.get(), t.meta, &key, &value);
  bool same = rc == 0 && to_text(value) == id_bytes(id);
  for (const Slot& slot : slots_)
    same = same && get_number(txn.get(), t.meta, position_key(slot.status.name)) <= log_.head();
  if (same) return {};
  rc = 0;
  for (const MDB_dbi table : {t.meta, t.current, t.history, t.plain})
    if (rc == 0) rc = mdb_drop(txn.get(), table, 0);
  key = to_val(kLogIdKey);
  value = to_val(id_bytes(id));
  if (rc == 0) rc = mdb_put(txn.get(), t.meta, &key, &value, 0);
  if (rc == 0) rc = txn.commit();
  if (rc != 0) return view_error(rc, "emptying the views");
  return {};
}

Status ProjectionEngine::check_versions() {
  for (Slot& slot : slots_) {
    auto reader = store_.reader();
    if (!reader) return reader.error();
    if (reader->version(slot.status.name) == slot.status.version) {
      slot.status.position = slot.reached = reader->position(slot.status.name);
      continue;
    }
    if (auto bad = wipe(slot)) return bad;
  }
  return {};
}

// In pieces, for one transaction over millions of rows would not fit into memory. The version is 0
// until the last piece, so that a wipe cut short begins again.
Status ProjectionEngine::wipe(Slot& slot) {
  constexpr std::size_t kRows = 10000;
  slot.writer.discard();
  if (observer_) observer_->wiped();
  slot.status.position = slot.reached = 0;
  slot.status.failed = slot.failed = false;
  slot.status.error.clear();
  slot.status.failed_at = 0;
  for (;;) {
    const auto more = wipe_some(slot, 0, kRows);
    if (!more) return more.error();
    if (!*more) break;
  }
  if (const auto done = wipe_some(slot, slot.status.version, 0); !done) return done.error();
  return {};
}

// Answers whether rows may be left.
Expected<bool> ProjectionEngine::wipe_some(Slot& slot, std::uint64_t version, std::size_t rows) {
  const ViewTables& t = store_.tables();
  const std::string prefix = view_prefix(slot.status.name);
  storage::Txn txn;
  std::size_t deleted = 0;
  int rc = txn.begin(store_.env(), 0);
  for (const MDB_dbi table : {t.current, t.history, t.plain})
    if (rc == 0) rc = delete_some(txn.get(), table, prefix, rows, deleted);
  if (rc == 0) rc = put_number(txn.get(), t.meta, position_key(slot.status.name), 0);
  if (rc == 0) rc = put_number(txn.get(), t.meta, version_key(slot.status.name), version);
  if (rc == 0) rc = txn.commit();
  if (rc != 0) return view_error(rc, "emptying projection " + slot.status.name);
  return rows > 0 && deleted == rows;
}

Position ProjectionEngine::next_position() const {
  Position least = UINT64_MAX;
  for (const Slot& slot : slots_)
    if (!slot.failed) least = std::min(least, slot.reached);
  return least == UINT64_MAX ? UINT64_MAX : least + 1;
}

Expected<Position> ProjectionEngine::catch_up(std::uint64_t max_events,
                                              const std::function<bool()>& stop) {
  const Position head = log_.head();
  std::uint64_t batch = options_.batch_events;
  while (max_events > 0) {
    const Position from = next_position();
    if (from > head || (stop && stop())) break;
    const std::uint64_t limit = std::min({max_events, batch, head - from + 1});
    if (auto bad = run_batch(from, limit)) {
      if (limit == 1 || !may_fit_in_pieces(*bad)) return *bad;
      batch = limit / 4 + 1;
      continue;
    }
    max_events -= std::min(limit, next_position() - from);
  }
  return position();
}

const Event& ProjectionEngine::decode(const EventView& e) {
  const auto event = decoder_.decode(e);
  if (event) return **event;
  undecodable_.fetch_add(1, std::memory_order_relaxed);
  return undecoded_ =
             UnknownEvent{std::string(e.type), e.schema, e.content_type, std::string(e.payload)};
}

void ProjectionEngine::apply(Slot& slot, const EventView& e, const Event& event) {
  try {
    slot.projection->apply(slot.writer, e, event);
    slot.reached = e.position;
    return;
  } catch (const std::exception& thrown) {
    slot.error = thrown.what();
  } catch (...) {
    slot.error = "it threw something that is no std::exception";
  }
  slot.failed = true;
  slot.reached = e.position - 1;
  slot.writer.discard();
}

void ProjectionEngine::apply_to_all(const EventView& e) {
  const Event& event = decode(e);
  if (observer_) observer_->seen(e);
  if (in_step_) {
    for (Slot* slot : wanting_[event.index()])
      if (!slot->failed) apply(*slot, e, event);
    passed_ = e.position;
    return;
  }
  for (Slot& slot : slots_) {
    if (slot.failed || slot.reached + 1 != e.position) continue;
    if (slot.wanted[event.index()])
      apply(slot, e, event);
    else
      slot.reached = e.position;
  }
}

bool ProjectionEngine::is_batch_full() const {
  std::size_t bytes = 0;
  for (const Slot& slot : slots_) bytes += slot.writer.pending_bytes();
  return bytes >= kBatchBytes;
}

Status ProjectionEngine::run_batch(Position from, std::uint64_t limit) {
  storage::Txn txn;
  if (const int rc = txn.begin(store_.env(), 0))
    return view_error(rc, "starting a batch of the views");
  for (Slot& slot : slots_) slot.writer.begin(txn.get());
  if (observer_) observer_->begin();
  in_step_ = std::all_of(slots_.begin(), slots_.end(), [from](const Slot& slot) {
    return slot.failed || slot.reached + 1 == from;
  });
  passed_ = from - 1;
  const auto read = log_.read(from, limit, [this](const EventView& e) {
    apply_to_all(e);
    const bool look = e.position % kLookEvery == 0 || e.payload.size() > 1024;
    return !look || !is_batch_full();
  });
  if (in_step_)
    for (Slot& slot : slots_)
      if (!slot.failed) slot.reached = passed_;
  Status bad;
  for (Slot& slot : slots_)
    if (!bad && slot.failed && !slot.status.failed) bad = replay_before_failure(slot);
  if (!bad) bad = store_batch(txn.get());
  if (!bad && observer_) observer_->publish(last_reached());
  if (!bad)
    if (const int rc = txn.commit()) bad = view_error(rc, "committing a batch of the views");
  if (bad) {
    abandon_batch();
    return bad;
  }
  publish();
  if (!read) return read.error();
  if (*read == 0)
    return Error{ErrorCode::internal,
                 "The log gave no event at position " + std::to_string(from) +
                     ", although its head is not before it.",
                 ""};
  return {};
}

Position ProjectionEngine::last_reached() const {
  Position last = 0;
  for (const Slot& slot : slots_) last = std::max(last, slot.reached);
  return last;
}

// What the failed event, and the batch before it, had written was forgotten: the events before it
// are applied again, so that the rows are those of exactly the position before it.
Status ProjectionEngine::replay_before_failure(Slot& slot) {
  const Position last = slot.reached, first = slot.status.position + 1;
  slot.reached = slot.status.position;
  if (last < first) return {};
  const std::string error = slot.error;
  slot.failed = false;
  const auto read = log_.read(first, last - first + 1, [&](const EventView& e) {
    apply(slot, e, decode(e));
    return !slot.failed;
  });
  if (slot.failed) slot.reached = slot.status.position;
  slot.failed = true;
  slot.error = error;
  if (!read) return read.error();
  return {};
}

Status ProjectionEngine::store_batch(MDB_txn* txn) {
  const MDB_dbi meta = store_.tables().meta;
  for (Slot& slot : slots_) {
    if (slot.status.failed) continue;
    if (auto bad = slot.writer.flush()) return bad;
    if (slot.reached == slot.status.position) continue;
    if (const int rc = put_number(txn, meta, position_key(slot.status.name), slot.reached))
      return view_error(rc, "storing a projection's position");
  }
  return {};
}

void ProjectionEngine::abandon_batch() {
  for (Slot& slot : slots_) {
    slot.writer.discard();
    slot.reached = slot.status.position;
    slot.failed = slot.status.failed;
  }
}

void ProjectionEngine::publish() {
  Position healthy = UINT64_MAX, any = UINT64_MAX;
  std::vector<ProjectionStatus> all;
  for (Slot& slot : slots_) {
    ProjectionStatus& status = slot.status;
    status.position = slot.reached;
    if (slot.failed && !status.failed) {
      status.failed = true;
      status.error = slot.error;
      status.failed_at = slot.reached + 1;
    }
    any = std::min(any, status.position);
    if (!status.failed) healthy = std::min(healthy, status.position);
    all.push_back(status);
  }
  {
    const std::lock_guard lock(mutex_);
    published_ = std::move(all);
  }
  const Position least = healthy != UINT64_MAX ? healthy : any;
  position_.store(least == UINT64_MAX ? 0 : least, std::memory_order_release);
}

Position ProjectionEngine::position(std::string_view name) const {
  const std::lock_guard lock(mutex_);
  for (const auto& status : published_)
    if (status.name == name) return status.position;
  return 0;
}

std::vector<ProjectionStatus> ProjectionEngine::statuses() const {
  const std::lock_guard lock(mutex_);
  return published_;
}

ProjectionEngine::Slot* ProjectionEngine::find(std::string_view name) {
  for (Slot& slot : slots_)
    if (slot.status.name == name) return &slot;
  return nullptr;
}

Status ProjectionEngine::rebuild(std::string_view name, const Progress& progress) {
  if (!name.empty() && !find(name)) return unknown_projection(name);
  for (Slot& slot : slots_)
    if (name.empty() || slot.status.name == name)
      if (auto bad = wipe(slot)) return bad;
  publish();
  const Position head = log_.head();
  while (next_position() <= head) {
    const auto reached = catch_up(options_.batch_events);
    if (!reached) return reached.error();
    if (progress) progress(*reached, head);
  }
  return {};
}

Expected<std::string> ProjectionEngine::digest(std::string_view name) const {
  const auto all = statuses();
  if (std::none_of(all.begin(), all.end(), [&](const auto& each) { return each.name == name; }))
    return unknown_projection(name);
  auto reader = store_.reader();
  if (!reader) return reader.error();
  std::string digest = reader->digest(name);
  if (reader->status()) return *reader->status();
  return digest;
}

}  // namespace mlforge::projections
