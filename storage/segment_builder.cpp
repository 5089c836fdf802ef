#include <zstd.h>

#include <cstring>

#include "storage/crc32c.hpp"
#include "storage/segment.hpp"
#include "storage/segment_layout.hpp"

namespace mlforge::storage {

struct SegmentBuilder::Zstd {
  ZSTD_CCtx* context = ZSTD_createCCtx();
  ~Zstd() { ZSTD_freeCCtx(context); }
};

SegmentBuilder::SegmentBuilder(const Uuid& log_id, const SegmentLimits& limits)
    : log_id_(log_id), limits_(limits), zstd_(std::make_unique<Zstd>()) {}
SegmentBuilder::~SegmentBuilder() = default;

Status SegmentBuilder::add(Position position, Bytes salted_body) {
  if (first_ == 0) {
    first_ = position;
    file_ = segment_header(log_id_, first_);
  }
  last_ = position;
  bodies_.insert(bodies_.end(), salted_body.begin(), salted_body.end());
  body_bytes_ += salted_body.size();
  ends_.push_back(static_cast<std::uint32_t>(bodies_.size()));
  if (bodies_.size() < limits_.frame_bytes && ends_.size() < limits_.frame_events) return {};
  return end_frame();
}

Status SegmentBuilder::end_frame() {
  if (ends_.empty()) return {};
  const std::size_t ends_bytes = ends_.size() * sizeof(std::uint32_t);
  raw_.resize(ends_bytes + bodies_.size());
  for (std::size_t i = 0; i < ends_.size(); ++i) store_le(raw_.data() + 4 * i, ends_[i]);
  std::memcpy(raw_.data() + ends_bytes, bodies_.data(), bodies_.size());
  const std::size_t offset = file_.size();
  file_.resize(offset + ZSTD_compressBound(raw_.size()));
  const std::size_t written =
      ZSTD_compressCCtx(zstd_->context, file_.data() + offset, file_.size() - offset, raw_.data(),
                        raw_.size(), limits_.level);
  if (ZSTD_isError(written))
    return Error{ErrorCode::internal,
                 std::string("Compressing a segment failed: ") + ZSTD_getErrorName(written) + ".",
                 ""};
  file_.resize(offset + written);
  const std::string_view frame = std::string_view(file_).substr(offset);
  append_le<std::uint64_t>(table_, offset);
  append_le<std::uint64_t>(table_, last_ - ends_.size() + 1);
  append_le<std::uint32_t>(table_, written);
  append_le<std::uint32_t>(table_, raw_.size());
  append_le<std::uint32_t>(table_, ends_.size());
  append_le<std::uint32_t>(table_, crc32c(as_bytes(frame)));
  ++frames_;
  ends_.clear();
  bodies_.clear();
  return {};
}

bool SegmentBuilder::is_full() const {
  return body_bytes_ >= limits_.segment_bytes ||
         (first_ != 0 && last_ - first_ + 1 >= limits_.segment_events);
}

Expected<std::string> SegmentBuilder::finish() {
  if (auto bad = end_frame()) return *bad;
  std::string footer;
  append_le<std::uint64_t>(footer, file_.size());
  append_le<std::uint64_t>(footer, last_);
  append_le<std::uint32_t>(footer, frames_);
  append_le<std::uint32_t>(footer, crc32c(as_bytes(table_ + footer)));
  file_.append(table_).append(footer);
  const Digest digest = sha256(as_bytes(file_));
  file_.append(as_text(digest.bytes)).append(kSegmentEnd);
  return std::move(file_);
}

}  // namespace mlforge::storage
