#include "gateway/http/connection.hpp"

#include "gateway/http/logging.hpp"
#include "gateway/http/sse.hpp"

namespace mlforge::http {
namespace {

constexpr std::chrono::milliseconds kLinger{2000};
constexpr auto kNever = SteadyTime::max();

}  // namespace

void intrusive_ptr_add_ref(Connection* c) noexcept { c->add_ref(); }
void intrusive_ptr_release(Connection* c) noexcept { c->release(); }

Connection::Connection(Core& core, Socket socket)
    : core_(&core), mailbox_(core.mailbox), socket_(std::move(socket)) {
  error_code ec;
  const auto peer = socket_->remote_endpoint(ec);
  if (!ec) remote_ = peer.address().to_string();
  request_.remote = remote_;
  core_->join(*this);
  add_ref();  // given back in close()
}

void Connection::start(Core& core, Socket socket) {
  const ConnectionRef self(new Connection(core, std::move(socket)));
  self->set_deadline(core.options.idle_timeout);
  if (core.draining) self->keep_alive_ = false;
  self->pump();
}

void Connection::turn_away(Core& core, Socket socket) {
  const ConnectionRef self(new Connection(core, std::move(socket)));
  self->forget_request();
  auto response =
      error_response({ErrorCode::unavailable,
                      "The server has as many connections as it accepts. Try again shortly.",
                      {}},
                     self->correlation_id_);
  self->keep_alive_ = false;
  self->linger_after_ = true;
  self->open_request_ = true;
  self->state_ = State::handling;
  self->finish(std::move(response));
}

// Runs until something has to be waited for. Answers of pipelined requests gather in out_ and leave
// together.
void Connection::pump() {
  if (pumping_ || !socket_) return;
  const ConnectionRef self(this);
  pumping_ = true;
  for (auto next = Step::again; socket_ && next == Step::again;) {
    next = writing_ ? Step::wait : close_after_ ? Step::wait : step();
    if (!socket_) break;
    if (!writing_ && output_pending() && (next != Step::again || output_full())) flush();
    if (!socket_ || writing_) continue;
    if (close_after_ && !output_pending())
      linger();
    else if (next == Step::input && state_ == State::head && core_->draining)
      close();
    else if (next == Step::input)
      read();
  }
  pumping_ = false;
  retired_upload_.reset();
}

Connection::Step Connection::step() {
  switch (state_) {
    case State::head:
      return step_head();
    case State::body:
      return chunked_ ? step_chunked_body() : step_body();
    case State::upload:
      return step_upload();
    case State::streaming:
      return step_stream();
    case State::sse:
      return step_sse();
    case State::lingering:
      in_.consume(in_.size());
      return Step::input;
    case State::handling:
    case State::paused:
    case State::closed:
      break;
  }
  return Step::wait;
}

void Connection::read() {
  if (reading_) return;
  reading_ = true;
  if (in_.room() == 0) in_.reserve(std::max(2 * in_.size(), InBuffer::kBase));
  socket_->async_read_some(asio::buffer(in_.tail(), in_.room()),
                           [self = ConnectionRef(this)](error_code ec, std::size_t bytes) {
                             self->reading_ = false;
                             self->received(ec, bytes);
                           });
}

void Connection::received(error_code ec, std::size_t bytes) {
  if (!socket_) return;
  if (ec) return input_ended();
  in_.commit(bytes);
  body_received_ += bytes;
  if (state_ == State::sse) {  // nothing is expected from the client; its end is
    in_.consume(in_.size());
    return read();
  }
  pump();
}

void Connection::input_ended() {
  if (state_ == State::upload)
    abort_upload(
        {ErrorCode::unavailable, "The client went away before the body was complete.", {}});
  close();
}

void Connection::flush() {
  while (output_pending()) {
    const std::array<asio::const_buffer, 2> both{asio::buffer(out_), asio::buffer(out_body_)};
    beast::buffers_suffix<std::array<asio::const_buffer, 2>> rest(both);
    rest.consume(out_written_);
    error_code ec;
    const auto bytes = socket_->write_some(rest, ec);
    if (ec == asio::error::would_block || ec == asio::error::try_again) {
      writing_ = true;
      set_deadline(core_->options.idle_timeout);
      socket_->async_write_some(rest,
                                [self = ConnectionRef(this)](error_code failed, std::size_t n) {
                                  self->wrote(failed, n);
                                });
      return;
    }
    if (ec) return close();
    out_written_ += bytes;
    if (out_written_ == out_.size() + out_body_.size()) return written();
  }
}

void Connection::wrote(error_code ec, std::size_t bytes) {
  if (!socket_) return;
  writing_ = false;
  if (ec) return close();
  out_written_ += bytes;
  if (out_written_ == out_.size() + out_body_.size())
    written();
  else
    flush();
  if (socket_ && state_ == State::head) set_deadline(core_->options.idle_timeout);
  pump();
}

void Connection::written() {
  out_written_ = 0;
  out_.clear();
  if (out_.capacity() > 2 * kFlushBytes) out_.shrink_to_fit();
  out_body_ = {};
  if (state_ == State::streaming || state_ == State::sse) later();
}

void Connection::later() {
  asio::post(core_->context, [self = ConnectionRef(this)] {
    self->turn_ = true;
    self->pump();
  });
}

void Connection::set_deadline(std::chrono::milliseconds from_now) {
  deadline_ = std::chrono::steady_clock::now() + from_now;
}

void Connection::linger() {
  error_code ignored;
  close_after_ = false;
  if (!linger_after_) return close();
  socket_->shutdown(asio::socket_base::shutdown_send, ignored);
  state_ = State::lingering;
  set_deadline(std::min(kLinger, core_->options.idle_timeout));
  in_.consume(in_.size());
  read();
}

void Connection::close() {
  if (!socket_) return;
  const ConnectionRef self(this);
  if (state_ == State::upload || state_ == State::paused)
    abort_upload({ErrorCode::unavailable, "The connection was closed.", {}});
  state_ = State::closed;
  socket_.reset();
  auto* core = std::exchange(core_, nullptr);
  if (charged_) core->discharge(std::exchange(charged_, 0));
  if (sse_handle_) {
    core->metrics.streams("sse", -1);
    sse_handle_->detach();
    sse_handle_.reset();
  }
  try {
    if (auto on_close = std::exchange(sse_.on_close, nullptr)) on_close();
  } catch (const std::exception& failure) {
    logging::error("event stream's on_close failed: {}", failure.what());
  }
  sse_.source = nullptr;
  stream_.reset();
  core->leave(*this);
  release();
}

void Connection::drain() {
  switch (state_) {
    case State::head:
      // Nothing is owed for a head that is not complete. (While pump() runs, or output waits, a
      // whole request may still be in the buffer: pump() closes when it has come to its end.)
      if (!pumping_ && !output_pending()) return close();
      break;
    case State::sse:
      return close();
    default:
      break;
  }
  keep_alive_ = false;
}

void Connection::sweep(SteadyTime now) {
  const ConnectionRef self(this);
  if (writing_ || state_ == State::lingering) {
    if (now > deadline_) close();
    return;
  }
  if (state_ == State::head && now > deadline_) {
    if (!head_begun_) return close();
    forget_request();
    fail(Rejection::timeout,
         {ErrorCode::request_timeout, "The head of the request took too long.", {}});
    return pump();
  }
  if (state_ == State::body || state_ == State::upload) {
    const auto rate = std::max<std::size_t>(core_->options.min_body_rate, 1);
    const auto allowed =
        core_->options.idle_timeout + std::chrono::milliseconds(body_received_ * 1000 / rate);
    if (now - body_started_ <= allowed) return;
    const Error slow{ErrorCode::request_timeout, "The body of the request came too slowly.", {}};
    abort_upload(slow);
    fail(Rejection::timeout, slow);
    return pump();
  }
  if (state_ == State::sse) heartbeat(now);
}

}  // namespace mlforge::http
