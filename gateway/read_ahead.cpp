#include "gateway/read_ahead.hpp"

#include <mutex>

namespace mlforge::gateway {
namespace {

constexpr std::size_t kAhead = 512 << 10;

class ReadAhead : public std::enable_shared_from_this<ReadAhead> {
 public:
  using Read = std::function<Status(std::string&)>;
  ReadAhead(Workers& workers, Read read) : workers_(workers), read_(std::move(read)) {}

  bool ready(std::function<void()> again) {
    const std::lock_guard lock(mutex_);
    if (has_piece_) return true;
    again_ = std::move(again);
    begin();
    return false;
  }

  Status next(std::string& out) {
    const std::lock_guard lock(mutex_);
    if (error_) return error_;
    out = std::exchange(piece_, {});
    has_piece_ = ended_;
    if (!ended_) begin();
    return {};
  }

 private:
  // Under the lock.
  void begin() {
    if (std::exchange(reading_, true)) return;
    workers_.post([self = shared_from_this()] { self->fill(); });
  }

  void fill() {
    std::string gathered, piece;
    Status error;
    bool ended = false;
    try {
      while (!error && !ended && gathered.size() < kAhead) {
        piece.clear();
        error = read_(piece);
        ended = piece.empty();
        gathered += piece;
      }
    } catch (const std::exception& failure) {
      error = Error{ErrorCode::internal, failure.what(), {}};
    }
    std::function<void()> again;
    {
      const std::lock_guard lock(mutex_);
      piece_ = std::move(gathered);
      error_ = std::move(error);
      ended_ = ended;
      has_piece_ = true;
      reading_ = false;
      again = std::exchange(again_, nullptr);
    }
    if (again) again();
  }

  Workers& workers_;
  const Read read_;  // called by one thread at a time
  std::mutex mutex_;
  std::string piece_;
  Status error_;
  bool has_piece_ = false, ended_ = false, reading_ = false;
  std::function<void()> again_;
};

}  // namespace

void read_ahead(App& app, http::StreamedResponse& response) {
  auto source = std::make_shared<ReadAhead>(*app.workers, std::move(response.next));
  response.next = [source](std::string& out) { return source->next(out); };
  response.ready = [source](std::function<void()> again) {
    return source->ready(std::move(again));
  };
}

}  // namespace mlforge::gateway
