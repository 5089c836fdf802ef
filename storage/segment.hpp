// A segment file: the salted bodies of a range of records in zstd frames. docs/segments.md has the
// layout. A file never changes; a newer one of the same name may take its place.
#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "events/envelope.hpp"
#include "events/error.hpp"
#include "storage/digest.hpp"
#include "storage/files.hpp"

namespace mlforge::storage {

struct SegmentLimits {
  std::size_t frame_bytes = 256 << 10;  // of bodies, above which a frame ends
  std::uint32_t frame_events = 2048;
  std::size_t segment_bytes = 8 << 20;  // of bodies
  std::uint32_t segment_events = 65'536;
  int level = 3;  // of zstd
};

// One decompressed frame. Never changes; any thread.
struct Frame {
  Position first = 0;
  // False: the bytes on disk do not match their CRC but could be decompressed, so each body counts
  // only where it matches its commitment.
  bool is_sound = true;
  std::vector<std::uint8_t> bytes;  // ends of the bodies (u32 each), then the bodies

  std::size_t count = 0;
  Position last() const { return first + count - 1; }
  // What a record has from its salt on. `position` is inside of the frame.
  Bytes salted_body(Position position) const;
};

// Makes the bytes of a segment file. One thread at a time.
class SegmentBuilder {
 public:
  SegmentBuilder(const Uuid& log_id, const SegmentLimits& limits);
  ~SegmentBuilder();
  SegmentBuilder(const SegmentBuilder&) = delete;

  // The body of the next position; the first one names the segment. Ends a frame that is full.
  Status add(Position position, Bytes salted_body);
  // Ends the frame that is begun, if one is.
  Status end_frame();
  bool is_full() const;
  Position first() const { return first_; }
  Position last() const { return last_; }
  std::uint64_t body_bytes() const { return body_bytes_; }
  // The whole file. No other call may follow.
  Expected<std::string> finish();

 private:
  struct Zstd;
  Uuid log_id_;
  SegmentLimits limits_;
  std::unique_ptr<Zstd> zstd_;
  std::string file_, table_;
  std::vector<std::uint32_t> ends_;  // of the frame that is begun
  std::vector<std::uint8_t> bodies_;
  std::vector<std::uint8_t> raw_;
  Position first_ = 0, last_ = 0;
  std::uint32_t frames_ = 0;
  std::uint64_t body_bytes_ = 0;
};

// An open segment file. Any thread.
class Segment {
 public:
  // Reads the header and the table of frames. `corrupt` where they are damaged, are of another log
  // or of another first position, or where the file is missing.
  static Expected<std::shared_ptr<const Segment>> open(const std::filesystem::path& path,
                                                       const Uuid& log_id, Position first);

  Position first() const { return first_; }
  Position last() const { return last_; }
  std::uint32_t frames() const { return static_cast<std::uint32_t>(table_.size()); }
  Position first_of(std::uint32_t frame) const { return table_[frame].first; }
  Position last_of(std::uint32_t frame) const {
    return table_[frame].first + table_[frame].count - 1;
  }
  std::uint64_t file_bytes() const { return file_bytes_; }
  std::uint64_t raw_bytes() const;  // of all frames, decompressed

  // Reads and decompresses a frame. `corrupt` where it cannot be decompressed.
  Expected<std::shared_ptr<const Frame>> read(std::uint32_t frame) const;
  // Reads the whole file: whether its SHA-256 is the one in its footer.
  Expected<bool> is_whole() const;

 private:
  struct Row {
    std::uint64_t offset = 0;
    Position first = 0;
    std::uint32_t compressed = 0, raw = 0, count = 0, crc = 0;
  };
  Segment() = default;
  Status read_table(const Uuid& log_id);
  Status check_table() const;
  Status read_at(std::uint64_t offset, std::size_t bytes, std::string& out) const;
  Error damaged(std::string_view why) const;

  std::filesystem::path path_;
  File file_;
  std::uint64_t file_bytes_ = 0, table_offset_ = 0;
  Position first_ = 0, last_ = 0;
  std::vector<Row> table_;
};

}  // namespace mlforge::storage
