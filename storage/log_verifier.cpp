#include "storage/log_verifier.hpp"

#include <fmt/format.h>
#include <algorithm>

#include <limits>
#include <set>
#include <unordered_map>

#include "events/retention.hpp"
#include "storage/blob_place.hpp"
#include "storage/checkpoint_checker.hpp"
#include "storage/files_named.hpp"
#include "storage/index_database.hpp"
#include "storage/lmdb_log.hpp"
#include "storage/log_keys.hpp"
#include "storage/record_reader.hpp"
#include "storage/tree_checker.hpp"
#include "storage/verify_blobs.hpp"

namespace mlforge::storage {
namespace {

constexpr std::uint64_t kVerifyProgressEvents = 65'536;

// Order matters: the same positions in another order give another value.
std::uint64_t chained(std::uint64_t chain, Position position) {
  chain = (chain ^ position) * 0x9E3779B97F4A7C15u;
  return chain ^ chain >> 29;
}

// Tells the trace what is being read, until it goes.
class Reading {
 public:
  Reading(VerifyTrace& trace, VerifyTrace::Part part) : trace_(trace) { trace_.part = part; }
  Reading(const Reading&) = delete;
  ~Reading() { trace_.part = VerifyTrace::records; }

 private:
  VerifyTrace& trace_;
};

class Verifier {
 public:
  Verifier(const DataFolder& folder, VerifyTrace& trace, const VerifyProgress& progress,
           const std::optional<VerifierKey>& trusted)
      : folder_(folder),
        trace_(trace),
        progress_(progress),
        trusted_(trusted),
        segments_(folder.segments(), folder.format().log_id) {}

  Expected<VerifyReport> run() {
    auto env = Env::open(folder_.log().string(), {.map_bytes = 1 << 20, .flags = MDB_RDONLY});
    if (!env) return env.error();
    env_ = std::move(*env);
    if (auto bad = open(env_)) return *bad;
    if (!open_beside()) return report_;
    const auto visited =
        RecordReader(env_, records_, segments_)
            .visit(1, std::numeric_limits<std::uint64_t>::max(), head_,
                   [this](Bytes record, const EventView& event) { return check(record, event); });
    if (!visited) {
      if (visited.error().code != ErrorCode::corrupt) return visited.error();
      report(report_.events + 1, visited.error().message);
    }
    if (report_.what.empty()) check_ends();
    report_.root = to_string(frontier_.root());
    count_missing_blobs();
    if (progress_) progress_(report_.events, head_);
    return report_;
  }

 private:
  struct Stream {
    std::uint64_t version = 0;
    Position last_position = 0;
    std::uint64_t indexed = 0;
    std::uint64_t chain = 0;  // of the positions that the index must have
  };

  std::filesystem::path path() const { return folder_.log().parent_path(); }

  Status open(const Env& env) {
    Cursor cursor;
    MDB_val key{}, value{};
    MDB_stat stat{};
    int rc = lookup_.begin(env.get(), MDB_RDONLY);
    if (rc == 0) rc = mdb_dbi_open(lookup_.get(), nullptr, MDB_INTEGERKEY, &records_);
    if (rc == 0) rc = mdb_stat(lookup_.get(), records_, &stat);
    if (rc == 0) rc = cursor.open(lookup_.get(), records_);
    if (rc == 0) rc = mdb_cursor_get(cursor.get(), &key, &value, MDB_LAST);
    if (rc == 0) head_ = to_number(key);
    if (rc == 0) rc = find_archived_prefix(lookup_.get(), records_, head_, archived_);
    if (rc != 0 && rc != MDB_NOTFOUND) return lmdb_error(rc, "opening the log");
    // As many as there would be if nothing were archived.
    entries_ = stat.ms_entries + archived_.last - archived_.blocks;
    return {};
  }

  // What stands beside the records. Only what the next open would keep is worth checking.
  bool open_beside() {
    const Position end = head_ + 1;
    if (entries_ != head_)
      return report(std::min<Position>(entries_, head_) + 1,
                    fmt::format("The log says that it holds {} events but ends at position {}.",
                                entries_, head_));
    const Reading reading(trace_, VerifyTrace::index);
    if (StreamIndex::is_trusted(folder_.index(), boot_id())) {
      auto index = IndexDatabase::open(folder_.index(), folder_.format().log_id, 1 << 20, true);
      if (!index || snapshot_index(std::move(*index)) != 0)
        return report(0,
                      "The index is damaged: it cannot be opened. Delete the folder index; it is "
                      "made again.");
      reached_ = snapshot_.reached().position;
      report_.index_checked = true;
    }
    if (reached_ > head_)
      return report(end, fmt::format("The index knows position {}, but the log ends at {}: events "
                                     "are missing.",
                                     reached_, head_));
    trace_.part = VerifyTrace::tree;
    report_.tree_checked = StreamIndex::is_trusted(path() / "merkle", boot_id());
    if (report_.tree_checked && !tree_.open(path() / "merkle", folder_.format().log_id))
      return report(0,
                    "The Merkle tree is damaged: it cannot be opened. Delete the folder merkle; "
                    "it is made again.");
    if (tree_.reached() > head_)
      return report(end, fmt::format("The Merkle tree knows position {}, but the log ends at {}: "
                                     "events are missing.",
                                     tree_.reached(), head_));
    if (auto bad = checkpoint_.open(path(), folder_.format().log_id)) return report(0, *bad);
    report_.checkpoint_size = checkpoint_.size();
    if (checkpoint_.size() <= head_) return true;
    return report(end, fmt::format("A checkpoint was signed for {} events, but the log ends at "
                                   "position {}: events are missing.",
                                   checkpoint_.size(), head_));
  }

