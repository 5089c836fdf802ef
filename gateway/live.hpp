// Everyone who watches the log live. Each reads it from a cursor of their own: the log is the
// queue, so a slow watcher costs nothing, and one who reads the past is served beside the rest.
#pragma once
#include <atomic>
#include <functional>
#include <mutex>
#include <unordered_map>

#include "gateway/event_filter.hpp"
#include "gateway/http/streams.hpp"
#include "gateway/past_reader.hpp"

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

enum class Form {
  frames,        // one message an event, as on a WebSocket
  event_stream,  // text of many: id is the position, event the type
};

// A source that gives each matching event from `from` on. Where a pull has nothing yet, `wake` is
// called when there is something to ask for (from the reader's thread, too), unless it is the next
// commit that brings it. A log that cannot be read on ends the stream.
http::PullSource live_source(PastReader& past, const storage::Log& log, EventFilter filter,
                             Position from, Form form, std::function<void()> wake);

}  // namespace mlforge::gateway
