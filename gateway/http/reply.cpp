#include "gateway/http/reply.hpp"

#include <atomic>

namespace mlforge::http {

void ReplyTarget::reply_all(std::vector<std::pair<ReplyTarget*, Response>>& batch) {
  for (auto& [target, response] : batch) target->reply(std::move(response));
}

Reply& Reply::operator=(Reply&& other) noexcept {
  if (this != &other) {
    drop();
    target_ = std::exchange(other.target_, nullptr);
  }
  return *this;
}

void Reply::send(Response response) {
  if (auto* target = take()) {
    target->reply(std::move(response));
    target->release();
  }
}

void Reply::send(const Error& error) {
  if (target_) send(error_response(error, target_->request().correlation_id));
}

void Reply::stream(StreamedResponse response) {
  if (auto* target = take()) {
    target->reply_stream(std::move(response));
    target->release();
  }
}

std::shared_ptr<SseSession> Reply::sse(SseOptions options) {
  auto* target = take();
  if (!target) return nullptr;
  auto session = target->reply_sse(std::move(options));
  target->release();
  return session;
}

void Reply::drop() {
  if (target_) send(Error{ErrorCode::internal, "The server gave no answer to this request.", {}});
}

void ReplyBatch::add(Reply reply, Response response) {
  auto* target = reply.take();
  if (!target) return;
  if (!batch_.empty() && batch_.front().first->batch_key() != target->batch_key()) flush();
  batch_.emplace_back(target, std::move(response));
}

void ReplyBatch::add(Reply reply, const Error& error) {
  if (!reply) return;
  auto response = error_response(error, reply.request().correlation_id);
  add(std::move(reply), std::move(response));
}

void ReplyBatch::flush() {
  if (batch_.empty()) return;
  auto batch = std::exchange(batch_, {});
  batch.front().first->reply_all(batch);
  for (auto& [target, response] : batch) target->release();
}

namespace {

class CapturedSse final : public SseSession {
 public:
  void wake() override {}
  void close() override {}
};

class CapturedTarget final : public ReplyTarget {
 public:
  CapturedTarget(const Request& request, std::function<void(Response)> done)
      : request_(request), done_(std::move(done)) {}

  void reply(Response response) override { done_(std::move(response)); }

  void reply_stream(StreamedResponse stream) override {
    Response whole{stream.status, stream.content_type, {}, stream.headers};
    for (std::string piece; stream.next; whole.body += piece, piece.clear()) {
      if (auto error = stream.next(piece))
        return done_(error_response(*error, request_.correlation_id));
      if (piece.empty()) break;
    }
    done_(std::move(whole));
  }

  std::shared_ptr<SseSession> reply_sse(SseOptions options) override {
    Response whole{200, "text/event-stream", {}, {}};
    while (auto message = options.source(kMaxBatchBytes)) {
      if (!*message) break;
      whole.body += **message;
    }
    done_(std::move(whole));
    if (options.on_close) options.on_close();
    return std::make_shared<CapturedSse>();
  }

  const Request& request() const override { return request_; }
  void add_ref() noexcept override { refs_.fetch_add(1); }
  void release() noexcept override {
    if (refs_.fetch_sub(1) == 1) delete this;
  }

 private:
  const Request& request_;
  std::function<void(Response)> done_;
  std::atomic<int> refs_{0};
};

}  // namespace

Reply captured_reply(const Request& request, std::function<void(Response)> done) {
  return Reply(new CapturedTarget(request, std::move(done)));
}

void append_sse_event(std::string& out, std::string_view id, std::string_view event,
                      std::string_view data) {
  const auto line = [&out](std::string_view name, std::string_view text) {
    out += name;
    for (const char c : text)
      if (c != '\r' && c != '\n') out += c;
    out += '\n';
  };
  if (!id.empty()) line("id: ", id);
  if (!event.empty()) line("event: ", event);
  for (std::size_t at = 0;;) {
    const auto end = data.find('\n', at);
    line("data: ", data.substr(at, end == std::string_view::npos ? end : end - at));
    if (end == std::string_view::npos) break;
    at = end + 1;
  }
  out += '\n';
}

}  // namespace mlforge::http
