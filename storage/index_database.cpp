#include "storage/index_database.hpp"

#include <algorithm>
#include <cstring>

namespace mlforge::storage {
namespace {

constexpr std::uint64_t kIndexLayout = 1;
constexpr std::size_t kPlainKeyBytes = 431;  // LMDB takes keys of at most 511 bytes
constexpr std::size_t kKeptPrefixBytes = 400;

// "<tenant> NUL <stream>"; a long one becomes a prefix and a digest, 432 bytes, which no plain key
// has.
std::string database_key(StreamName stream) {
  std::string key;
  key.reserve(stream.tenant.size() + 1 + stream.name.size());
  key.append(stream.tenant).append(1, '\0').append(stream.name);
  if (key.size() <= kPlainKeyBytes) return key;
  const Digest digest = sha256(as_bytes(key));
  key.resize(kKeptPrefixBytes);
  return key.append(as_text(digest.bytes));
}

static_assert(sizeof(IndexReached) == 24, "stored as it stands in memory");

template <class T>
Bytes object_bytes(const T& object) {
  return {reinterpret_cast<const std::uint8_t*>(&object), sizeof object};
}

int put(MDB_txn* txn, MDB_dbi dbi, std::string_view name, Bytes bytes) {
  MDB_val key = to_val(as_bytes(name)), value = to_val(bytes);
  return mdb_put(txn, dbi, &key, &value, 0);
}

// The dense number of a stream; 0 where the environment does not have it.
int find_number(MDB_txn* txn, MDB_dbi streams, const std::string& text, std::uint64_t& number) {
  MDB_val key = to_val(as_bytes(text)), value{};
  const int rc = mdb_get(txn, streams, &key, &value);
  number = rc == 0 ? to_number(value) : 0;
  return rc == MDB_NOTFOUND ? 0 : rc;
}

}  // namespace

Expected<IndexDatabase> IndexDatabase::open(const std::filesystem::path& folder, const Uuid& log_id,
                                            std::size_t map_bytes, bool read_only) {
  const unsigned flags = MDB_NOSYNC | (read_only ? MDB_RDONLY : 0);
  auto env = Env::open(folder.string(), {.map_bytes = map_bytes,
                                         .flags = flags,
                                         .databases = 3,
                                         .names = {"meta", "streams", "positions"}});
  if (!env) return env.error();
  IndexDatabase database;
  database.env_ = std::move(*env);
  if (auto bad = database.open_databases(log_id, read_only)) return *bad;
  return database;
}

Status IndexDatabase::open_databases(const Uuid& log_id, bool read_only) {
  unsigned create = read_only ? 0 : MDB_CREATE;
  Txn txn;
  MDB_stat stat{};
  int rc = txn.begin(env_.get(), read_only ? MDB_RDONLY : 0);
  if (rc == 0) rc = mdb_dbi_open(txn.get(), "meta", create, &meta_);
  if (rc == 0) rc = mdb_stat(txn.get(), meta_, &stat);
  // One that has lost a table is damaged; with a new, empty one it would forget streams.
  if (stat.ms_entries > 0) create = 0;
  if (rc == 0) rc = mdb_dbi_open(txn.get(), "streams", create, &streams_);
  constexpr unsigned kNumbers = MDB_INTEGERKEY | MDB_DUPSORT | MDB_DUPFIXED | MDB_INTEGERDUP;
  if (rc == 0) rc = mdb_dbi_open(txn.get(), "positions", create | kNumbers, &positions_);
  if (rc == 0 && stat.ms_entries == 0 && !read_only) {
    rc = put(txn.get(), meta_, "layout", object_bytes(kIndexLayout));
    if (rc == 0) rc = put(txn.get(), meta_, "log_id", log_id.bytes);
  }
  MDB_val layout_key = to_val(as_bytes("layout")), layout{};
  MDB_val log_key = to_val(as_bytes("log_id")), log{};
  if (rc == 0) rc = mdb_get(txn.get(), meta_, &layout_key, &layout);
  if (rc == 0) rc = mdb_get(txn.get(), meta_, &log_key, &log);
  if (rc != 0) return lmdb_error(rc, "opening the index");
  if (to_number(layout) != kIndexLayout || as_text(to_bytes(log)) != as_text(log_id.bytes))
    return Error{ErrorCode::conflict, "The index belongs to another log or has another layout."};
  if ((rc = txn.commit())) return lmdb_error(rc, "opening the index");
  return {};
}

Status IndexDatabase::write(std::span<const Addition> additions, const IndexReached& reached) {
  Txn txn;
  Cursor cursor;
  int rc = txn.begin(env_.get(), 0);
  if (rc == 0) rc = cursor.open(txn.get(), positions_);
  MDB_stat stat{};
  if (rc == 0) rc = mdb_stat(txn.get(), streams_, &stat);
  std::uint64_t next = stat.ms_entries + 1;
  for (auto add = additions.begin(); rc == 0 && add != additions.end(); ++add) {
    const std::string text = database_key(add->stream);
    std::uint64_t number = 0;
    rc = find_number(txn.get(), streams_, text, number);
    if (rc == 0 && number == 0) {
      number = next++;
      rc = put(txn.get(), streams_, text, object_bytes(number));
    }
    MDB_val key = to_val(number);
    for (auto p = add->positions->begin(); rc == 0 && p != add->positions->end(); ++p) {
      MDB_val value = to_val(*p);
      rc = mdb_cursor_put(cursor.get(), &key, &value, MDB_APPENDDUP);
    }
  }
  if (rc == 0) rc = put(txn.get(), meta_, "reached", object_bytes(reached));
  cursor.close();
  if (rc == 0) rc = txn.commit();
  if (rc != 0) return lmdb_error(rc, "writing the index");
  return {};
}

Status IndexDatabase::sync() {
  if (const int rc = mdb_env_sync(env_.get(), 1)) return lmdb_error(rc, "syncing the index");
  return {};
}

int IndexDatabase::Snapshot::begin(const IndexDatabase& database) {
  database_ = &database;
  const int rc = database.env_.begin_read(txn_);
  return rc != 0 ? rc : cursor_.open(txn_.get(), database.positions_);
}

IndexReached IndexDatabase::Snapshot::reached() const {
  IndexReached reached;
  MDB_val key = to_val(as_bytes("reached")), value{};
  if (mdb_get(txn_.get(), database_->meta_, &key, &value) == 0 && value.mv_size == sizeof reached)
    std::memcpy(&reached, value.mv_data, sizeof reached);
  return reached;
}

std::uint64_t IndexDatabase::Snapshot::streams() const {
  MDB_stat stat{};
  mdb_stat(txn_.get(), database_->streams_, &stat);
  return stat.ms_entries;
}

int IndexDatabase::Snapshot::find(StreamName stream) {
  count_ = 0;
  int rc = find_number(txn_.get(), database_->streams_, database_key(stream), number_);
  if (rc != 0 || number_ == 0) return rc;
  MDB_val key = to_val(number_), value{};
  rc = mdb_cursor_get(cursor_.get(), &key, &value, MDB_SET_KEY);
  return rc == 0 ? mdb_cursor_count(cursor_.get(), &count_) : rc == MDB_NOTFOUND ? 0 : rc;
}

int IndexDatabase::Snapshot::visit(std::uint64_t from, const std::function<bool(Position)>& visit) {
  if (from > count_) return 0;
  MDB_val key = to_val(number_), page{};
  int rc = mdb_cursor_get(cursor_.get(), &key, &page, MDB_SET_KEY);
  // For a stream of a single position this leaves `page` as it is: that position.
  if (rc == 0) rc = mdb_cursor_get(cursor_.get(), &key, &page, MDB_GET_MULTIPLE);
  for (std::uint64_t skip = from - 1; rc == 0;) {
    const std::uint64_t on_page = page.mv_size / sizeof(Position);
    const auto* at = static_cast<const std::uint8_t*>(page.mv_data);
    for (std::uint64_t i = std::min(skip, on_page); i < on_page; ++i) {
      Position position;
      std::memcpy(&position, at + i * sizeof position, sizeof position);
      if (!visit(position)) return 0;
    }
    skip -= std::min(skip, on_page);
    rc = mdb_cursor_get(cursor_.get(), &key, &page, MDB_NEXT_MULTIPLE);
  }
  return rc == MDB_NOTFOUND ? 0 : rc;
}

bool IndexDatabase::Snapshot::has(Position position) {
  if (count_ == 0) return false;
  MDB_val key = to_val(number_), value = to_val(position);
  return mdb_cursor_get(cursor_.get(), &key, &value, MDB_GET_BOTH) == 0;
}

}  // namespace mlforge::storage
