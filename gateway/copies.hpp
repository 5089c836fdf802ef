// Whole copies of a data folder: backups, restores, forks.
#pragma once
#include <filesystem>
#include <functional>
#include <string>

#include "events/fields.hpp"
#include "storage/blob_copy.hpp"
#include "storage/log_builder.hpp"

namespace mlforge::gateway {

// The file ORIGIN of a copy: what it is a copy of.
struct Origin {
  std::string kind;    // backup, restore, fork
  std::string log_id;  // of the log that was copied
  Position position = 0;
  std::string time;  // when the copy was begun
  std::uint64_t blobs = 0, blob_bytes = 0, missing_blobs = 0;
  static constexpr auto fields() {
    return FieldList{field("kind", &Origin::kind),
                     field("log_id", &Origin::log_id),
                     field("position", &Origin::position),
                     field("time", &Origin::time),
                     field("blobs", &Origin::blobs),
                     field("blob_bytes", &Origin::blob_bytes),
                     field("missing_blobs", &Origin::missing_blobs)};
  }
};
Expected<Origin> read_origin(const std::filesystem::path& folder);

struct CopyRequest {
  std::string kind;            // for Origin
  std::filesystem::path from;  // the data folder
  std::filesystem::path to;    // must not exist or be empty
  Position at = 0;             // copy up to here
  std::size_t map_bytes = std::size_t{64} << 30;
  storage::CopyProgress progress;  // of the records
  // Copies the cursors of subscriptions to a folder, which it makes; empty: there are none.
  std::function<Status(const std::filesystem::path& folder)> copy_cursors;
};

// Copies records, blobs and what the rules have reached while others may append to `log`; the copy
// has the same log id. Nothing is left of a copy that failed. For the records at 1 to `at`, all of
// which are on disk.
Expected<Origin> copy_folder(const storage::Log& log, const storage::BlobStore& blobs,
                             const CopyRequest& request);

// The same as a log of its own, with hard links for blobs: two logs that go on from one moment must
// not be taken for each other. No other process may have the folder open.
Expected<Origin> fork_folder(const storage::Log& log, const CopyRequest& request);

}  // namespace mlforge::gateway
