// A new data folder out of records as they are: for imports, backups, restores and forks.
#pragma once
#include <filesystem>
#include <functional>
#include <memory>

#include "storage/log.hpp"

namespace mlforge::storage {

// Builds beside the folder that is to be, so that there is either nothing or the whole. One thread
// at a time.
class LogBuilder {
 public:
  // `folder` must not exist or be empty (`already_exists`), on a local disk. `map_bytes` bounds the
  // log.
  static Expected<std::unique_ptr<LogBuilder>> create(const std::filesystem::path& folder,
                                                      std::size_t map_bytes);
  ~LogBuilder();  // not finished: leaves nothing behind

  // Where the folder stands until it is finished; other files of it are put there.
  const std::filesystem::path& folder() const;
  // A record whose CRC is right and whose position is the next one; else `corrupt` or
  // `invalid_argument`. `event`, where it is given, becomes views into the record.
  Status append(Bytes record, EventView* event = nullptr);
  Position head() const;
  // Syncs, writes the header last, and gives the folder its name. No other call may follow.
  Status finish(const Uuid& log_id);

 private:
  struct State;
  explicit LogBuilder(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// Called now and then with how many of `total` are done; false gives up (`unavailable`).
using CopyProgress = std::function<bool(std::uint64_t done, std::uint64_t total)>;
Error given_up();

// Copies the records at 1 to `last`, each checked and shown to `seen`. `corrupt` where the log ends
// before.
Status copy_records(const Log& from, Position last, LogBuilder& to,
                    const CopyProgress& progress = {},
                    const std::function<void(const EventView&)>& seen = {});

}  // namespace mlforge::storage
