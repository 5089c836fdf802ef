#include "storage/stream_proof.hpp"

#include "storage/base64.hpp"

namespace mlforge::storage {
namespace {

constexpr std::size_t kPieceBytes = 32 << 10;
// Nowhere else in the file, for inside of a text the quotes have a backslash before them.
constexpr std::string_view kNoEvents = "\"events\":[]";

}  // namespace

std::vector<std::string> to_texts(const HashPath& path) {
  std::vector<std::string> texts;
  texts.reserve(path.size());
  for (const Digest& hash : path) texts.push_back(to_base64(hash.bytes));
  return texts;
}

StreamProof::StreamProof(const Log& log, const LogTree& tree, ProofFile head,
                         std::vector<Position> positions, std::uint64_t size)
    : log_(log),
      reader_(tree),
      head_(std::move(head)),
      positions_(std::move(positions)),
      size_(size) {}

Status StreamProof::next(std::string& out) {
  if (part_ == Part::head) {
    const auto text = to_json(head_);
    const auto at = text.find(kNoEvents);
    if (at == text.npos) return Error{ErrorCode::internal, "the proof has no room for events", ""};
    const auto inside = at + kNoEvents.size() - 1;
    out += std::string_view(text).substr(0, inside);
    rest_ = text.substr(inside);
    part_ = Part::events;
  }
  for (; done_ < positions_.size() && out.size() < kPieceBytes; ++done_) {
    const auto one = event(positions_[done_]);
    if (!one) return one.error();
    if (done_ > 0) out += ',';
    out += to_json(*one);
  }
  if (done_ == positions_.size() && part_ == Part::events) {
    out += rest_;
    part_ = Part::end;
  }
  return {};
}

Expected<ProofFile> StreamProof::whole() && {
  for (const Position position : positions_) {
    auto one = event(position);
    if (!one) return one.error();
    head_.events.push_back(*std::move(one));
  }
  return std::move(head_);
}

Expected<ProofEvent> StreamProof::event(Position position) {
  const auto path = reader_.inclusion(position, size_);
  if (!path) return path.error();
  ProofEvent event{position, {}, to_texts(*path)};
  const auto found = log_.read_records(position, 1, [&](Position, Bytes record) {
    event.record = to_base64(record);
    return false;
  });
  if (!found) return found.error();
  return event;
}

}  // namespace mlforge::storage
