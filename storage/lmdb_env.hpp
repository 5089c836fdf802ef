// LMDB environments and transactions with an owner, and LMDB's errors as ours.
#pragma once
#include <lmdb.h>

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "events/error.hpp"
#include "storage/digest.hpp"

namespace mlforge::storage {

// `doing` is a gerund: "reading event 5". Full disk and full map become read_only, the rest
// internal.
Error lmdb_error(int rc, std::string_view doing);

inline MDB_val to_val(Bytes bytes) {
  return {bytes.size(), const_cast<std::uint8_t*>(bytes.data())};
}
inline MDB_val to_val(const std::uint64_t& number) {
  return {sizeof number, const_cast<std::uint64_t*>(&number)};
}
inline Bytes to_bytes(const MDB_val& val) {
  return {static_cast<const std::uint8_t*>(val.mv_data), val.mv_size};
}
std::uint64_t to_number(const MDB_val& val);  // native byte order; 0 where it has not 8 bytes

struct EnvOptions {
  std::size_t map_bytes = 0;
  unsigned flags = 0;  // besides MDB_NOTLS
  unsigned databases = 0;
  unsigned readers = 512;
  // Of the named databases that begin_read() is to find, in the order in which they are opened.
  std::vector<std::string> names;
};

class Txn;

// One environment. Opens the folder, which must exist, and clears reader slots of dead processes.
class Env {
 public:
  Env() = default;
  static Expected<Env> open(const std::string& folder, const EnvOptions& options);
  MDB_env* get() const { return env_.get(); }
  // Begins a reading transaction. When a meta page could not be written, LMDB refuses everything in
  // its environment (MDB_PANIC), reads too; they then go on in a second, read-only environment over
  // the same file, which nobody writes any more. Any thread; an LMDB error code.
  int begin_read(Txn& txn) const;

 private:
  struct Close {
    void operator()(MDB_env* env) const { mdb_env_close(env); }
  };
  using Handle = std::unique_ptr<MDB_env, Close>;
  struct AfterPanic {
    std::mutex mutex;  // guards env
    Handle env;
    std::string folder;
    EnvOptions options;
  };
  int open_after_panic() const;

  Handle env_;
  std::unique_ptr<AfterPanic> after_panic_;
};

// A transaction that is aborted unless it was committed. Reading ones may move between threads
// (MDB_NOTLS).
class Txn {
 public:
  Txn() = default;
  Txn(const Txn&) = delete;
  Txn& operator=(const Txn&) = delete;
  ~Txn() { abort(); }

  int begin(MDB_env* env, unsigned flags) {
    abort();
    return mdb_txn_begin(env, nullptr, flags, &txn_);
  }
  int commit() { return mdb_txn_commit(std::exchange(txn_, nullptr)); }
  void abort() {
    if (txn_) mdb_txn_abort(std::exchange(txn_, nullptr));
  }
  MDB_txn* get() const { return txn_; }

 private:
  MDB_txn* txn_ = nullptr;
};

class Cursor {
 public:
  Cursor() = default;
  Cursor(const Cursor&) = delete;
  Cursor& operator=(const Cursor&) = delete;
  ~Cursor() { close(); }
  int open(MDB_txn* txn, MDB_dbi dbi) {
    close();
    return mdb_cursor_open(txn, dbi, &cursor_);
  }
  // Cursors of a writing transaction must be closed before it ends.
  void close() {
    if (cursor_) mdb_cursor_close(std::exchange(cursor_, nullptr));
  }
  MDB_cursor* get() const { return cursor_; }

 private:
  MDB_cursor* cursor_ = nullptr;
};

}  // namespace mlforge::storage
