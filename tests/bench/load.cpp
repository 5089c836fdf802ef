#include "load.hpp"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <ctime>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string_view>
#include <utility>

namespace bench {
namespace {

constexpr std::size_t kBufferBytes = 32768;  // an answer's header must fit
constexpr std::string_view kMark = "{{i}}";
constexpr std::size_t kDigits = 10;
constexpr std::uint64_t kSecondNs = 1000000000;
constexpr std::uint64_t kStallNs = 10 * kSecondNs;

std::uint64_t now_ns() {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<std::uint64_t>(t.tv_sec) * kSecondNs + static_cast<std::uint64_t>(t.tv_nsec);
}

double own_cpu_seconds() {
  rusage u{};
  getrusage(RUSAGE_SELF, &u);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
  };
  return seconds(u.ru_utime) + seconds(u.ru_stime);
}

double cpu_seconds(const std::vector<pid_t>& pids) {
  double ticks = 0;
  for (const pid_t pid : pids) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
    std::string stat((std::istreambuf_iterator<char>(file)), {});
    const auto name_end = stat.rfind(')');  // the name may itself hold blanks and brackets
    if (name_end == std::string::npos) continue;
    std::istringstream fields(stat.substr(name_end + 1));
    std::string field;
    for (int i = 3; i <= 15 && fields >> field; ++i)
      if (i >= 14) ticks += std::stod(field);
  }
  return ticks / static_cast<double>(sysconf(_SC_CLK_TCK));
}

// Makes every mark as long as the number that will be written over it.
std::string widen_marks(std::string text) {
  for (std::size_t at = 0; (at = text.find(kMark, at)) != std::string::npos; at += kDigits)
    text.insert(at + kMark.size(), kDigits - kMark.size(), '0');
  return text;
}

struct Head {
  int status = 0;
  std::uint64_t body_bytes = 0;
  bool closes = false;
  const char* error = nullptr;
};

// Reads status line, Content-Length and Connection from [text, end), which ends with the blank
// line.
Head parse_head(const char* text, const char* end) {
  Head head;
  if (end - text < 15 || std::memcmp(text, "HTTP/1.", 7) != 0) {
    head.error = "the answer does not begin with HTTP/1.";
    return head;
  }
  head.status = std::atoi(text + 9);
  bool has_length = head.status == 204 || head.status == 304;
  const auto* line = text;
  while ((line = static_cast<const char*>(memchr(line, '\n', static_cast<size_t>(end - line)))) &&
         ++line < end) {
    if (strncasecmp(line, "content-length:", 15) == 0) {
      head.body_bytes = std::strtoull(line + 15, nullptr, 10);
      has_length = true;
    } else if (strncasecmp(line, "connection: close", 17) == 0) {
      head.closes = true;
    }
  }
  if (!has_length) head.error = "the answer has no Content-Length (chunked answers are not read)";
  return head;
}

struct Connection {
  int fd = -1;
  std::string request;
  std::size_t sent = 0;
  std::vector<char> in;
  std::size_t have = 0;
  std::uint64_t body_left = 0;
  bool in_body = false;
  bool closes = false;  // by the server's word, after this answer
  bool wants_write = false;
  std::uint64_t started_ns = 0;
};

class Load {
 public:
  explicit Load(const Plan& plan) : plan_(plan), connections_(plan.connections) {}
  ~Load();
  Result run();

 private:
  bool prepare();
  bool open(Connection& c);
  void loop();
  void issue(Connection& c, std::uint64_t now);
  void send_rest(Connection& c);
  void receive(Connection& c);
  bool take(Connection& c, std::size_t bytes);
  void answered(Connection& c);
  void begin_measure(std::uint64_t now);
  void fail(const std::string& sentence) {
    if (result_.error.empty()) result_.error = sentence;
  }
  void fail_errno(const std::string& what) { fail(what + ": " + std::strerror(errno) + "."); }

  const Plan& plan_;
  std::vector<Connection> connections_;
  std::vector<std::size_t> number_at_;  // where in a request its number stands
  sockaddr_in address_{};
  int epoll_ = -1;
  Result result_;
  std::uint64_t issued_ = 0, total_ = 0, in_flight_ = 0;
  bool measuring_ = false, issuing_ = true;
  std::uint64_t begin_ns_ = 0, deadline_ns_ = 0, last_answer_ns_ = 0;
  double own_cpu_begin_ = 0, pids_cpu_begin_ = 0;
};

Load::~Load() {
  for (auto& c : connections_)
    if (c.fd >= 0) close(c.fd);
  if (epoll_ >= 0) close(epoll_);
}

