#include "storage/verify.hpp"

#include <fmt/format.h>

#include <limits>
#include <unordered_map>

#include "storage/data_folder.hpp"
#include "storage/index_database.hpp"
#include "storage/lmdb_log.hpp"
#include "storage/record_reader.hpp"

namespace mlforge::storage {
namespace {

constexpr std::uint64_t kProgressEvents = 65'536;

class Verifier {
 public:
  Verifier(const DataFolder& folder, const VerifyProgress& progress)
      : folder_(folder), progress_(progress) {}

  Expected<VerifyReport> run() {
    auto env = Env::open(folder_.log().string(), {.map_bytes = 1 << 20, .flags = MDB_RDONLY});
    if (!env) return env.error();
    if (auto bad = open(*env)) return *bad;
    open_index();
    const auto visited =
        RecordReader(*env, records_)
            .visit(1, std::numeric_limits<std::uint64_t>::max(), head_,
                   [this](Bytes record, const EventView& event) { return check(record, event); });
    if (!visited) {
      if (visited.error().code != ErrorCode::corrupt) return visited.error();
      report(report_.events + 1, visited.error().message);
    } else if (report_.first_bad_position == 0) {
      check_index_totals();
    }
    if (progress_) progress_(report_.events, head_);
    return report_;
  }

 private:
  struct Stream {
    std::uint64_t version = 0;
    std::uint64_t indexed = 0;
  };

  Status open(const Env& env) {
    Txn txn;
    Cursor cursor;
    MDB_val key{}, value{};
    int rc = txn.begin(env.get(), MDB_RDONLY);
    if (rc == 0) rc = mdb_dbi_open(txn.get(), nullptr, MDB_INTEGERKEY, &records_);
    if (rc == 0) rc = cursor.open(txn.get(), records_);
    if (rc == 0) rc = mdb_cursor_get(cursor.get(), &key, &value, MDB_LAST);
    if (rc == 0) head_ = to_number(key);
    cursor.close();
    if (rc == 0 || rc == MDB_NOTFOUND) rc = txn.commit();
    if (rc != 0) return lmdb_error(rc, "opening the log");
    return {};
  }

  // Only an index that the next open would keep is worth checking.
  void open_index() {
    if (!StreamIndex::is_trusted(folder_.index(), boot_id())) return;
    auto index = IndexDatabase::open(folder_.index(), folder_.format().log_id, 1 << 20, true);
    if (!index || snapshot_index(std::move(*index)) != 0) return;
    reached_ = snapshot_.reached().position;
    report_.index_checked = reached_ <= head_;
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
    if (sha256(record_salted_body(record)) != record_commitment(record))
      return report(event.position, fmt::format("The leaf commitment of position {} does not match "
                                                "its record.",
                                                event.position));
    if (event.time < last_time_)
      return report(event.position, fmt::format("Time goes back at position {}.", event.position));
    last_time_ = event.time;
    Stream& stream = find_stream({event.tenant, event.stream});
    if (event.version != ++stream.version)
      return report(event.position,
                    fmt::format("Position {} says that it is version {} of stream {}, but it is "
                                "version {}.",
                                event.position, event.version, event.stream, stream.version));
    if (!check_index(event, stream)) return false;
    if (++report_.events % kProgressEvents == 0 && progress_) progress_(report_.events, head_);
    return true;
  }

  Stream& find_stream(StreamName name) {
    auto found = streams_.find(name);
    if (found == streams_.end()) found = streams_.try_emplace(StreamKey(name)).first;
    return found->second;
  }

  bool check_index(const EventView& event, Stream& stream) {
    if (!report_.index_checked || event.position > reached_) return true;
    const int rc = snapshot_.find({event.tenant, event.stream});
    if (rc != 0 || !snapshot_.has(event.position))
      return report(event.position, fmt::format("The index does not have position {} of stream {}.",
                                                event.position, event.stream));
    ++stream.indexed;
    return true;
  }

  // Every record was found in the index; what the index has beyond them is too much.
  void check_index_totals() {
    if (!report_.index_checked) return;
    std::uint64_t indexed_streams = 0;
    for (const auto& [key, stream] : streams_) {
      if (stream.indexed == 0) continue;
      ++indexed_streams;
      const StreamName name = key.name();
      if (snapshot_.find(name) == 0 && snapshot_.count() == stream.indexed) continue;
      report(reached_, fmt::format("The index has {} positions for stream {}, the log {}.",
                                   snapshot_.count(), name.name, stream.indexed));
      return;
    }
    if (snapshot_.streams() != indexed_streams)
      report(reached_, fmt::format("The index has {} streams, the log {}.", snapshot_.streams(),
                                   indexed_streams));
  }

  const DataFolder& folder_;
  const VerifyProgress& progress_;
  MDB_dbi records_ = 0;
  Position head_ = 0;
  TimeUs last_time_ = std::numeric_limits<TimeUs>::min();
  std::unordered_map<StreamKey, Stream, StreamKeyHash, StreamKeyEqual> streams_;
  IndexDatabase index_;
  IndexDatabase::Snapshot snapshot_;
  Position reached_ = 0;
  VerifyReport report_;
};

}  // namespace

Expected<VerifyReport> verify_log(const std::filesystem::path& folder,
                                  const VerifyProgress& progress) {
  auto opened = DataFolder::open_existing(folder);
  if (!opened) return opened.error();
  return Verifier(*opened, progress).run();
}

}  // namespace mlforge::storage
