#include "gateway/http/websocket.hpp"

#include <netinet/tcp.h>
#include "gateway/http/connection.hpp"
#include "gateway/http/logging.hpp"

namespace mlforge::http {

namespace websocket = beast::websocket;
namespace beast_http = beast::http;

namespace {

constexpr std::size_t kMaxMessage = 1 << 20;
constexpr std::chrono::seconds kCloseWait{5};
constexpr std::chrono::milliseconds kDrainCloseWait{900};  // until the next sweep it is a second

// Calls what a user has set; a failure there must not take the server's thread down.
template <class Fn, class... Args>
auto guarded(const Fn& fn, const Args&... args) -> decltype(fn(args...)) {
  try {
    return fn(args...);
  } catch (const std::exception& failure) {
    logging::error("WebSocket callback failed: {}", failure.what());
    return decltype(fn(args...))();
  }
}

beast_http::request<beast_http::empty_body> beast_request(const Request& request) {
  beast_http::request<beast_http::empty_body> out;
  out.method(beast_http::verb::get);
  out.target({request.target.data(), request.target.size()});
  out.version(11);
  for (const auto& field : request.headers)
    out.insert({field.name.data(), field.name.size()}, {field.value.data(), field.value.size()});
  return out;
}

}  // namespace

Status websocket_problem(const Request& request, bool upgrade) {
  const auto value = request.header("Upgrade");
  if (upgrade && beast::iequals({value.data(), value.size()}, "websocket") &&
      request.header("Sec-WebSocket-Version") == "13" &&
      request.header("Sec-WebSocket-Key").size() == 24)
    return std::nullopt;
  return Error{ErrorCode::upgrade_required,
               "This path is a WebSocket: send an Upgrade to 'websocket', version 13.", "Upgrade"};
}

Connection::Step Connection::upgrade() {
  auto problem = websocket_problem(request_, parser_->upgrade());
  if (!problem && (output_pending() || in_.size() > body_in_buffer_ || body_in_buffer_ > 0))
    problem = Error{ErrorCode::upgrade_required,
                    "An upgrade to a WebSocket may not be sent together with other data.",
                    {}};
  const bool not_websocket = problem.has_value();
  std::shared_ptr<WebSocket> session;
  if (!problem) {
    session = std::make_shared<WebSocket>(*core_);
    try {
      problem = std::get<WebSocketHandler>(match_.route->handler)(request_, session);
    } catch (const std::exception& failure) {
      logging::error("handler of {} failed: {} (correlation {})", request_.pattern, failure.what(),
                     correlation_id_);
      problem = Error{ErrorCode::internal, "The server could not open this WebSocket.", {}};
    }
  }
  if (problem) {
    if (session) session->discard();
    auto response = error_response(*problem, correlation_id_);
    if (not_websocket) response.headers.emplace_back("Upgrade", "websocket");
    finish(std::move(response));
    return Step::again;
  }
  open_request_ = false;
  count_request(101, std::chrono::steady_clock::now());
  session->start(std::move(*socket_), request_, match_.route->info.max_body);
  close();
  return Step::wait;
}

WebSocket::WebSocket(Core& core) : core_(&core), mailbox_(core.mailbox) {}

void WebSocket::start(Socket socket, const Request& request, std::size_t max_message) {
  self_ = shared_from_this();
  core_->join(*this);
  core_->metrics.streams("websocket", 1);
  stream_.emplace(std::move(socket));
  websocket::stream_base::timeout timeout{};
  timeout.handshake_timeout = core_->options.idle_timeout;
  timeout.idle_timeout = core_->options.idle_timeout;
  timeout.keep_alive_pings = true;
  stream_->set_option(timeout);
  stream_->set_option(websocket::stream_base::decorator(
      [id = std::string(request.correlation_id)](websocket::response_type& response) {
        response.set("X-Correlation-Id", id);
      }));
  stream_->auto_fragment(false);
  stream_->text(true);
  stream_->read_message_max(max_message ? max_message : kMaxMessage);
  auto head = std::make_shared<beast_http::request<beast_http::empty_body>>(beast_request(request));
  stream_->async_accept(*head, [self = self_, head](error_code ec) { self->opened(ec); });
}

void WebSocket::opened(error_code ec) {
  if (!stream_) return;
  if (ec) return closed();
  open_ = true;
  if (closing_) return send_close();
  read();
  write();
}

void WebSocket::read() {
  if (!open_ || reading_ || closing_) return;
  {
    std::lock_guard lock(mutex_);
    if (waiting_bytes_ >= kMaxBatchBytes) return;  // write() reads on when there is room
  }
  reading_ = true;
  stream_->async_read(input_, [self = self_](error_code ec, std::size_t) {
    self->reading_ = false;
    if (!self->stream_) return;
    if (ec) return self->closed();
    const auto data = self->input_.data();
    if (self->on_message_)
      guarded(self->on_message_,
              std::string_view(static_cast<const char*>(data.data()), data.size()));
    self->input_.consume(self->input_.size());
    if (self->input_.capacity() > kMaxBatchBytes) self->input_.shrink_to_fit();
    if (self->stream_) self->read();
  });
}

Message WebSocket::next() {
  {
    std::lock_guard lock(mutex_);
    if (!waiting_.empty()) {
      auto message = std::move(waiting_.front());
      waiting_.pop_front();
      waiting_bytes_ -= message->size();
      return message;
    }
  }
  if (!source_) return nullptr;
  auto message = guarded(source_, kMaxBatchBytes);
  if (!message) return nullptr;
  if (!*message) begin_close(1000, "the end");
  return *message;
}

// Many small messages in a row leave in few packets, which is what a message costs most.
void WebSocket::cork(bool corked) {
  if (!stream_ || corked == corked_) return;
  corked_ = corked;
  error_code ignored;
  using Cork = asio::detail::socket_option::boolean<IPPROTO_TCP, TCP_CORK>;
  stream_->next_layer().set_option(Cork(corked), ignored);
}

void WebSocket::write() {
  if (!open_ || output_ || closing_) return;
  output_ = next();
  const bool one_more = std::exchange(more_, output_ != nullptr);
  cork(output_ && one_more);
  if (!output_ || !stream_) return;
  stream_->async_write(asio::buffer(*output_), [self = self_](error_code ec, std::size_t) {
    self->output_.reset();
    if (!self->stream_) return;
    if (ec) return self->closed();
    self->write();
    if (self->stream_) self->read();
  });
}

bool WebSocket::send(Message message) {
  if (!message || over_) return false;
  {
    std::lock_guard lock(mutex_);
    if (waiting_bytes_ >= kMaxBatchBytes) return false;
    waiting_bytes_ += message->size();
    waiting_.push_back(std::move(message));
  }
  wake();
  return true;
}

void WebSocket::wake() {
  if (over_ || woken_.exchange(true)) return;
  mailbox_->push([self = shared_from_this()] {
    self->woken_ = false;
    self->write();
  });
}

void WebSocket::close(std::uint16_t code, std::string reason) {
  if (over_) return;
  mailbox_->push([self = shared_from_this(), code, reason = std::move(reason)] {
    self->begin_close(code, reason);
  });
}

void WebSocket::drain() {
  const auto soon = std::chrono::steady_clock::now() + kDrainCloseWait;
  begin_close(1001, "the server is going down");
  close_by_ = std::min(close_by_, soon);
}

void WebSocket::begin_close(std::uint16_t code, const std::string& reason) {
  if (closing_ || !stream_) return;
  closing_ = true;
  close_by_ = std::chrono::steady_clock::now() + kCloseWait;
  why_ = code;
  why_.reason.assign(reason.data(), std::min<std::size_t>(reason.size(), 120));
  cork(false);
  if (open_) send_close();  // else opened() does
}

void WebSocket::send_close() {
  stream_->async_close(why_, [self = self_](error_code) { self->closed(); });
}

void WebSocket::sweep(SteadyTime now) {
  if (closing_ && now > close_by_) closed();
}

void WebSocket::closed() {
  if (!self_) return;
  const auto self = std::exchange(self_, nullptr);
  over_ = true;
  open_ = false;
  stream_.reset();
  core_->metrics.streams("websocket", -1);
  core_->leave(*this);
  core_ = nullptr;
  source_ = nullptr;
  if (on_close_) guarded(on_close_);
  on_close_ = nullptr;
  on_message_ = nullptr;
}

}  // namespace mlforge::http
