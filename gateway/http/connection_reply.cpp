// From an answer to bytes: whole answers, streamed ones, event streams.
#include "gateway/http/connection.hpp"
#include "gateway/http/logging.hpp"
#include "gateway/http/sse.hpp"
#include "gateway/http/upload.hpp"

namespace mlforge::http {

void Connection::reply(Response response) {
  if (mailbox_->on_server_thread()) return finish(std::move(response));
  mailbox_->push_answer({ConnectionRef(this), std::move(response)});
}

void Connection::reply_all(std::vector<std::pair<ReplyTarget*, Response>>& batch) {
  std::vector<Mailbox::Letter> letters;
  letters.reserve(batch.size());
  for (auto& [target, response] : batch)
    letters.emplace_back(
        Mailbox::Answer{ConnectionRef(static_cast<Connection*>(target)), std::move(response)});
  mailbox_->push_all(std::move(letters));
}

void Connection::reply_stream(StreamedResponse response) {
  if (mailbox_->on_server_thread()) return start_stream(std::move(response));
  mailbox_->push([self = ConnectionRef(this), response = std::move(response)]() mutable {
    self->start_stream(std::move(response));
  });
}

std::shared_ptr<SseSession> Connection::reply_sse(SseOptions options) {
  auto handle = std::make_shared<SseHandle>(mailbox_, ConnectionRef(this));
  if (mailbox_->on_server_thread())
    start_sse(std::move(options), handle);
  else
    mailbox_->push([self = ConnectionRef(this), options = std::move(options), handle]() mutable {
      self->start_sse(std::move(options), handle);
    });
  return handle;
}

bool Connection::take_request() {
  if (!open_request_ || !socket_) return false;
  open_request_ = false;
  if (state_ == State::upload || state_ == State::paused) {  // the rest of the body is not wanted
    keep_alive_ = false;
    linger_after_ = true;
  }
  if (core_->draining) keep_alive_ = false;
  return true;
}

ResponseHead Connection::head_for(int status, std::string_view content_type) const {
  ResponseHead head;
  head.status = status;
  head.content_type = content_type;
  head.close = !keep_alive_;
  head.keep_alive = keep_alive_ && http10_;
  head.correlation_id = correlation_id_;
  head.allowed_origin = allowed_origin_;
  return head;
}

void Connection::finish(Response response) {
  if (!take_request()) return;
  const ConnectionRef self(this);
  const bool bodyless = response.status == 204 || response.status == 304;
  std::string_view type = response.content_type;
  if (type.empty() && !response.body.empty()) type = kJson;
  auto head = head_for(response.status, bodyless ? std::string_view{} : type);
  if (!bodyless) head.content_length = response.body.size();
  head.headers = &response.headers;
  append_head(out_, head);
  if (!head_only_ && !bodyless) {
    if (response.body.size() >= kBigBody)
      out_body_ = std::move(response.body);
    else
      out_ += response.body;
  }
  end_request(response.status);
  pump();
}

void Connection::release_body() {
  if (charged_) core_->discharge(std::exchange(charged_, 0));
  in_.consume(std::exchange(body_in_buffer_, 0));
  if (body_.capacity() > InBuffer::kKept)
    body_ = {};
  else
    body_.clear();
}

void Connection::count_request(int status, SteadyTime now) {
  const auto seconds = std::chrono::duration<double>(now - started_).count();
  core_->metrics.request(route_index_, status, seconds);
  if (!logging::enabled(logging::Level::debug)) return;
  if (match_.route && match_.route->info.hot) return;
  logging::debug("{} {} {} {:.6f}s {}", to_string(request_.method), request_.path, status, seconds,
                 correlation_id_);
}

void Connection::end_request(int status) {
  const auto now = std::chrono::steady_clock::now();
  count_request(status, now);
  release_body();
  state_ = State::head;
  deadline_ = now + core_->options.idle_timeout;
  if (upload_) retired_upload_ = std::move(upload_);
  if (upload_handle_) {
    upload_handle_->detach();
    upload_handle_.reset();
  }
  if (!keep_alive_) close_after_ = true;
}

void Connection::start_stream(StreamedResponse response) {
  if (!take_request()) return;
  const ConnectionRef self(this);
  if (!response.content_length && http10_) keep_alive_ = false;  // its end is the connection's
  auto head = head_for(response.status, response.content_type);
  head.content_length = response.content_length;
  head.chunked = !response.content_length && !http10_;
  head.headers = &response.headers;
  append_head(out_, head);
  if (head_only_) {
    end_request(response.status);
    return pump();
  }
  stream_left_ = response.content_length.value_or(0);
  stream_ = std::move(response);
  state_ = State::streaming;
  turn_ = true;
  pump();
}

bool Connection::stream_ready() {
  if (!stream_->ready) return true;
  return stream_->ready([box = mailbox_, self = ConnectionRef(this)] {
    box->push([self] {
      if (self->state_ != State::streaming) return;
      self->turn_ = true;
      self->pump();
    });
  });
}

Connection::Step Connection::step_stream() {
  if (!std::exchange(turn_, false)) return Step::wait;
  std::string piece;
  Status error;
  try {
    if (!stream_ready()) return Step::wait;
    error = stream_->next(piece);
  } catch (const std::exception& failure) {
    error = Error{ErrorCode::internal, failure.what(), {}};
  }
  const bool counted = stream_->content_length.has_value();
  if (!error && counted && (piece.size() > stream_left_ || (piece.empty() && stream_left_ > 0)))
    error = Error{ErrorCode::internal, "The stream did not keep to its Content-Length.", {}};
  if (error) {
    logging::error("streamed answer of {} broke off: {} (correlation {})", request_.pattern,
                   error->message, correlation_id_);
    close();
    return Step::wait;
  }
  stream_left_ -= counted ? piece.size() : 0;
  const bool over = piece.empty() || (counted && stream_left_ == 0);
  if (!counted && !http10_) {
    if (over) {
      out_ += "0\r\n\r\n";
    } else {
      char size[24];
      std::snprintf(size, sizeof size, "%zx\r\n", piece.size());
      out_ += size;
      piece += "\r\n";
    }
  }
  if (!piece.empty()) out_body_ = std::move(piece);
  if (!over) return Step::wait;
  const int status = stream_->status;
  stream_.reset();
  end_request(status);
  return Step::again;
}

void Connection::start_sse(SseOptions options, std::shared_ptr<SseHandle> handle) {
  if (!take_request()) {
    handle->detach();
    if (options.on_close) options.on_close();
    return;
  }
  const ConnectionRef self(this);
  keep_alive_ = false;
  static const std::vector<std::pair<std::string, std::string>> kHeaders{
      {"Cache-Control", "no-cache"}, {"X-Accel-Buffering", "no"}};
  auto head = head_for(200, "text/event-stream");
  head.chunked = !http10_;
  head.headers = &kHeaders;
  append_head(out_, head);
  last_output_ = std::chrono::steady_clock::now();
  sse_ = std::move(options);
  sse_handle_ = std::move(handle);
  core_->metrics.streams("sse", 1);
  if (head_only_) {
    end_request(200);
    return pump();
  }
  count_request(200, last_output_);
  release_body();
  state_ = State::sse;
  turn_ = true;
  in_.consume(in_.size());
  read();  // its end is how the client's leaving shows
  pump();
}

void Connection::append_sse(std::string_view text) {
  if (http10_)
    out_ += text;
  else
    append_chunk(out_, text);
  last_output_ = std::chrono::steady_clock::now();
}

Connection::Step Connection::step_sse() {
  if (!std::exchange(turn_, false)) return Step::wait;
  std::optional<Message> message;
  try {
    if (sse_.source) message = sse_.source(kMaxBatchBytes);
  } catch (const std::exception& failure) {
    logging::error("event stream of {} broke off: {}", request_.pattern, failure.what());
    message.emplace(nullptr);
  }
  if (!message) return Step::wait;
  if (*message) {
    if (!(*message)->empty()) append_sse(**message);
    return Step::wait;
  }
  if (!http10_) out_ += "0\r\n\r\n";
  close_after_ = true;
  return Step::again;
}

void Connection::wake_sse() {
  if (state_ != State::sse || close_after_) return;
  turn_ = true;
  pump();
}

void Connection::heartbeat(SteadyTime now) {
  if (output_pending() || now - last_output_ < core_->options.heartbeat) return;
  append_sse(":\n\n");
  pump();
}

void SseHandle::wake() {
  if (woken_.exchange(true)) return;
  mailbox_->push([self = shared_from_this()] {
    self->woken_ = false;
    if (self->connection_) ConnectionRef(self->connection_)->wake_sse();
  });
}

void SseHandle::close() {
  mailbox_->push([self = shared_from_this()] {
    if (self->connection_) ConnectionRef(self->connection_)->close();
  });
}

}  // namespace mlforge::http