  int snapshot_index(IndexDatabase index) {
    index_ = std::move(index);
    return snapshot_.begin(index_);
  }

  bool report(Position position, std::string what) {
    report_.first_bad_position = position;
    report_.what = std::move(what);
    return false;
  }

  bool check(Bytes record, const EventView& event) {
    const Position at = event.position;
    const Digest commitment = record_commitment(record);
    if (!event.expired && commitment != sha256(record_salted_body(record)))
      return report(
          at, fmt::format("The leaf commitment of position {} does not match its record.", at));
    if (!is_found(at, record))
      return report(at, fmt::format("Position {} is there but is not found by its number.", at));
    if (event.time < last_time_)
      return report(at, fmt::format("Time goes back at position {}.", at));
    last_time_ = event.time;
    Stream& stream = find_stream({event.tenant, event.stream});
    if (event.version != ++stream.version)
      return report(at,
                    fmt::format("Position {} says that it is version {} of stream {}, but it is "
                                "version {}.",
                                at, event.version, event.stream, stream.version));
    stream.last_position = at;
    note_retention(event);
    each_file_named(event, [&](const Digest& digest) { files_.emplace(event.tenant, digest); });
    frontier_.append(leaf_hash(commitment));
    checkpoint_.event(event);
    if (!check_index(event, stream) || !check_tree(event, leaf_hash(commitment)) ||
        !check_checkpoint(at) || !check_segment(at))
      return false;
    trace_.position = at;
    if (++report_.events % kVerifyProgressEvents == 0 && progress_)
      progress_(report_.events, head_);
    return true;
  }

  // Streams are read by looking each position up, which takes other pages than reading in order.
  bool is_found(Position position, Bytes record) {
    if (position <= archived_.last) return is_in_block(position, record_commitment(record));
    MDB_val key = to_val(position), value{};
    return mdb_get(lookup_.get(), records_, &key, &value) == 0 &&
           std::ranges::equal(to_bytes(value), record);
  }

  bool is_in_block(Position position, const Digest& commitment) {
    if (block_.commitments.empty() || position > block_.last()) {
      Cursor cursor;
      MDB_val key = to_val(position), value{};
      if (cursor.open(lookup_.get(), records_) != 0 ||
          mdb_cursor_get(cursor.get(), &key, &value, MDB_SET_RANGE) != 0 ||
          decode_hash_block(to_number(key), to_bytes(value), block_) ||
          !is_hash_block_whole(to_bytes(value)) || block_.ordinal != ++blocks_)
        return false;
    }
    return position >= block_.first && position <= block_.last() &&
           block_.commitments[position - block_.first] == commitment;
  }

  // After its last position: the whole file, with what no frame needs.
  bool check_segment(Position position) {
    if (position > archived_.last || position != block_.last()) return true;
    const auto segment = segments_.segment(block_.segment);
    if (!segment) return report(position, segment.error().message);
    if (position != (*segment)->last()) return true;
    const auto whole = (*segment)->is_whole();
    if (whole && *whole) return true;
    return report(
        (*segment)->first(),
        fmt::format("The segment file {} does not match its SHA-256, though every body in "
                    "it matches its commitment. Restore it from a backup.",
                    segment_name((*segment)->first())));
  }

  Stream& find_stream(StreamName name) {
    auto found = streams_.find(name);
    if (found == streams_.end()) found = streams_.try_emplace(StreamKey(name)).first;
    return found->second;
  }

  bool check_index(const EventView& event, Stream& stream) {
    if (!report_.index_checked || event.position > reached_) return true;
    const Reading reading(trace_, VerifyTrace::index);
    const int rc = snapshot_.find({event.tenant, event.stream});
    if (rc != 0 || !snapshot_.has(event.position))
      return report(event.position, fmt::format("The index does not have position {} of stream {}.",
                                                event.position, event.stream));
    ++stream.indexed;
    stream.chain = chained(stream.chain, event.position);
    return true;
  }

  bool check_tree(const EventView& event, const Digest& leaf) {
    const Position at = event.position;
    if (!report_.tree_checked || at > tree_.reached()) return true;
    const Reading reading(trace_, VerifyTrace::tree);
    if (!tree_.check_leaf(at, leaf))
      return report(at, fmt::format("The Merkle tree has another hash for position {} than its "
                                    "record.",
                                    at));
    if (at < tree_.reached()) return true;
    if (event.id != tree_.reached_id())
      return report(at, fmt::format("The Merkle tree names another event at position {}.", at));
    if (tree_.check_streams(stream_states())) return true;
    return report(at, fmt::format("The stream map at position {} is not that of the records.", at));
  }

