#include "projections/stream_states.hpp"

#include <cstring>

#include "projections/view_damage.hpp"
#include "projections/view_reader.hpp"
#include "storage/crc32c.hpp"
#include "storage/files.hpp"

namespace mlforge::projections {
namespace {

// To be raised when an evolve() changes its meaning, or the form of a row.
constexpr std::uint32_t kRulesVersion = 3;
constexpr std::string_view kMeta = "meta";
constexpr const char* kSnapshotFile = "data.mdb";

template <class T>
void put(std::string& out, T value) {
  for (std::size_t i = 0; i < sizeof(T); ++i)
    out += static_cast<char>(static_cast<std::uint64_t>(value) >> (8 * i));
}

void put_text(std::string& out, std::string_view text) {
  put<std::uint32_t>(out, static_cast<std::uint32_t>(text.size()));
  out.append(text);
}

// Reads what put() wrote; `good` is false from the first thing on that is not there.
struct Reader {
  std::string_view rest;
  bool good = true;

  std::string_view take(std::size_t n) {
    good = good && n <= rest.size();
    if (!good) return {};
    const auto out = rest.substr(0, n);
    rest.remove_prefix(n);
    return out;
  }
  template <class T>
  T get() {
    std::uint64_t value = 0;
    const auto bytes = take(sizeof(T));
    for (std::size_t i = 0; i < bytes.size(); ++i)
      value |= std::uint64_t{static_cast<unsigned char>(bytes[i])} << (8 * i);
    return static_cast<T>(value);
  }
  std::string_view text() { return take(get<std::uint32_t>()); }
};

// 16 bytes that stand for the stream, then the position, so that a stream's snapshots lie in order.
std::string stream_key(std::string_view tenant, std::string_view stream) {
  std::string name(tenant);
  name.append(1, '\0').append(stream);
  const auto digest = storage::sha256(storage::as_bytes(name));
  return std::string(reinterpret_cast<const char*>(digest.bytes.data()), 16);
}

std::string snapshot_key(const std::string& stream, Position position) {
  std::string key = stream;
  for (int shift = 56; shift >= 0; shift -= 8) key += static_cast<char>(position >> shift);
  return key;
}

}  // namespace

std::string encode_snapshot(const Compacted& compacted) {
  std::string out;
  put<std::uint64_t>(out, compacted.count);
  put<std::uint32_t>(out, static_cast<std::uint32_t>(compacted.events.size()));
  for (const auto& event : compacted.events) {
    const auto stored = encode_event(event);
    put_text(out, stored.type);
    put<std::uint16_t>(out, stored.schema);
    put<std::uint8_t>(out, static_cast<std::uint8_t>(stored.content_type));
    put_text(out, stored.payload);
  }
  return out;
}

Expected<Compacted> decode_snapshot(std::string_view bytes) {
  Reader in{bytes};
  Compacted out;
  out.count = in.get<std::uint64_t>();
  const auto events = in.get<std::uint32_t>();
  for (std::uint32_t i = 0; in.good && i < events; ++i) {
    const auto type = in.text();
    const auto schema = in.get<std::uint16_t>();
    const auto content = static_cast<ContentType>(in.get<std::uint8_t>());
    const auto payload = in.text();
    if (!in.good) break;
    auto event = decode_event(type, schema, content, payload);
    if (!event) return event.error();
    out.events.push_back(*std::move(event));
  }
  if (in.good && in.rest.empty()) return out;
  return Error{ErrorCode::corrupt, "The snapshot is cut short.", ""};
}

Expected<std::unique_ptr<StreamStates>> StreamStates::open(const std::filesystem::path& folder,
                                                           const storage::Log& log,
                                                           const StreamStatesOptions& options) {
  if (auto bad = storage::make_folder(folder)) return *bad;
  const auto discard = [&folder] {
    std::error_code ignored;
    for (const char* name : {kSnapshotFile, "lock.mdb"})
      std::filesystem::remove(folder / name, ignored);
  };
  const auto try_open = [&]() -> Expected<std::unique_ptr<StreamStates>> {
    auto env = storage::Env::open(folder.string(), {.map_bytes = options.map_bytes});
    if (!env) return env.error();
    std::unique_ptr<StreamStates> states(new StreamStates(log, options));
    states->env_ = std::move(*env);
    if (auto bad = states->prepare()) return *bad;
    return states;
  };
  // LMDB would crash where it maps what the file does not have.
  if (!has_sound_meta(folder / kSnapshotFile)) discard();
  auto states = try_open();
  if (states || states.error().code == ErrorCode::read_only) return states;
  discard();
  return try_open();
}

Status StreamStates::prepare() {
  std::string identity = to_string(log_.log_id());
  put<std::uint32_t>(identity, kRulesVersion);
  storage::Txn txn;
  int rc = txn.begin(env_.get(), 0);
  if (rc == 0) rc = mdb_dbi_open(txn.get(), nullptr, 0, &table_);
  MDB_val key = to_val(kMeta), value{};
  if (rc == 0) rc = mdb_get(txn.get(), table_, &key, &value);
  if (rc == 0 && to_text(value) != identity) rc = MDB_NOTFOUND;
  if (rc == MDB_NOTFOUND) {
    rc = mdb_drop(txn.get(), table_, 0);
    value = to_val(identity);
    if (rc == 0) rc = mdb_put(txn.get(), table_, &key, &value, 0);
  }
  if (rc == 0) rc = txn.commit();
  if (rc != 0) return storage::lmdb_error(rc, "opening the snapshots");
  return {};
}

Snapshot StreamStates::nearest(std::string_view tenant, std::string_view stream,
                               Position as_of) const {
  const auto prefix = stream_key(tenant, stream);
  const auto wanted = snapshot_key(prefix, as_of);
  storage::Txn txn;
  storage::Cursor cursor;
  MDB_val key = to_val(wanted), value{};
  Snapshot out;
  int rc = txn.begin(env_.get(), MDB_RDONLY);
  if (rc == 0) rc = cursor.open(txn.get(), table_);
  if (rc == 0) rc = mdb_cursor_get(cursor.get(), &key, &value, MDB_SET_RANGE);
  if (rc == MDB_NOTFOUND)
    rc = mdb_cursor_get(cursor.get(), &key, &value, MDB_LAST);
  else if (rc == 0 && to_text(key) != wanted)
    rc = mdb_cursor_get(cursor.get(), &key, &value, MDB_PREV);
  if (rc != 0 || !to_text(key).starts_with(prefix) || to_text(key).size() != wanted.size())
    return out;
  for (const char byte : to_text(key).substr(prefix.size()))
    out.position = out.position << 8 | static_cast<unsigned char>(byte);
  Reader in{to_text(value)};
  // A damaged one is not used: the events themselves tell.
  const auto crc = in.get<std::uint32_t>();
  if (crc != storage::crc32c(storage::as_bytes(in.rest))) return {};
  out.version = in.get<std::uint64_t>();
  const auto id = in.take(16);
  if (!in.good) return {};
  std::memcpy(out.event_id.bytes.data(), id.data(), 16);
  out.bytes = in.rest;
  return out;
}

void StreamStates::keep(std::string_view tenant, std::string_view stream,
                        const std::vector<Snapshot>& snapshots) const {
  const auto prefix = stream_key(tenant, stream);
  storage::Txn txn;
  int rc = txn.begin(env_.get(), 0);
  for (const auto& each : snapshots) {
    if (rc != 0) return;
    const auto name = snapshot_key(prefix, each.position);
    std::string row;
    put<std::uint64_t>(row, each.version);
    row.append(reinterpret_cast<const char*>(each.event_id.bytes.data()), 16);
    row += each.bytes;
    std::string text;
    put<std::uint32_t>(text, storage::crc32c(storage::as_bytes(row)));
    text += row;
    MDB_val key = to_val(name), value = to_val(text);
    rc = mdb_put(txn.get(), table_, &key, &value, 0);
  }
  if (rc == 0) (void)txn.commit();
}

}  // namespace mlforge::projections