bool Load::prepare() {
  if (plan_.first < kSecondNs || plan_.first + plan_.warmup + plan_.requests >= 10 * kSecondNs)
    return fail("first must leave all request numbers with ten digits, 1000000000 is right."),
           false;
  address_.sin_family = AF_INET;
  address_.sin_port = htons(plan_.port);
  const std::string host = plan_.host == "localhost" ? "127.0.0.1" : plan_.host;
  if (inet_pton(AF_INET, host.c_str(), &address_.sin_addr) != 1 ||
      ntohl(address_.sin_addr.s_addr) >> 24 != 127)
    return fail("host must be an IPv4 loopback address, such as 127.0.0.1."), false;

  const auto body = widen_marks(plan_.body);
  std::string request =
      plan_.method + " " + widen_marks(plan_.path) + " HTTP/1.1\r\nHost: " + host + "\r\n";
  for (const auto& line : plan_.headers) request += line + "\r\n";
  if (!body.empty()) request += "Content-Type: " + plan_.content_type + "\r\n";
  if (!body.empty() || plan_.method != "GET")
    request += "Content-Length: " + std::to_string(body.size()) + "\r\n";
  request += "\r\n" + body;
  for (std::size_t at = 0; (at = request.find(kMark, at)) != std::string::npos; at += kDigits)
    number_at_.push_back(at);

  epoll_ = epoll_create1(EPOLL_CLOEXEC);
  if (epoll_ < 0) return fail_errno("epoll_create1"), false;
  for (auto& c : connections_) {
    c.request = request;
    c.in.resize(kBufferBytes);
    if (!open(c)) return false;
  }
  return true;
}

// Also in place of a connection that the server closes after its answer: the request pays for it.
bool Load::open(Connection& c) {
  if (c.fd >= 0) close(c.fd);
  c.closes = c.wants_write = false;
  c.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  if (c.fd < 0 || setsockopt(c.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0 ||
      connect(c.fd, reinterpret_cast<const sockaddr*>(&address_), sizeof address_) != 0)
    return fail_errno("connecting to port " + std::to_string(plan_.port)), false;
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.ptr = &c;
  if (epoll_ctl(epoll_, EPOLL_CTL_ADD, c.fd, &event) != 0) return fail_errno("epoll_ctl"), false;
  return true;
}

Result Load::run() {
  if (plan_.connections < 1 || plan_.connections > 1024)
    fail("connections must be 1 to 1024.");
  else if (plan_.requests < 1 || !(plan_.seconds > 0 && plan_.seconds <= 3600))
    fail("requests must be at least 1, and seconds more than 0 and at most 3600.");
  else if (prepare())
    loop();
  if (measuring_) {
    result_.seconds = 1e-9 * static_cast<double>(last_answer_ns_ - begin_ns_);
    result_.own_cpu_seconds = own_cpu_seconds() - own_cpu_begin_;
    result_.pids_cpu_seconds = cpu_seconds(plan_.pids) - pids_cpu_begin_;
  }
  return std::move(result_);
}

void Load::begin_measure(std::uint64_t now) {
  measuring_ = true;
  total_ = issued_ + plan_.requests - std::min(plan_.requests, in_flight_);
  begin_ns_ = last_answer_ns_ = now;
  deadline_ns_ = now + static_cast<std::uint64_t>(plan_.seconds * 1e9);
  own_cpu_begin_ = own_cpu_seconds();
  pids_cpu_begin_ = cpu_seconds(plan_.pids);
}

void Load::loop() {
  auto now = now_ns();
  total_ = UINT64_MAX;
  deadline_ns_ = now + static_cast<std::uint64_t>(plan_.seconds * 1e9);
  last_answer_ns_ = now;
  if (plan_.warmup == 0) begin_measure(now);
  for (auto& c : connections_)
    if (issued_ < total_) issue(c, now_ns());
  std::array<epoll_event, 64> events;
  while (in_flight_ > 0 && result_.error.empty()) {
    const int n = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), 1000);
    if (n < 0 && errno != EINTR) return fail_errno("epoll_wait");
    if (n <= 0 && now_ns() - last_answer_ns_ > kStallNs)
      return fail("Nothing was answered for ten seconds.");
    for (int i = 0; i < n && result_.error.empty(); ++i) {
      auto& c = *static_cast<Connection*>(events[static_cast<std::size_t>(i)].data.ptr);
      if (c.wants_write && (events[static_cast<std::size_t>(i)].events & EPOLLOUT)) send_rest(c);
      if (events[static_cast<std::size_t>(i)].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) receive(c);
    }
  }
}

