// A WebSocket on Beast: one write at a time, pulled from a source, so that a slow client holds one
// batch and no more.
#pragma once
#include "gateway/http/core.hpp"
#include "gateway/http/streams.hpp"

namespace mlforge::http {

class WebSocket final : public WsSession,
                        public Member,
                        public std::enable_shared_from_this<WebSocket> {
 public:
  explicit WebSocket(Core& core);

  // Takes over the socket and answers the handshake. The server's thread.
  void start(Socket socket, const Request& request, std::size_t max_message);

  // Instead of start(), for a handler that refused: lets go of what it has set.
  void discard() { source_ = nullptr, on_message_ = nullptr, on_close_ = nullptr, over_ = true; }

  void on_message(std::function<void(std::string_view)> fn) override {
    on_message_ = std::move(fn);
  }
  void on_close(std::function<void()> fn) override { on_close_ = std::move(fn); }
  void set_source(PullSource source) override { source_ = std::move(source); }
  bool send(Message message) override;
  void wake() override;
  void close(std::uint16_t code, std::string reason) override;

  void sweep(SteadyTime now) override;
  void drain() override;
  void cut() override { closed(); }

 private:
  using Stream = beast::websocket::stream<Socket>;

  void opened(error_code ec);
  void read();
  void write();
  void begin_close(std::uint16_t code, const std::string& reason);
  void send_close();
  void closed();
  Message next();
  void cork(bool corked);

  Core* core_;  // null once closed; the server's thread only
  const std::shared_ptr<Mailbox> mailbox_;
  std::optional<Stream> stream_;
  std::shared_ptr<WebSocket> self_;  // while it is a member
  std::function<void(std::string_view)> on_message_;
  std::function<void()> on_close_;
  PullSource source_;
  beast::flat_buffer input_;
  Message output_;  // being written
  bool open_ = false, reading_ = false, closing_ = false;
  bool more_ = false, corked_ = false;  // messages follow one another; small ones gather
  SteadyTime close_by_{};
  beast::websocket::close_reason why_;

  std::mutex mutex_;  // for the two below
  std::deque<Message> waiting_;
  std::size_t waiting_bytes_ = 0;
  std::atomic<bool> woken_{false}, over_{false};
};

// Why `request` cannot become a WebSocket; empty when it can.
Status websocket_problem(const Request& request, bool upgrade);

}  // namespace mlforge::http
