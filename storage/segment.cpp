#include "storage/segment.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include <cerrno>

#include "storage/crc32c.hpp"
#include "storage/segment_layout.hpp"

namespace mlforge::storage {
namespace {

constexpr std::size_t kMostRawBytes = 64 << 20;  // a frame ends with one event at most too many

const std::uint8_t* data_of(const std::string& text) {
  return reinterpret_cast<const std::uint8_t*>(text.data());
}

}  // namespace

std::string segment_header(const Uuid& log_id, Position first) {
  std::string out(kSegmentMagic);
  out.append(reinterpret_cast<const char*>(log_id.bytes.data()), log_id.bytes.size());
  append_le<std::uint64_t>(out, first);
  append_le<std::uint32_t>(out, crc32c(as_bytes(out)));
  append_le<std::uint32_t>(out, 0);
  return out;
}

Bytes Frame::salted_body(Position position) const {
  const std::size_t i = position - first;
  const auto end_of = [this](std::size_t at) {
    return load_le<std::uint32_t>(bytes.data() + sizeof(std::uint32_t) * at);
  };
  const std::uint32_t start = i == 0 ? 0 : end_of(i - 1);
  return Bytes(bytes).subspan(count * sizeof(std::uint32_t) + start, end_of(i) - start);
}

Error Segment::damaged(std::string_view why) const {
  return {ErrorCode::corrupt, fmt::format("The segment file {} is damaged: {}. Restore it from a "
                                          "backup.",
                                          path_.filename().string(), why)};
}

Expected<std::shared_ptr<const Segment>> Segment::open(const std::filesystem::path& path,
                                                       const Uuid& log_id, Position first) {
  std::shared_ptr<Segment> segment(new Segment);
  segment->path_ = path;
  segment->first_ = first;
  auto file = File::open(path, O_RDONLY);
  if (!file && file.error().code == ErrorCode::not_found)
    return Error{ErrorCode::corrupt,
                 fmt::format("The segment file {} is missing. Restore it from a backup.",
                             path.filename().string())};
  if (!file) return file.error();
  segment->file_ = std::move(*file);
  if (auto bad = segment->read_table(log_id)) return *bad;
  return std::shared_ptr<const Segment>(std::move(segment));
}

Status Segment::read_at(std::uint64_t offset, std::size_t bytes, std::string& out) const {
  out.resize(bytes);
  for (std::size_t done = 0; done < bytes;) {
    const ssize_t n =
        ::pread(file_.fd(), out.data() + done, bytes - done, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return file_error(errno, "reading", path_);
    if (n == 0) return damaged("it ends too early");
    done += static_cast<std::size_t>(n);
  }
  return {};
}

Status Segment::read_table(const Uuid& log_id) {
  struct stat info {};
  if (::fstat(file_.fd(), &info) != 0) return file_error(errno, "examining", path_);
  file_bytes_ = static_cast<std::uint64_t>(info.st_size);
  if (file_bytes_ < kSegmentHeaderBytes + kSegmentTrailerBytes) return damaged("it is too short");
  std::string header, trailer, table;
  if (auto bad = read_at(0, kSegmentHeaderBytes, header)) return bad;
  if (header != segment_header(log_id, first_))
    return damaged("it is not the one of this log and position");
  const std::uint64_t trailer_at = file_bytes_ - kSegmentTrailerBytes;
  if (auto bad = read_at(trailer_at, kSegmentTrailerBytes, trailer)) return bad;
  if (!trailer.ends_with(kSegmentEnd)) return damaged("its end is missing");
  table_offset_ = load_le<std::uint64_t>(data_of(trailer));
  last_ = load_le<std::uint64_t>(data_of(trailer) + 8);
  const std::size_t frames = load_le<std::uint32_t>(data_of(trailer) + 16);
  if (table_offset_ > trailer_at || trailer_at - table_offset_ != frames * kSegmentRowBytes)
    return damaged("its table does not fit");
  if (auto bad = read_at(table_offset_, frames * kSegmentRowBytes, table)) return bad;
  if (crc32c(as_bytes(table + trailer.substr(0, 20))) !=
      load_le<std::uint32_t>(data_of(trailer) + 20))
    return damaged("its table does not match its checksum");
  table_.resize(frames);
  for (std::size_t i = 0; i < frames; ++i) {
    const std::uint8_t* at = data_of(table) + i * kSegmentRowBytes;
    table_[i] = {load_le<std::uint64_t>(at),      load_le<std::uint64_t>(at + 8),
                 load_le<std::uint32_t>(at + 16), load_le<std::uint32_t>(at + 20),
                 load_le<std::uint32_t>(at + 24), load_le<std::uint32_t>(at + 28)};
  }
  return check_table();
}

Status Segment::check_table() const {
  std::uint64_t offset = kSegmentHeaderBytes;
  Position next = first_;
  for (const Row& row : table_) {
    const bool fits = row.offset == offset && row.first == next && row.count > 0 &&
                      row.raw <= kMostRawBytes && row.raw / sizeof(std::uint32_t) >= row.count;
    if (!fits) return damaged("its table has gaps");
    offset += row.compressed;
    next += row.count;
  }
  if (offset != table_offset_ || next != last_ + 1) return damaged("its table has gaps");
  return {};
}

std::uint64_t Segment::raw_bytes() const {
  std::uint64_t bytes = 0;
  for (const Row& row : table_) bytes += row.raw;
  return bytes;
}

Expected<std::shared_ptr<const Frame>> Segment::read(std::uint32_t index) const {
  if (index >= table_.size()) return damaged("it has too few frames");
  const Row& row = table_[index];
  std::string compressed;
  if (auto bad = read_at(row.offset, row.compressed, compressed)) return *bad;
  auto frame = std::make_shared<Frame>();
  frame->first = row.first;
  frame->count = row.count;
  frame->is_sound = crc32c(as_bytes(compressed)) == row.crc;
  frame->bytes.resize(row.raw);
  const std::size_t written =
      ZSTD_decompress(frame->bytes.data(), row.raw, compressed.data(), compressed.size());
  if (ZSTD_isError(written) || written != row.raw)
    return damaged(fmt::format("the bodies of positions {} to {} cannot be decompressed", row.first,
                               frame->last()));
  // Ends that ascend up to the frame's own, so that no body reaches out of it.
  std::uint32_t end = 0;
  const std::size_t ends_bytes = row.count * sizeof(std::uint32_t);
  for (std::size_t i = 0; i < row.count; ++i) {
    const auto next = load_le<std::uint32_t>(frame->bytes.data() + sizeof(std::uint32_t) * i);
    if (next < end || next > row.raw - ends_bytes)
      return damaged(
          fmt::format("the frame of positions {} to {} does not add up", row.first, frame->last()));
    end = next;
  }
  if (end != row.raw - ends_bytes)
    return damaged(
        fmt::format("the frame of positions {} to {} does not add up", row.first, frame->last()));
  return std::shared_ptr<const Frame>(std::move(frame));
}

Expected<bool> Segment::is_whole() const {
  constexpr std::size_t kBlockBytes = 1 << 20;
  const std::uint64_t end = file_bytes_ - kSegmentEnd.size() - 32;
  Sha256 hash;
  std::string block;
  for (std::uint64_t at = 0; at < end; at += block.size()) {
    if (auto bad = read_at(at, std::min<std::uint64_t>(kBlockBytes, end - at), block)) return *bad;
    hash.update(as_bytes(block));
  }
  if (auto bad = read_at(end, 32, block)) return *bad;
  const Digest digest = hash.finish();
  return as_text(digest.bytes) == block;
}

}  // namespace mlforge::storage
