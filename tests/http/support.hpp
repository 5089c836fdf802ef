// A server on a free port and a client that writes and reads plain bytes.
#pragma once
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/http/client.hpp"
#include "gateway/http/server.hpp"

namespace mlforge::http::test {

using namespace std::chrono_literals;

// Values handed from the server's thread to the test's; take() gives up after 20 s.
template <class T>
class Channel {
 public:
  void put(T value) {
    std::lock_guard lock(mutex_);
    values_.push_back(std::move(value));
    ready_.notify_one();
  }
  T take() {
    std::unique_lock lock(mutex_);
    if (!ready_.wait_for(lock, 20s, [this] { return !values_.empty(); }))
      throw std::runtime_error("nothing came in time");
    T value = std::move(values_.front());
    values_.pop_front();
    return value;
  }
  std::size_t size() {
    std::lock_guard lock(mutex_);
    return values_.size();
  }

 private:
  std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<T> values_;
};

struct RawResponse {
  int status = 0;
  std::string head;
  std::string body;
  bool has(std::string_view text) const { return head.find(text) != std::string::npos; }
};

// Whether the body is the one shape of errors, with this code.
inline bool has_code(const RawResponse& response, std::string_view code) {
  return response.body.find("{\"error\":{\"code\":\"" + std::string(code) + "\"") == 0 &&
         response.body.find("\"correlation_id\":\"") != std::string::npos;
}

class RawClient {
 public:
  explicit RawClient(std::uint16_t port, int receive_buffer = 0)
      : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    timeval limit{20, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    if (receive_buffer)
      ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
      throw std::runtime_error("cannot connect");
  }
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;
  ~RawClient() { close(); }

  void close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }
  // False when the server has closed its side meanwhile.
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const auto n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
  }
  std::string read_until(std::string_view mark) {
    std::size_t at = 0;
    while ((at = buffer_.find(mark)) == std::string::npos)
      if (!more()) throw std::runtime_error("the server closed after: " + buffer_);
    return take(at + mark.size());
  }
  std::string read_exactly(std::size_t n) {
    while (buffer_.size() < n)
      if (!more()) throw std::runtime_error("the server closed early");
    return take(n);
  }
  RawResponse response(bool bodyless = false) {
    RawResponse out;
    out.head = read_until("\r\n\r\n");
    out.status = std::stoi(out.head.substr(9, 3));
    const auto length = out.head.find("Content-Length: ");
    if (bodyless) return out;
    if (length != std::string::npos)
      out.body = read_exactly(std::stoul(out.head.substr(length + 16)));
    else if (out.has("chunked"))
      while (auto chunk = read_chunk()) out.body += *chunk;
    return out;
  }
  std::optional<std::string> read_chunk() {
    const auto size = std::stoul(read_until("\r\n"), nullptr, 16);
    auto data = read_exactly(size);
    read_until("\r\n");
    if (size == 0) return std::nullopt;
    return data;
  }
  // Waits for the server's end of the connection.
  bool at_end() {
    while (buffer_.empty())
      if (!more()) return true;
    return false;
  }
  RawResponse roundtrip(std::string_view request, bool bodyless = false) {
    send(request);
    return response(bodyless);
  }

 private:
  bool more() {
    char bytes[16384];
    const auto n = ::recv(fd_, bytes, sizeof bytes, 0);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
      throw std::runtime_error("the server sent nothing in time");
    if (n <= 0) return false;
    buffer_.append(bytes, static_cast<std::size_t>(n));
    return true;
  }
  std::string take(std::size_t n) {
    auto out = buffer_.substr(0, n);
    buffer_.erase(0, n);
    return out;
  }

  int fd_;
  std::string buffer_;
};

struct Held {
  Reply reply;
  std::string body;
};

// Routes: GET /empty, POST /echo, POST /hold (the Reply goes to `held`), GET /drop, GET /boom, GET
// /big.
class TestServer {
 public:
  explicit TestServer(ServerOptions options = {}, const std::function<void(Router&)>& more = {}) {
    Router router;
    router.get("/empty", [](const Request&, Reply reply) { reply.send(Response{}); });
    router.post("/echo", [](const Request& request, Reply reply) {
      reply.send(Response{200, std::string(request.content_type), std::string(request.body), {}});
    });
    router.post("/hold", [this](const Request& request, Reply reply) {
      std::string body(request.body);
      held.put({std::move(reply), std::move(body)});
    });
    router.get("/drop", [](const Request&, Reply) {});
    router.get("/boom", [](const Request&, Reply) { throw std::runtime_error("boom"); });
    router.get("/big", [](const Request&, Reply reply) {
      reply.send(Response::text(std::string(300000, 'x')));
    });
    if (more) more(router);
    server = std::make_unique<Server>(std::move(options), std::move(router));
    if (auto error = server->start()) throw std::runtime_error(error->message);
  }
  std::uint16_t port() const { return server->port(); }
  RawClient client() const { return RawClient(port()); }

  Channel<Held> held;
  std::unique_ptr<Server> server;
};

inline std::string get(std::string_view path, std::string_view more = {}) {
  return "GET " + std::string(path) + " HTTP/1.1\r\nHost: localhost\r\n" + std::string(more) +
         "\r\n";
}

inline std::string post(std::string_view path, std::string_view body, std::string_view more = {}) {
  return "POST " + std::string(path) +
         " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" + std::string(more) +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}

}  // namespace mlforge::http::test
