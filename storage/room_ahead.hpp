// Keeps a growing file written some way beyond what is used of it.
#pragma once
#include <cstddef>

namespace mlforge::storage {

// Where a commit makes the file longer, its sync has to wait for the inode and the block map too;
// on ext4 that is a fifth of its time, and a quarter of what a small commit takes. So zeros are
// written ahead, many commits' worth at a time. Only who may write to the file may call; not
// thread-safe.
class RoomAhead {
 public:
  // `file` stays open as long as this is used; no further than `most` bytes.
  void start(int file, std::size_t most);
  // Before a commit that uses the file up to about `used + bytes`, of which `used` are in use: what
  // follows them may be overwritten. A disk with little room, or one that fails, is left to the
  // commit itself.
  void prepare(std::size_t used, std::size_t bytes);
  // Cuts off what is beyond `used`.
  void give_back(std::size_t used);

 private:
  bool disk_has_room() const;

  int file_ = -1;
  std::size_t most_ = 0;
  std::size_t written_ = 0;  // the file's length, as far as known here
};

}  // namespace mlforge::storage
