// A log that is only looked at: of a folder that nobody has open, which may be on a medium that
// cannot be written. Nothing in it changes but LOCK and LMDB's lock file, where they can be.
#pragma once
#include <filesystem>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "storage/data_folder.hpp"
#include "storage/lmdb_env.hpp"
#include "storage/log.hpp"
#include "storage/record_reader.hpp"
#include "storage/segment_store.hpp"
#include "storage/stream_key.hpp"

namespace mlforge::storage {

class ReadOnlyLog final : public Log {
 public:
  // Errors: those of DataFolder::open_existing(), `corrupt` where the log has not what its keys
  // say or what its stored checkpoint was signed for.
  static Expected<std::unique_ptr<ReadOnlyLog>> open(const std::filesystem::path& folder,
                                                     std::size_t map_bytes);

  Position head() const override { return head_; }
  Expected<Position> read(Position from, std::uint64_t limit, const Visitor& visit) const override;
  Expected<Position> read_records(Position from, std::uint64_t limit,
                                  const RecordVisitor& visit) const override;
  // The first call reads the whole log once: the index on disk is not used.
  Expected<std::uint64_t> read_stream(std::string_view tenant, std::string_view stream,
                                      std::uint64_t from_version, std::uint64_t limit,
                                      Position as_of, const Visitor& visit) const override;
  Expected<std::uint64_t> stream_version(std::string_view tenant,
                                         std::string_view stream) const override;
  Position position_at(TimeUs time) const override;
  Uuid log_id() const override { return folder_.format().log_id; }
  std::size_t map_bytes() const;  // the most that a copy may need

  // `read_only`, and none is known.
  std::vector<Expected<Appended>> append(std::span<const AppendRequest> requests) override;
  std::optional<Appended> find_command(std::string_view, std::string_view) const override {
    return std::nullopt;
  }
  Status writable() const override;

 private:
  explicit ReadOnlyLog(DataFolder folder);
  Status open_environment(std::size_t map_bytes);
  Status check_checkpoint() const;
  RecordReader reader() const { return {env_, records_, segments_}; }
  Status find_streams() const;

  using Streams =
      std::unordered_map<StreamKey, std::vector<Position>, StreamKeyHash, StreamKeyEqual>;

  DataFolder folder_;
  Env env_;
  MDB_dbi records_ = 0;
  SegmentStore segments_;
  Position head_ = 0;
  mutable std::mutex mutex_;  // guards what follows
  mutable bool streams_found_ = false;
  mutable Streams streams_;
};

}  // namespace mlforge::storage
