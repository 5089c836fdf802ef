// Moving bodies into segments and dropping them, with the log open: what the server's thread and
// the command line share.
#pragma once
#include <filesystem>
#include <functional>
#include <map>
#include <string>

#include "events/fields.hpp"
#include "events/retention.hpp"
#include "storage/lmdb_log.hpp"

namespace mlforge::gateway {

// The last position to be archived: before `before` (a position or a time; empty: all), and with
// `keep` of the newest events left as they are. `invalid_argument` where `before` is neither.
Expected<Position> archive_limit(const storage::Log& log, std::string_view before,
                                 std::uint64_t keep);

// What the log has said about retention.
Expected<RetentionState> read_retention(const storage::Log& log);

// What retention of `kind` would drop now: everything of it that is older than `keep`, but the
// log's last event. Reads the events since the last time. `refused` and `invalid_argument` as
// decide().
Expected<ApplyRetention> plan_retention(const storage::Log& log, const RetentionState& state,
                                        const std::string& kind, const std::string& keep,
                                        TimeUs now);
// The request that has the plan's event written; nothing where no event is to be dropped.
Expected<std::optional<storage::AppendRequest>> retention_request(const RetentionState& state,
                                                                  const ApplyRetention& plan,
                                                                  const std::string& actor);

struct DropReport {
  std::uint64_t events = 0, segments = 0;
  std::uint64_t bytes_before = 0, bytes_after = 0;
};
// Brings the segments to what the log says: archives up to there, then drops. What was done before
// is skipped (file segments/EXPIRED). `go_on` is asked between the steps; false ends early.
Expected<DropReport> drop_bodies(storage::LmdbLog& log, const std::filesystem::path& folder,
                                 const RetentionState& state, const std::function<bool()>& go_on);

}  // namespace mlforge::gateway
