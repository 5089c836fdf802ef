// Where those who follow the log have come to: a small durable table of texts, in an LMDB
// environment of its own.
#pragma once
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "storage/lmdb_env.hpp"
#include "storage/log.hpp"

namespace mlforge::storage {

class CursorStore {
 public:
  // Makes the folder where it is missing. What is there of another log, or cannot be read, is
  // dropped: followers then begin again.
  static Expected<std::unique_ptr<CursorStore>> open(const std::filesystem::path& folder,
                                                     const Uuid& log_id);

  // Everything that is kept. Any thread.
  Expected<std::map<std::string, std::string>> load() const;
  // Writes all of it together or nothing, and syncs; a text that is nothing is erased. One thread
  // at a time. Keys have at most 500 bytes.
  using Change = std::pair<std::string, std::optional<std::string>>;
  Status save(const std::vector<Change>& changes);
  // A copy as of now in another folder, which is made. Any thread.
  Status copy(const std::filesystem::path& folder) const;

 private:
  CursorStore() = default;
  Status prepare(const Uuid& log_id);

  Env env_;
  MDB_dbi table_ = 0;
};

}  // namespace mlforge::storage
