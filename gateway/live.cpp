#include "gateway/live.hpp"

#include "events/event_codec.hpp"

namespace mlforge::gateway {
namespace {

// Events looked at in one pull: a filter that matches nothing must not hold up the server's thread.
constexpr std::uint64_t kStride = 5000;

// Reads on from `from` until `take` says that there is enough; answers whether the head was
// reached.
template <class Take>
bool read_on(const storage::Log& log, const EventFilter& filter, Position& from, Take take) {
  for (int round = 0; round < 20; ++round) {
    bool enough = false;
    const auto read = log.read(from, kStride, [&](const EventView& e) {
      from = e.position + 1;
      if (filter.matches(e)) enough = take(e);
      return !enough;
    });
    if (!read || *read == 0) return true;
    if (enough) return false;
  }
  return from > log.head();
}

}  // namespace

std::uint64_t LiveHub::add(std::function<void()> wake) {
  const std::lock_guard lock(mutex_);
  wakers_.emplace(next_, std::move(wake));
  count_ = wakers_.size();
  return next_++;
}

void LiveHub::remove(std::uint64_t id) {
  const std::lock_guard lock(mutex_);
  wakers_.erase(id);
  count_ = wakers_.size();
}

void LiveHub::wake_all() {
  if (count_ == 0) return;
  const std::lock_guard lock(mutex_);
  for (const auto& [id, wake] : wakers_) wake();
}

http::PullSource frame_source(const storage::Log& log, EventFilter filter, Position from) {
  return [&log, filter = std::move(filter),
          from](std::size_t) mutable -> std::optional<http::Message> {
    std::string frame;
    read_on(log, filter, from, [&](const EventView& e) {
      append_event_json(frame, e);
      return true;
    });
    if (frame.empty()) return std::nullopt;
    return std::make_shared<const std::string>(std::move(frame));
  };
}

http::PullSource sse_source(const storage::Log& log, EventFilter filter, Position from) {
  return [&log, filter = std::move(filter),
          from](std::size_t max_bytes) mutable -> std::optional<http::Message> {
    std::string text, data;
    read_on(log, filter, from, [&](const EventView& e) {
      data.clear();
      append_event_json(data, e);
      http::append_sse_event(text, std::to_string(e.position), e.type, data);
      return text.size() + 4096 > max_bytes;
    });
    if (text.empty()) return std::nullopt;
    return std::make_shared<const std::string>(std::move(text));
  };
}

}  // namespace mlforge::gateway
