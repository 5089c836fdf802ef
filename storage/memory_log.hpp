// The log's twin for tests: the same rules, records in memory, nothing durable.
#pragma once
#include <atomic>
#include <deque>
#include <memory>
#include <shared_mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "storage/append_planner.hpp"
#include "storage/record.hpp"

namespace mlforge::storage {

class MemoryLog final : public Log {
 public:
  explicit MemoryLog(std::shared_ptr<Clock> clock = system_clock(),
                     std::shared_ptr<IdSource> ids = system_ids());

  std::vector<Expected<Appended>> append(std::span<const AppendRequest> requests) override;
  Position head() const override;
  Expected<Position> read(Position from, std::uint64_t limit, const Visitor& visit) const override;
  Expected<Position> read_records(Position from, std::uint64_t limit,
                                  const RecordVisitor& visit) const override;
  Expected<std::uint64_t> read_stream(std::string_view tenant, std::string_view stream,
                                      std::uint64_t from_version, std::uint64_t limit,
                                      Position as_of, const Visitor& visit) const override;
  Expected<std::uint64_t> stream_version(std::string_view tenant,
                                         std::string_view stream) const override;
  std::optional<Appended> find_command(std::string_view tenant,
                                       std::string_view command_id) const override;
  Position position_at(TimeUs time) const override;
  Status writable() const override;
  Uuid log_id() const override;

  // From now on append() answers `why`, as a real log does after a failed sync. Any thread.
  void stop_writing(Error why);

 private:
  using Record = std::vector<std::uint8_t>;
  using Streams =
      std::unordered_map<StreamKey, std::vector<Position>, StreamKeyHash, StreamKeyEqual>;
  void store(const EventView& event, Record record);
  std::vector<const Record*> records(Position from, std::uint64_t limit) const;

  AppendPlanner planner_;
  std::shared_ptr<IdSource> ids_;
  Uuid log_id_;
  RecordEncoder encoder_;
  mutable std::shared_mutex mutex_;  // guards what follows; records never change or move
  std::deque<Record> records_;
  std::vector<TimeUs> times_;
  Streams streams_;
  Status stopped_;
};

}  // namespace mlforge::storage
