// LMDB and nothing else: what an append and a scan cost a program without us. Shares no code with
// mlforge.
#pragma once
#include <lmdb.h>

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

namespace bench {

// Exits with a message where LMDB answers an error: a figure after one would be false.
void require(bool ok, const char* what);

struct RawEvent {
  std::string stream, value;
};

// One environment of records (position -> value) with LMDB's default sync, appended in order; and,
// where it is indexed, the same two indexes that mlforge keeps: stream name -> number, number ->
// positions.
class RawLog {
 public:
  enum class Index {
    none,
    beside,  // in an environment of its own that is not synced, moved there in bulk by index_some()
    inside,  // in the records' environment, in the same synced transaction
  };
  RawLog(const std::string& folder, std::size_t map_bytes, Index index);
  ~RawLog();
  RawLog(const RawLog&) = delete;
  RawLog& operator=(const RawLog&) = delete;

  // One transaction and one sync.
  void append(const std::vector<RawEvent>& batch);
  // Index::beside: moves what was appended since into the index.
  void index_some();
  std::size_t unindexed() const { return waiting_; }
  std::uint64_t events() const { return position_; }

  struct Scan {
    std::uint64_t events = 0, sum = 0;
  };
  // Walks over all records in order; with `touch` it adds up every eight bytes of each.
  Scan scan(bool touch) const;

 private:
  void open(const std::string& folder, std::size_t map_bytes, MDB_env*& env, unsigned flags);
  void put_index(MDB_txn* txn, const std::string& stream,
                 const std::vector<std::uint64_t>& positions);

  Index index_;
  MDB_env* env_ = nullptr;
  MDB_env* index_env_ = nullptr;
  MDB_dbi records_ = 0, streams_ = 0, positions_ = 0;
  std::uint64_t position_ = 0;
  std::uint64_t streams_known_ = 0;
  // Positions by stream, not indexed yet.
  std::unordered_map<std::string, std::vector<std::uint64_t>> pending_;
  std::size_t waiting_ = 0;
};

}  // namespace bench
