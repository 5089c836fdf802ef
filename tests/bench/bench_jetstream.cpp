// Closed-loop load on a NATS server's JetStream on this machine: each connection publishes a
// message into one stream on disk and waits for the server's acknowledgement before the next. Raw
// sockets and epoll on one thread; shares no code with mlforge.
//   bench_jetstream --port P [--connections N] [--seconds S] [--bytes N]
// Prints one JSON object; exit code 1 unless every publish was acknowledged.
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "load.hpp"

namespace {

using Clock = std::chrono::steady_clock;

[[noreturn]] void fail(const std::string& sentence) {
  std::fprintf(stderr, "%s\n", sentence.c_str());
  std::exit(1);
}

class Connection {
 public:
  Connection(int port, int number) : inbox_("reply." + std::to_string(number) + ".a") {
    fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int on = 1;
    if (fd_ < 0 || ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0 ||
        ::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
      fail("connecting to the NATS server failed");
    send("CONNECT {\"verbose\":false,\"pedantic\":false}\r\nSUB " + inbox_ + " 1\r\nPING\r\n");
    while (in_.find("PONG\r\n") == std::string::npos) receive();
    in_.clear();
  }
  ~Connection() { ::close(fd_); }
  Connection(const Connection&) = delete;

  int fd() const { return fd_; }
  void publish(const std::string& subject, const std::string& payload) {
    send("PUB " + subject + " " + inbox_ + " " + std::to_string(payload.size()) + "\r\n" + payload +
         "\r\n");
    started = Clock::now();
  }
  // Whether a whole answer has come; it is then in `answer`.
  bool receive_answer() {
    receive();
    if (in_.starts_with("PING\r\n")) {
      send("PONG\r\n");
      in_.erase(0, 6);
    }
    const auto line = in_.find("\r\n");
    if (line == std::string::npos) return false;
    if (!in_.starts_with("MSG ")) fail("the NATS server said: " + in_.substr(0, 200));
    const std::size_t bytes = std::strtoull(in_.c_str() + in_.rfind(' ', line), nullptr, 10);
    if (in_.size() < line + 2 + bytes + 2) return false;
    answer = in_.substr(line + 2, bytes);
    in_.erase(0, line + 2 + bytes + 2);
    return true;
  }
  std::string request(const std::string& subject, const std::string& payload) {
    publish(subject, payload);
    while (!receive_answer()) {
    }
    return answer;
  }

  Clock::time_point started;
  std::string answer;

 private:
  void send(std::string_view text) {
    while (!text.empty()) {
      const auto n = ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
      if (n <= 0) fail("sending to the NATS server failed");
      text.remove_prefix(static_cast<std::size_t>(n));
    }
  }
  void receive() {
    char bytes[4096];
    const auto n = ::recv(fd_, bytes, sizeof bytes, 0);
    if (n <= 0) fail("the NATS server closed a connection");
    in_.append(bytes, static_cast<std::size_t>(n));
  }

  int fd_ = -1;
  std::string inbox_, in_;
};

using Connections = std::vector<std::unique_ptr<Connection>>;

struct Figures {
  bench::Histogram latency;
  double seconds = 0;
};

Figures run(Connections& connections, const std::string& payload, double seconds) {
  const int epoll = ::epoll_create1(EPOLL_CLOEXEC);
  for (const auto& each : connections) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = each.get();
    if (::epoll_ctl(epoll, EPOLL_CTL_ADD, each->fd(), &event) != 0) fail("epoll_ctl");
  }
  Figures figures;
  const auto start = Clock::now();
  const auto end = start + std::chrono::duration<double>(seconds);
  std::size_t under_way = connections.size();
  for (const auto& each : connections) each->publish("bench.events", payload);
  while (under_way > 0) {
    epoll_event events[64];
    const int n = ::epoll_wait(epoll, events, 64, 20'000);
    if (n == 0) fail("nothing was acknowledged for 20 seconds");
    for (int i = 0; i < n; ++i) {
      auto& connection = *static_cast<Connection*>(events[i].data.ptr);
      if (!connection.receive_answer()) continue;
      if (connection.answer.find("\"seq\":") == std::string::npos)
        fail("a publish was refused: " + connection.answer);
      const auto now = Clock::now();
      figures.latency.record(static_cast<std::uint64_t>((now - connection.started).count()));
      if (now < end)
        connection.publish("bench.events", payload);
      else
        --under_way;
    }
  }
  figures.seconds = std::chrono::duration<double>(Clock::now() - start).count();
  ::close(epoll);
  return figures;
}

}  // namespace

int main(int argc, char** argv) {
  int port = 0, connections = 1;
  double seconds = 2;
  std::size_t bytes = 256;
  CLI::App app{"Closed-loop load on JetStream"};
  app.add_option("--port", port, "of the NATS server on 127.0.0.1")->required();
  app.add_option("--connections", connections, "each with one message under way");
  app.add_option("--seconds", seconds, "end after so long");
  app.add_option("--bytes", bytes, "of each message");
  CLI11_PARSE(app, argc, argv);
  Connections all;
  for (int i = 0; i < connections; ++i) all.push_back(std::make_unique<Connection>(port, i));
  const auto made = all[0]->request(
      "$JS.API.STREAM.CREATE.BENCH",
      R"({"name":"BENCH","subjects":["bench.>"],"storage":"file","num_replicas":1})");
  if (made.find("\"error\"") != std::string::npos) fail("the stream was refused: " + made);
  const std::string payload(bytes, 'x');
  (void)run(all, payload, std::min(0.2, seconds));  // warm-up
  const auto figures = run(all, payload, seconds);
  const auto us = [&](double q) { return double(figures.latency.quantile(q)) / 1e3; };
  std::printf(
      "{\"connections\":%d,\"answered\":%llu,\"seconds\":%.4f,\"requests_per_second\":%.1f,"
      "\"p50_us\":%.1f,\"p99_us\":%.1f}\n",
      connections, static_cast<unsigned long long>(figures.latency.count()), figures.seconds,
      double(figures.latency.count()) / figures.seconds, us(0.5), us(0.99));
  return 0;
}
