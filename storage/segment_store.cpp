#include "storage/segment_store.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace mlforge::storage {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kKeptFrames = 16;
constexpr std::size_t kMostOpen = 256;
constexpr std::string_view kSuffix = ".seg";
constexpr std::size_t kNameDigits = 20;

// 0: it is no segment's name.
Position first_of_name(const std::string& name) {
  if (name.size() != kNameDigits + kSuffix.size() || !name.ends_with(kSuffix)) return 0;
  Position first = 0;
  const auto end = name.data() + kNameDigits;
  const auto parsed = std::from_chars(name.data(), end, first);
  return parsed.ec == std::errc{} && parsed.ptr == end ? first : 0;
}

}  // namespace

std::string segment_name(Position first) {
  return fmt::format("{:0{}}{}", first, kNameDigits, kSuffix);
}

SegmentStore::SegmentStore(fs::path folder, const Uuid& log_id)
    : folder_(std::move(folder)), log_id_(log_id) {}

fs::path SegmentStore::path(Position first) const { return folder_ / segment_name(first); }

Expected<std::shared_ptr<const Segment>> SegmentStore::segment(Position first) const {
  const std::lock_guard lock(mutex_);
  if (const auto at = open_.find(first); at != open_.end()) return at->second;
  auto opened = Segment::open(path(first), log_id_, first);
  if (!opened) return opened.error();
  if (open_.size() >= kMostOpen) open_.clear();  // who still reads one holds it
  return open_.emplace(first, *std::move(opened)).first->second;
}

Expected<std::shared_ptr<const Frame>> SegmentStore::frame(Position first,
                                                           std::uint32_t index) const {
  const auto segment = this->segment(first);
  if (!segment) return segment.error();
  const Key key{segment->get(), index};
  {
    const std::lock_guard lock(mutex_);
    const auto at = std::find_if(frames_.begin(), frames_.end(),
                                 [&](const Kept& kept) { return kept.key == key; });
    if (at != frames_.end()) {
      frames_.splice(frames_.begin(), frames_, at);
      return at->frame;
    }
  }
  auto frame = (*segment)->read(index);
  if (!frame) return frame.error();
  const std::lock_guard lock(mutex_);
  frames_.push_front({key, *segment, *frame});
  if (frames_.size() > kKeptFrames) frames_.pop_back();
  return frame;
}

Status SegmentStore::write(Position first, const std::string& bytes) {
  if (auto bad = make_folder(folder_)) return bad;
  if (auto bad = write_file_durably(path(first), bytes)) return bad;
  const std::lock_guard lock(mutex_);
  const auto at = open_.find(first);
  if (at == open_.end()) return {};
  const Segment* old = at->second.get();
  frames_.remove_if([old](const Kept& kept) { return kept.key.first == old; });
  open_.erase(at);
  return {};
}

Expected<std::vector<Position>> SegmentStore::list() const {
  std::vector<Position> all;
  std::error_code failed;
  if (!fs::exists(folder_, failed)) return all;
  for (fs::directory_iterator at(folder_, failed), end; !failed && at != end; at.increment(failed))
    if (const Position first = first_of_name(at->path().filename().string())) all.push_back(first);
  if (failed) return file_error(failed.value(), "listing", folder_);
  std::sort(all.begin(), all.end());
  return all;
}

Status SegmentStore::remove_after(Position last_segment) {
  std::error_code failed;
  if (!fs::exists(folder_, failed)) return {};
  std::vector<fs::path> useless;
  for (fs::directory_iterator at(folder_, failed), end; !failed && at != end;
       at.increment(failed)) {
    const auto name = at->path().filename().string();
    if (name.ends_with(".seg.tmp") || first_of_name(name) > last_segment)
      useless.push_back(at->path());
  }
  for (const auto& each : useless) fs::remove(each, failed);
  return {};
}

}  // namespace mlforge::storage
