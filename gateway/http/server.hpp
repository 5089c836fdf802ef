// The HTTP server: one listener, one thread for all its input and output.
#pragma once
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "events/error.hpp"
#include "gateway/http/router.hpp"

namespace prometheus {
class Registry;
}

namespace mlforge::http {

struct ServerOptions {
  std::string host = "127.0.0.1";  // address or name to listen on; loopback unless told otherwise
  std::uint16_t port = 0;          // 0: the system chooses a free one, see Server::port

  std::size_t max_body_bytes = 8 << 20;     // a route may have its own; over: 413
  std::size_t max_header_bytes = 16 << 10;  // over: 431
  std::size_t max_connections = 1024;       // over: 503 with Retry-After
  std::size_t max_pending_bytes =
      64 << 20;  // bodies of all requests in flight; over: 429 with Retry-After
  std::chrono::milliseconds idle_timeout{
      60000};  // between requests, for a whole header, and for a write to make progress
  std::size_t min_body_rate =
      1024;  // bytes a second that a body must bring after the first idle_timeout; else 408
  std::chrono::milliseconds heartbeat{15000};  // between comments on a silent event stream

  // Host headers that are served, besides loopback names and `host`, without port: the guard
  // against DNS rebinding. On an unspecified address ("0.0.0.0") all IP literals are served too.
  // "*" serves every host.
  std::vector<std::string> allowed_hosts;
  // Origins served besides the server's own, "https://ml.example.org"; "*" serves every origin.
  std::vector<std::string> allowed_origins;

  std::shared_ptr<prometheus::Registry> registry;  // null: no metrics
};

class Server {
 public:
  Server(ServerOptions options, Router router);
  ~Server();  // stop()
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Builds the routes and listens. invalid_argument: routes or address are wrong; unavailable: the
  // address cannot be had.
  Status bind();
  std::uint16_t port() const;  // after bind()
  std::string url() const;     // "http://127.0.0.1:5000"

  // One of: start() binds if need be and serves on a thread of its own; run() serves on this thread
  // until stop().
  Status start();
  void run();

  // All below: any thread.
  void post(std::function<void()> fn);  // runs fn on the server's thread; dropped after stop()
  void stop_accepting();
  // Stops accepting, closes idle connections, lets requests in flight finish, answers any others
  // with Connection: close, ends event streams and WebSockets. done(true) when the last connection
  // is gone, done(false) at the deadline, when the rest is cut off. `done` runs on the server's
  // thread and must not destroy the server.
  void drain(std::chrono::milliseconds deadline, std::function<void(bool)> done);
  // Closes everything, ends run() or joins the thread. Not from the server's own thread, where it
  // only asks for the end.
  void stop();

  std::size_t connections() const;    // open now
  std::size_t pending_bytes() const;  // request bodies held now

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace mlforge::http
