#include "storage/room_ahead.hpp"

#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>

namespace mlforge::storage {
namespace {

// Of the file at a time: so much that the zeros cost little, so little that a small log stays
// small.
constexpr std::size_t kStep = 512 << 10, kLeast = 64 << 10, kShare = 8;
constexpr std::size_t kSmallCommit = 64 << 10;  // larger ones gain less than the zeros cost
constexpr std::uint64_t kFreeOnDisk = 512u << 20;
constexpr std::array<char, kLeast> kZeros{};

}  // namespace

void RoomAhead::start(int file, std::size_t most) {
  struct stat found {};
  if (::fstat(file, &found) != 0) return;
  file_ = file;
  most_ = most;
  written_ = static_cast<std::size_t>(found.st_size);
}

void RoomAhead::prepare(std::size_t used, std::size_t bytes) {
  written_ = std::max(written_, used);
  if (file_ < 0 || bytes > kSmallCommit || used + bytes <= written_) return;
  const std::size_t step = std::clamp(used / kShare / kLeast * kLeast, kLeast, kStep);
  if (written_ + step > most_ || !disk_has_room()) return;
  for (std::size_t left = step; left > 0; left -= kZeros.size()) {
    const auto done = ::pwrite(file_, kZeros.data(), kZeros.size(), static_cast<off_t>(written_));
    if (done > 0) written_ += static_cast<std::size_t>(done);
    if (done != static_cast<ssize_t>(kZeros.size())) return;
  }
}

void RoomAhead::give_back(std::size_t used) {
  struct stat found {};
  if (file_ < 0 || ::fstat(file_, &found) != 0 || found.st_size <= static_cast<off_t>(used)) return;
  if (::ftruncate(file_, static_cast<off_t>(used)) == 0) written_ = used;
}

bool RoomAhead::disk_has_room() const {
  struct statvfs disk {};
  return ::fstatvfs(file_, &disk) == 0 &&
         std::uint64_t{disk.f_bavail} * disk.f_frsize >= kFreeOnDisk;
}

}  // namespace mlforge::storage
