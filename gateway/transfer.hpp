// Logs as lines of JSON: out of a log, and into a new one.
#pragma once
#include <filesystem>
#include <functional>
#include <iosfwd>
#include <string>
#include <vector>

#include "gateway/event_filter.hpp"
#include "storage/blob_copy.hpp"
#include "storage/log_builder.hpp"

namespace mlforge::gateway {

struct ExportRequest {
  Position from = 1, to = 0;  // both included
  EventFilter filter;         // an empty tenant: all of them
  bool header = false;        // a first line that says which log it is
};

// Reads a log piece by piece. One thread at a time; the log must outlive it.
class Exporter {
 public:
  // With a filter this looks at every event from `from` to `to` once: not for a server's own
  // thread.
  static Expected<Exporter> open(const storage::Log& log, const ExportRequest& request);

  // Appends some lines, about 64 KiB of them; nothing appended: the end. `corrupt` at a damaged
  // record.
  Status next(std::string& out);
  std::uint64_t done() const { return done_; }
  std::uint64_t total() const { return total_; }

 private:
  struct Range {
    Position first = 0, last = 0;
  };
  explicit Exporter(const storage::Log& log) : log_(&log) {}

  const storage::Log* log_;
  std::string header_;
  std::vector<Range> ranges_;
  std::size_t range_ = 0;
  std::uint64_t done_ = 0, total_ = 0;
};

struct ImportOptions {
  std::filesystem::path folder;
  std::filesystem::path blobs;  // of `mlforge export --blobs`; empty: none
  std::size_t map_bytes = std::size_t{64} << 30;
  bool keep_log_id = false;  // the header line's; else a new one
};

struct ImportReport {
  std::uint64_t events = 0;
  Uuid log_id;
  storage::BlobsCopied blobs;
};

// Makes a data folder out of lines. Nothing is left of a failed import. Errors name the line and
// the field; see RecordJsonReader, and `invalid_argument` where positions have gaps, times go back
// or versions do not count their stream.
Expected<ImportReport> import_lines(std::istream& in, const ImportOptions& options,
                                    const std::function<void(std::uint64_t lines)>& progress = {});

}  // namespace mlforge::gateway
