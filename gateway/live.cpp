#include "gateway/live.hpp"

#include <algorithm>
#include <deque>
#include <memory>

#include "events/event_codec.hpp"
#include "gateway/http/logging.hpp"

namespace mlforge::gateway {
namespace {

// How much one pull may do: requests wait for one page of each watcher, and small ones keep that
// short.
constexpr std::uint64_t kStride = 1000;  // events looked at, where the filter matches none
constexpr std::size_t kLivePageBytes = 8 << 10;
constexpr std::size_t kPastPageBytes = 48 << 10;
constexpr std::uint64_t kNear = 256;  // events before the head that are not the past yet

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
    logging::error("a live stream ends before event {}: {}", from, read.error().message);
    return Stop::damage;
  }
  return from > log.head() ? Stop::head : Stop::stride;
}

using Page = std::deque<std::string>;

// One who watches. Pages near the head are made where they are asked for; those of the past by the
// reader, page by page. Whoever makes a page has what reads the log to themselves: while `asked_`,
// that is the reader, which the server's thread never waits for.
class Follower final : public PastReader::Client, public std::enable_shared_from_this<Follower> {
 public:
  Follower(PastReader& past, const storage::Log& log, EventFilter filter, Position from, Form form,
           std::function<void()> wake)
      : past_(past),
        log_(log),
        filter_(std::move(filter)),
        form_(form),
        wake_(std::move(wake)),
        from_(from) {}

  std::optional<http::Message> pull() {
    const std::lock_guard lock(mutex_);
    if (page_.empty() && !asked_ && !ask()) read_page(kLivePageBytes, page_);
    if (!page_.empty()) {
      auto text = std::move(page_.front());
      page_.pop_front();
      return std::make_shared<const std::string>(std::move(text));
    }
    if (asked_) return std::nullopt;
    if (stop_ == Stop::damage) return http::Message();
    if (stop_ == Stop::stride) wake_();
    return std::nullopt;
  }

  void make_page() override {
    Page page;
    read_page(kPastPageBytes, page);
    {
      const std::lock_guard lock(mutex_);
      page_ = std::move(page);
      asked_ = false;
    }
    wake_();
  }

 private:
  // Whether the reader is to make the next page.
  bool ask() {
    if (stop_ == Stop::damage || from_ + kNear > log_.head()) return false;
    asked_ = true;
    past_.ask(weak_from_this());
    return true;
  }

  void read_page(std::size_t most, Page& page) {
    if (stop_ == Stop::damage) return;
    std::size_t bytes = 0;
    stop_ = read_on(log_, filter_, from_, [&](const EventView& e) {
      if (form_ == Form::frames || page.empty()) page.emplace_back();
      const std::size_t before = page.back().size();
      append(page.back(), e);
      bytes += page.back().size() - before;
      return bytes >= most;
    });
  }

  void append(std::string& out, const EventView& e) {
    if (form_ == Form::frames) return append_event_json(out, e);
    data_.clear();
    append_event_json(data_, e);
    http::append_sse_event(out, std::to_string(e.position), e.type, data_);
  }

  PastReader& past_;
  const storage::Log& log_;
  const EventFilter filter_;
  const Form form_;
  const std::function<void()> wake_;
  Position from_;
  Stop stop_ = Stop::head;
  std::string data_;
  std::mutex mutex_;  // guards what follows
  bool asked_ = false;
  Page page_;
};

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

http::PullSource live_source(PastReader& past, const storage::Log& log, EventFilter filter,
                             Position from, Form form, std::function<void()> wake) {
  return [follower = std::make_shared<Follower>(past, log, std::move(filter), from, form,
                                                std::move(wake))](std::size_t) {
    return follower->pull();
  };
}

}  // namespace mlforge::gateway
