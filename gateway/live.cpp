#include "gateway/live.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <deque>

#include "events/event_codec.hpp"

namespace mlforge::gateway {
namespace {

// How much one pull may do. A watcher that catches up is pulled again as soon as it has taken the
// last page, and requests wait for one page of each watcher: small ones keep that short.
constexpr std::uint64_t kStride = 1000;  // events looked at, where the filter matches none
constexpr std::size_t kLivePageBytes = 8 << 10;

enum class Stop { enough, stride, head, damage };

// Reads on from `from` until `take` says that there is enough, or as far as one pull may go.
template <class Take>
Stop read_on(const storage::Log& log, const EventFilter& filter, Position& from, Take take) {
  bool enough = false;
  const auto read = log.read(from, kStride, [&](const EventView& e) {
    from = e.position + 1;
    if (filter.matches(e)) enough = take(e);
    return !enough;
  });
  if (enough) return Stop::enough;
  if (!read) {
    spdlog::error("a live stream ends before event {}: {}", from, read.error().message);
    return Stop::damage;
  }
  return from > log.head() ? Stop::head : Stop::stride;
}

// The text, if there is any; else nothing yet, or, where the log cannot be read on, the end.
std::optional<http::Message> message(std::string text, Stop stop,
                                     const std::function<void()>& again) {
  if (!text.empty()) return std::make_shared<const std::string>(std::move(text));
  if (stop == Stop::damage) return http::Message();
  if (stop == Stop::stride) again();
  return std::nullopt;
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

// Frames are made a page at a time: a look into the log for each would cost more than the frame.
http::PullSource frame_source(const storage::Log& log, EventFilter filter, Position from,
                              std::function<void()> again) {
  return [&log, filter = std::move(filter), from, again = std::move(again),
          page = std::deque<std::string>()](std::size_t) mutable -> std::optional<http::Message> {
    auto stop = Stop::enough;
    if (page.empty()) {
      std::size_t bytes = 0;
      stop = read_on(log, filter, from, [&](const EventView& e) {
        append_event_json(page.emplace_back(), e);
        return (bytes += page.back().size()) >= kLivePageBytes;
      });
    }
    std::string frame;
    if (!page.empty()) {
      frame = std::move(page.front());
      page.pop_front();
    }
    return message(std::move(frame), stop, again);
  };
}

http::PullSource sse_source(const storage::Log& log, EventFilter filter, Position from,
                            std::function<void()> again) {
  return [&log, filter = std::move(filter), from,
          again = std::move(again)](std::size_t max_bytes) mutable -> std::optional<http::Message> {
    std::string text, data;
    const auto stop = read_on(log, filter, from, [&](const EventView& e) {
      data.clear();
      append_event_json(data, e);
      http::append_sse_event(text, std::to_string(e.position), e.type, data);
      return text.size() >= std::min(kLivePageBytes, max_bytes);
    });
    return message(std::move(text), stop, again);
  };
}

}  // namespace mlforge::gateway
