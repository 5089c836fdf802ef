// The folder of segment files, with what is open and a few decompressed frames kept.
#pragma once
#include <cstdint>
#include <filesystem>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "storage/segment.hpp"

namespace mlforge::storage {

class SegmentStore {
 public:
  // The folder need not exist: then there is no segment.
  SegmentStore(std::filesystem::path folder, const Uuid& log_id);

  // Any thread. `corrupt` where the file is missing or damaged.
  Expected<std::shared_ptr<const Segment>> segment(Position first) const;
  // A frame out of the cache, or read. Any thread.
  Expected<std::shared_ptr<const Frame>> frame(Position segment, std::uint32_t index) const;

  // Writes a file and gives it its name, in place of an older one: after a power cut there is the
  // one or the other. Readers see it from now on. One thread at a time.
  Status write(Position first, const std::string& bytes);
  // Removes files that no block of the log names, and half-written ones. While nobody reads.
  Status remove_after(Position last_segment);
  // The first positions of the segments whose files are there, ascending.
  Expected<std::vector<Position>> list() const;

  std::filesystem::path path(Position first) const;
  const std::filesystem::path& folder() const { return folder_; }

 private:
  // An entry is of one open file: a file that took its place has entries of its own.
  using Key = std::pair<const Segment*, std::uint32_t>;
  struct Kept {
    Key key;
    std::shared_ptr<const Segment> segment;  // so that its address is not used again
    std::shared_ptr<const Frame> frame;
  };

  std::filesystem::path folder_;
  Uuid log_id_;
  mutable std::mutex mutex_;  // guards what follows
  mutable std::map<Position, std::shared_ptr<const Segment>> open_;
  mutable std::list<Kept> frames_;  // most recently used first
};

// "00000000000000000001.seg"
std::string segment_name(Position first);

}  // namespace mlforge::storage
