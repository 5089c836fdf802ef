// The folder that holds everything: its format header, its lock, and what a folder must not be.
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "events/envelope.hpp"
#include "events/error.hpp"
#include "storage/files.hpp"
#include "storage/log.hpp"

namespace mlforge::storage {

// 1: all records are whole in log/. 2: segments may hold bodies (docs/segments.md); a log is given
// it when its first segment is written, so that older programs can read it until then.
inline constexpr std::uint32_t kFormatVersion = 2;
inline constexpr std::uint32_t kPlainFormatVersion = 1;

// The file FORMAT. It is written last when a log is created, so where it exists the log is whole.
struct FormatHeader {
  std::uint32_t version = kPlainFormatVersion;
  Uuid log_id;
};
std::string format_text(const FormatHeader& header);
// `corrupt` for text that is no header of ours or does not match its checksum, `conflict` for a
// newer version.
Expected<FormatHeader> parse_format(std::string_view text);

// The name of the network file system of a statfs type, empty for a local one. `fuse` is the
// subtype of a FUSE mount
// ("sshfs"), as in /proc/self/mountinfo after "fuse.".
std::string_view network_file_system(std::uint64_t statfs_type, std::string_view fuse);

// An open data folder: locked for this process until destroyed.
class DataFolder {
 public:
  // Opens the folder, or creates it (its LMDB environment `log/` included) where it is missing or
  // empty. Errors:
  //   conflict         another process has it open (the message names its id), or its format is
  //   newer than ours, invalid_argument it is on a network file system, or has content that is not
  //   ours, corrupt          FORMAT is damaged, or is missing while the log holds records.
  static Expected<DataFolder> open(const std::filesystem::path& path, Clock& clock, IdSource& ids);
  // The same, but never creates: `not_found` where there is no log.
  static Expected<DataFolder> open_existing(const std::filesystem::path& path);

  // Of a folder without FORMAT: `corrupt` where its log holds records all the same, `conflict`
  // where another process has the folder open. Changes nothing else than the lock's file.
  static Status check_headless(const std::filesystem::path& path);

  const FormatHeader& format() const { return format_; }
  int descriptor() const { return lock_.fd(); }  // of a file in the folder
  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path log() const { return path_ / "log"; }
  std::filesystem::path index() const { return path_ / "index"; }
  std::filesystem::path segments() const { return path_ / "segments"; }
  // Makes the header say that there may be segments, before the first one is written.
  Status allow_segments();

 private:
  Status lock();
  Status create(Clock& clock, IdSource& ids);
  Status check_unfinished() const;

  std::filesystem::path path_;
  File lock_;
  FormatHeader format_;
};

}  // namespace mlforge::storage
