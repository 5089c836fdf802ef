// What all connections of one server share. Everything here belongs to the server's thread, except
// where it says otherwise.
#pragma once
#include "gateway/http/guard.hpp"
#include "gateway/http/mailbox.hpp"
#include "gateway/http/metrics.hpp"
#include "gateway/http/pch.hpp"
#include "gateway/http/server.hpp"

namespace mlforge::http {

namespace asio = boost::asio;
namespace beast = boost::beast;
using boost::system::error_code;
using tcp = asio::ip::tcp;
using IoExecutor = asio::io_context::executor_type;
using Socket = asio::basic_stream_socket<tcp, IoExecutor>;
using Acceptor = asio::basic_socket_acceptor<tcp, IoExecutor>;
using Timer = asio::basic_waitable_timer<std::chrono::steady_clock,
                                         asio::wait_traits<std::chrono::steady_clock>, IoExecutor>;
using SteadyTime = std::chrono::steady_clock::time_point;

// Something that holds a socket: an HTTP connection or a WebSocket.
class Member {
 public:
  virtual ~Member() = default;
  virtual void sweep(SteadyTime now) = 0;  // a few times a second: timeouts
  virtual void drain() = 0;                // finish and go
  virtual void cut() = 0;                  // close now

 private:
  friend class Core;
  std::size_t slot_ = 0;
};

class Core {
 public:
  Core(ServerOptions options, Router router);
  ~Core();

  Status bind();
  void run();       // until shutdown()
  void shutdown();  // closes all and makes run() return
  void stop_accepting();
  void drain(std::chrono::milliseconds deadline, std::function<void(bool)> done);

  void join(Member& member);
  void leave(Member& member);
  // Counts request bodies against max_pending_bytes; false when there is no room.
  bool charge(std::size_t bytes);
  void discharge(std::size_t bytes);
  void draw_id(std::string& out);  // a random UUID (version 4)

  const ServerOptions options;
  Router router;
  Guard guard;
  HttpMetrics metrics;
  asio::io_context context;
  const std::shared_ptr<Mailbox> mailbox;
  bool draining = false;
  std::uint16_t port = 0;                     // set by bind()
  std::atomic<std::size_t> open_count{0};     // any thread may read
  std::atomic<std::size_t> pending_bytes{0};  // any thread may read

 private:
  void accept();
  void accepted(Socket socket);
  void schedule_sweep();
  void finish_drain(bool complete);

  Acceptor acceptor_;
  Timer sweep_timer_, accept_timer_, drain_timer_;
  asio::executor_work_guard<IoExecutor> work_;
  std::vector<Member*> members_;
  std::function<void(bool)> drained_;
  std::array<std::uint64_t, 2> random_{};
};

}  // namespace mlforge::http