  std::map<Digest, StreamState> stream_states() const {
    std::map<Digest, StreamState> states;
    for (const auto& [key, stream] : streams_)
      states[stream_key(key.name().tenant, key.name().name)] = {stream.version,
                                                                stream.last_position};
    return states;
  }

  bool check_checkpoint(Position position) {
    if (!checkpoint_.checkpoint() || position != checkpoint_.size()) return true;
    const Checkpoint& signed_state = *checkpoint_.checkpoint();
    if (signed_state.root != frontier_.root())
      return report(position, fmt::format("The first {} events are not those that the stored "
                                          "checkpoint was signed for.",
                                          position));
    if (!signed_state.streams || *signed_state.streams == stream_map_root(stream_states()))
      return true;
    return report(position, fmt::format("The streams of the first {} events are not those that the "
                                        "stored checkpoint was signed for.",
                                        position));
  }

  // What was dropped can no longer be compared with its commitment; that it was to be dropped must
  // stand in the log.
  void note_retention(const EventView& event) {
    if (event.expired) {
      ++report_.expired;
      expired_[std::string(stream_kind(event.stream))] = event.position;
    }
    if (event.stream != kRetentionStream || event.tenant != kLogTenant) return;
    if (const auto applied = retention_applied(event.type, event.payload))
      evolve(retention_, *applied);
  }

  // A fork may end before the event that had its payloads dropped.
  bool check_retention() {
    const auto origin = read_small_file(path() / "ORIGIN");
    if (origin && origin->find("\"kind\":\"fork\"") != origin->npos) return true;
    for (const auto& [kind, last] : expired_) {
      const auto allowed = retention_.up_to.find(kind);
      if (allowed != retention_.up_to.end() && last <= allowed->second) continue;
      return report(last, fmt::format("The payload of position {}, of kind {}, was dropped, but no "
                                      "event of the log says that it was to be.",
                                      last, kind));
    }
    return true;
  }

  void check_ends() {
    if (!check_index_streams() || !check_retention()) return;
    if (auto bad = checkpoint_.check_signature(trusted_, report_.signed_by))
      report(0, *std::move(bad));
    report_.pinned = trusted_ && !report_.signed_by.empty();
  }

  // Blobs in S3 are not looked for.
  void count_missing_blobs() {
    std::error_code ignored;
    if (const auto remote = remote_blobs(path() / "blobs"); remote && !remote->empty()) return;
    for (const auto& [tenant, digest] : files_)
      report_.missing_blobs +=
          !std::filesystem::exists(local_blob_path(path() / "blobs", tenant, digest), ignored);
  }

  // Every record was found in the index; what the index has beyond them is too much. Read as
  // streams are read.
  bool check_index_streams() {
    if (!report_.index_checked) return true;
    const Reading reading(trace_, VerifyTrace::index);
    std::uint64_t indexed_streams = 0;
    for (const auto& [key, stream] : streams_) {
      if (stream.indexed == 0) continue;
      ++indexed_streams;
      const StreamName name = key.name();
      std::uint64_t chain = 0;
      const auto add = [&](Position position) {
        chain = chained(chain, position);
        return true;
      };
      if (snapshot_.find(name) == 0 && snapshot_.count() == stream.indexed &&
          snapshot_.visit(1, add) == 0 && chain == stream.chain)
        continue;
      return report(reached_,
                    fmt::format("The index has {} positions for stream {} that are not the {} of "
                                "the log.",
                                snapshot_.count(), name.name, stream.indexed));
    }
    if (snapshot_.streams() == indexed_streams) return true;
    return report(reached_, fmt::format("The index has {} streams, the log {}.",
                                        snapshot_.streams(), indexed_streams));
  }

  const DataFolder& folder_;
  VerifyTrace& trace_;
  const VerifyProgress& progress_;
  const std::optional<VerifierKey>& trusted_;
  Env env_;
  Txn lookup_;
  MDB_dbi records_ = 0;
  Position head_ = 0;
  std::uint64_t entries_ = 0;
  SegmentStore segments_;
  ArchivedPrefix archived_;
  HashBlock block_;           // the last one that was looked up
  std::uint64_t blocks_ = 0;  // and how many were
  TimeUs last_time_ = std::numeric_limits<TimeUs>::min();
  std::unordered_map<StreamKey, Stream, StreamKeyHash, StreamKeyEqual> streams_;
  Frontier frontier_;
  IndexDatabase index_;
  IndexDatabase::Snapshot snapshot_;
  Position reached_ = 0;
  std::map<std::string, Position> expired_;  // the last one, by kind
  RetentionState retention_;
  std::set<std::pair<std::string, Digest>> files_;  // that events name, by tenant
  TreeChecker tree_;
  CheckpointChecker checkpoint_;
  VerifyReport report_;
};

}  // namespace

Expected<VerifyReport> verify_in_process(const DataFolder& folder, VerifyTrace& trace,
                                         const VerifyProgress& progress,
                                         const std::optional<VerifierKey>& trusted) {
  return Verifier(folder, trace, progress, trusted).run();
}

}  // namespace mlforge::storage