void Load::issue(Connection& c, std::uint64_t now) {
  auto number = plan_.first + issued_;
  if (!number_at_.empty()) {
    std::array<char, kDigits> digits;
    for (auto d = digits.rbegin(); d != digits.rend(); ++d, number /= 10)
      *d = static_cast<char>('0' + number % 10);
    for (const auto at : number_at_) std::memcpy(&c.request[at], digits.data(), kDigits);
  }
  ++issued_;
  ++in_flight_;
  c.started_ns = now;
  c.sent = 0;
  if (!c.closes || open(c)) send_rest(c);
}

void Load::send_rest(Connection& c) {
  while (c.sent < c.request.size()) {
    const auto n = send(c.fd, c.request.data() + c.sent, c.request.size() - c.sent,
                        MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno != EAGAIN) return fail_errno("send");
    if (n < 0) break;
    c.sent += static_cast<std::size_t>(n);
  }
  const bool wants_write = c.sent < c.request.size();
  if (wants_write == c.wants_write) return;
  c.wants_write = wants_write;
  epoll_event event{};
  event.events = EPOLLIN | (wants_write ? EPOLLOUT : 0u);
  event.data.ptr = &c;
  if (epoll_ctl(epoll_, EPOLL_CTL_MOD, c.fd, &event) != 0) fail_errno("epoll_ctl");
}

void Load::receive(Connection& c) {
  const auto n = recv(c.fd, c.in.data() + c.have, c.in.size() - c.have, MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n < 0) return fail_errno("recv");
  if (n == 0)
    return fail("The server closed a connection after " + std::to_string(issued_) +
                " requests, and no answer said that it would.");
  if (take(c, static_cast<std::size_t>(n))) answered(c);
}

// Takes bytes that came in behind c.have; true when the answer is complete.
bool Load::take(Connection& c, std::size_t bytes) {
  std::uint64_t body_here = bytes;
  if (!c.in_body) {
    c.have += bytes;
    const auto* text = c.in.data();
    const auto* blank = static_cast<const char*>(memmem(text, c.have, "\r\n\r\n", 4));
    if (!blank) {
      if (c.have == c.in.size()) fail("The answer's header is over 32 KiB.");
      return false;
    }
    const auto head = parse_head(text, blank + 4);
    if (head.error) return fail(std::string(head.error) + "."), false;
    if (head.status < 200 || head.status > 299) {
      ++result_.refused;
      if (result_.first_refusal.empty())
        result_.first_refusal.assign(text, std::min<std::size_t>(c.have, 1000));
    }
    body_here = c.have - static_cast<std::size_t>(blank + 4 - text);
    c.body_left = head.body_bytes;
    c.closes = head.closes;
    c.in_body = true;
    c.have = 0;
  }
  if (body_here > c.body_left) return fail("An answer is longer than its Content-Length."), false;
  c.body_left -= body_here;
  if (c.body_left > 0) return false;
  c.in_body = false;
  return true;
}

void Load::answered(Connection& c) {
  const auto now = now_ns();
  last_answer_ns_ = now;
  --in_flight_;
  if (measuring_) {
    ++result_.answered;
    result_.latency.record(now - c.started_ns);
    if (now >= deadline_ns_) issuing_ = false;
  } else if (++result_.warmed >= plan_.warmup || now >= deadline_ns_) {
    begin_measure(now);
  }
  if (issuing_ && issued_ < total_) return issue(c, now);
  if (c.closes) close(std::exchange(c.fd, -1));
}

}  // namespace

void Histogram::record(std::uint64_t ns) {
  const int shift = std::max(0, static_cast<int>(std::bit_width(ns)) - kSubBits - 1);
  const auto index = (static_cast<std::uint64_t>(shift) << kSubBits) + (ns >> shift);
  ++buckets_[std::min<std::size_t>(index, buckets_.size() - 1)];
  ++count_;
  max_ = std::max(max_, ns);
}

std::uint64_t Histogram::quantile(double q) const {
  const auto rank = static_cast<std::uint64_t>(std::ceil(q * static_cast<double>(count_)));
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < buckets_.size() && count_ > 0; ++i) {
    seen += buckets_[i];
    if (seen < std::max<std::uint64_t>(rank, 1)) continue;
    const std::size_t shift = i < (2u << kSubBits) ? 0 : (i >> kSubBits) - 1;
    const std::uint64_t low = (i - (shift << kSubBits)) << shift;
    return std::min(max_, low + (std::uint64_t{1} << shift) - 1);
  }
  return max_;
}

Result run_load(const Plan& plan) { return Load(plan).run(); }

}  // namespace bench
