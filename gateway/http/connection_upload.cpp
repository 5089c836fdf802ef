// A body that is handed on in pieces while it comes.
#include "gateway/http/logging.hpp"
#include "gateway/http/upload.hpp"

#include "gateway/http/connection.hpp"

namespace mlforge::http {

Connection::Step Connection::begin_upload(const UploadHandler& handler) {
  allow_continue();
  state_ = State::upload;
  open_request_ = true;
  in_.reserve(kUploadChunk);
  upload_handle_ = std::make_shared<UploadHandle>(mailbox_, ConnectionRef(this));
  std::unique_ptr<Upload> upload;
  try {
    upload = handler(request_, Reply(this), UploadFlow(upload_handle_));
  } catch (const std::exception& failure) {
    logging::error("upload handler of {} failed: {} (correlation {})", request_.pattern,
                   failure.what(), correlation_id_);
  }
  if (!open_request_) return Step::again;
  if (!upload) {  // nobody wants the body; the answer comes later
    state_ = State::paused;
    return Step::wait;
  }
  upload_ = std::move(upload);
  return Step::again;
}

Connection::Step Connection::step_upload() {
  if (chunked_) return step_chunked_upload();
  if (body_size_ == 0) return end_upload();
  if (in_.empty()) return Step::input;
  return deliver_chunk(in_.view().substr(0, body_size_));
}

Connection::Step Connection::step_chunked_upload() {
  if (parser_->is_done()) return end_upload();
  if (in_.empty()) return Step::input;
  error_code ec;
  in_.consume(parser_->put_chunked(in_.view(), body_, body_limit(), ec));
  const bool more = ec == beast::http::error::need_more;
  if ((ec && !more) || (more && in_.size() > core_->options.max_header_bytes)) {
    const bool large = ec == beast::http::error::body_limit;
    const Error error{large ? ErrorCode::payload_too_large : ErrorCode::malformed,
                      large ? "The body is larger than this path takes."
                            : "The body's chunked encoding is broken.",
                      {}};
    abort_upload(error);
    return fail(large ? Rejection::body_too_large : Rejection::malformed, error);
  }
  if (!body_.empty()) return deliver_chunk(body_);
  return parser_->is_done() ? Step::again : Step::input;
}

Connection::Step Connection::deliver_chunk(std::string_view chunk) {
  chunk_size_ = chunk.size();
  auto flow = Flow::more;
  try {
    flow = upload_->on_chunk(chunk);
  } catch (const std::exception& failure) {
    logging::error("upload to {} failed: {} (correlation {})", request_.pattern, failure.what(),
                   correlation_id_);
    const Error error{ErrorCode::internal, "The upload failed inside the server.", {}};
    abort_upload(error);
    return fail(Rejection::malformed, error);
  }
  if (!open_request_) return Step::again;  // answered before the end of the body
  if (flow == Flow::more) {
    chunk_used();
    return Step::again;
  }
  state_ = State::paused;
  paused_at_ = std::chrono::steady_clock::now();
  return Step::wait;
}

void Connection::chunk_used() {
  if (chunked_) {
    body_.clear();
  } else {
    in_.consume(chunk_size_);
    body_size_ -= chunk_size_;
  }
}

Connection::Step Connection::end_upload() {
  state_ = State::handling;
  try {
    upload_->on_end();
  } catch (const std::exception& failure) {
    logging::error("upload to {} failed at its end: {} (correlation {})", request_.pattern,
                   failure.what(), correlation_id_);
    const Error error{ErrorCode::internal, "The upload failed inside the server.", {}};
    abort_upload(error);
    return fail(Rejection::malformed, error);
  }
  return Step::again;
}

void Connection::resume_upload() {
  if (state_ != State::paused || !upload_) return;
  body_started_ += std::chrono::steady_clock::now() - paused_at_;
  chunk_used();
  state_ = State::upload;
  pump();
}

void Connection::abort_upload(const Error& why) {
  state_ = State::handling;
  open_request_ = false;  // the Reply, wherever it is, no longer counts
  if (upload_handle_) {
    upload_handle_->detach();
    upload_handle_.reset();
  }
  try {
    if (const auto upload = std::move(upload_)) upload->on_abort(why);
  } catch (const std::exception& failure) {
    logging::error("upload's on_abort failed: {}", failure.what());
  }
}

void UploadHandle::resume() {
  mailbox_->push([self = shared_from_this()] {
    if (self->attached_) self->connection_->resume_upload();
  });
}

}  // namespace mlforge::http
