#include "raw_log.hpp"

#include <sys/stat.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace bench {

void require(bool ok, const char* what) {
  if (ok) return;
  std::fprintf(stderr, "%s\n", what);
  std::exit(1);
}

void RawLog::open(const std::string& folder, std::size_t map_bytes, MDB_env*& env, unsigned flags) {
  ::mkdir(folder.c_str(), 0755);
  require(mdb_env_create(&env) == 0, "mdb_env_create");
  mdb_env_set_mapsize(env, map_bytes);
  mdb_env_set_maxdbs(env, 3);
  require(mdb_env_open(env, folder.c_str(), MDB_NOTLS | flags, 0640) == 0, "mdb_env_open");
}

RawLog::RawLog(const std::string& folder, std::size_t map_bytes, Index index) : index_(index) {
  open(folder, map_bytes, env_, 0);
  if (index == Index::beside) open(folder + "-index", map_bytes, index_env_, MDB_NOSYNC);
  MDB_txn* txn = nullptr;
  require(mdb_txn_begin(env_, nullptr, 0, &txn) == 0, "mdb_txn_begin");
  require(mdb_dbi_open(txn, "records", MDB_CREATE | MDB_INTEGERKEY, &records_) == 0, "records");
  require(mdb_txn_commit(txn) == 0, "mdb_txn_commit");
  if (index == Index::none) return;
  constexpr unsigned kNumbers =
      MDB_CREATE | MDB_INTEGERKEY | MDB_DUPSORT | MDB_DUPFIXED | MDB_INTEGERDUP;
  MDB_env* const env = index == Index::beside ? index_env_ : env_;
  require(mdb_txn_begin(env, nullptr, 0, &txn) == 0, "mdb_txn_begin");
  require(mdb_dbi_open(txn, "streams", MDB_CREATE, &streams_) == 0, "streams");
  require(mdb_dbi_open(txn, "positions", kNumbers, &positions_) == 0, "positions");
  require(mdb_txn_commit(txn) == 0, "mdb_txn_commit");
}

RawLog::~RawLog() {
  mdb_env_close(env_);
  if (index_env_) mdb_env_close(index_env_);
}

void RawLog::put_index(MDB_txn* txn, const std::string& stream,
                       const std::vector<std::uint64_t>& positions) {
  std::uint64_t number = streams_known_ + 1;
  MDB_val name_key{stream.size(), const_cast<char*>(stream.data())}, found;
  if (mdb_get(txn, streams_, &name_key, &found) == MDB_NOTFOUND) {
    found = {sizeof number, &number};
    require(mdb_put(txn, streams_, &name_key, &found, 0) == 0, "mdb_put streams");
    ++streams_known_;
  } else {
    std::memcpy(&number, found.mv_data, sizeof number);
  }
  MDB_cursor* cursor = nullptr;
  require(mdb_cursor_open(txn, positions_, &cursor) == 0, "mdb_cursor_open");
  for (std::uint64_t position : positions) {
    MDB_val key{sizeof number, &number}, value{sizeof position, &position};
    require(mdb_cursor_put(cursor, &key, &value, MDB_APPENDDUP) == 0, "mdb_cursor_put positions");
  }
  mdb_cursor_close(cursor);
}

void RawLog::append(const std::vector<RawEvent>& batch) {
  MDB_txn* txn = nullptr;
  MDB_cursor* cursor = nullptr;
  const std::uint64_t before = position_;
  require(mdb_txn_begin(env_, nullptr, 0, &txn) == 0, "mdb_txn_begin");
  require(mdb_cursor_open(txn, records_, &cursor) == 0, "mdb_cursor_open");
  for (const RawEvent& event : batch) {
    ++position_;
    MDB_val key{sizeof position_, &position_};
    MDB_val data{event.value.size(), const_cast<char*>(event.value.data())};
    require(mdb_cursor_put(cursor, &key, &data, MDB_APPEND) == 0, "mdb_cursor_put");
  }
  mdb_cursor_close(cursor);
  if (index_ == Index::inside)
    for (std::size_t i = 0; i < batch.size(); ++i)
      put_index(txn, batch[i].stream, {before + i + 1});
  require(mdb_txn_commit(txn) == 0, "mdb_txn_commit");
  if (index_ != Index::beside) return;
  for (std::size_t i = 0; i < batch.size(); ++i)
    pending_[batch[i].stream].push_back(before + i + 1);
  waiting_ += batch.size();
}

void RawLog::index_some() {
  MDB_txn* txn = nullptr;
  require(mdb_txn_begin(index_env_, nullptr, 0, &txn) == 0, "mdb_txn_begin");
  for (const auto& [stream, positions] : pending_) put_index(txn, stream, positions);
  require(mdb_txn_commit(txn) == 0, "mdb_txn_commit");
  pending_.clear();
  waiting_ = 0;
}

RawLog::Scan RawLog::scan(bool touch) const {
  MDB_txn* txn = nullptr;
  MDB_cursor* cursor = nullptr;
  require(mdb_txn_begin(env_, nullptr, MDB_RDONLY, &txn) == 0, "mdb_txn_begin");
  require(mdb_cursor_open(txn, records_, &cursor) == 0, "mdb_cursor_open");
  Scan scan;
  MDB_val key, value;
  while (mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == 0) {
    ++scan.events;
    const char* bytes = static_cast<const char*>(value.mv_data);
    scan.sum += value.mv_size;
    if (!touch) continue;
    for (std::size_t at = 0; at + 8 <= value.mv_size; at += 8) {
      std::uint64_t word;
      std::memcpy(&word, bytes + at, sizeof word);
      scan.sum += word;
    }
  }
  mdb_cursor_close(cursor);
  mdb_txn_abort(txn);
  return scan;
}

}  // namespace bench
