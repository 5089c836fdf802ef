// Everyone who watches the log live. Each reads it from a cursor of their own: the log is the
// queue, so a slow watcher costs nothing.
#pragma once
#include <atomic>
#include <functional>
#include <mutex>
#include <unordered_map>

#include "gateway/event_filter.hpp"
#include "gateway/http/streams.hpp"

namespace mlforge::gateway {

class LiveHub {
 public:
  // `wake` is called after commits, at most once until the watcher has read again.
  std::uint64_t add(std::function<void()> wake);
  void remove(std::uint64_t id);
  void wake_all();  // any thread; cheap when nobody watches
  std::size_t size() const { return count_; }

 private:
  std::mutex mutex_;
  std::atomic<std::size_t> count_ = 0;
  std::uint64_t next_ = 1;
  std::unordered_map<std::uint64_t, std::function<void()>> wakers_;
};

// A source that gives each matching event as it would be on a WebSocket, one frame an event. Where
// a pull found nothing but has not come to the head, it calls `again`: to be asked again without a
// commit. A log that cannot be read on ends the stream.
http::PullSource frame_source(const storage::Log& log, EventFilter filter, Position from,
                              std::function<void()> again);

// The same as event-stream text: id is the position, event the type.
http::PullSource sse_source(const storage::Log& log, EventFilter filter, Position from,
                            std::function<void()> again);

}  // namespace mlforge::gateway
