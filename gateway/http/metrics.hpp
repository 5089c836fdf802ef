// What the server counts about itself, in a registry of the caller's.
#pragma once
#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace prometheus {
class Counter;
class Gauge;
class Histogram;
class Registry;
template <class T>
class Family;
}  // namespace prometheus

namespace mlforge::http {

struct Route;

// The registry in the Prometheus text format. Any thread.
std::string render_metrics(const prometheus::Registry& registry);

// Why a request or a connection was turned away before any handler saw it.
enum class Rejection {
  connections,
  pending_bytes,
  host,
  origin,
  malformed,
  headers_too_large,
  body_too_large,
  timeout,
  count_
};

// Handles are made at the first use of a route and kept, so that a request costs no look-up of
// labels. The server's thread only. Without a registry nothing is recorded.
class HttpMetrics {
 public:
  HttpMetrics() = default;
  HttpMetrics(std::shared_ptr<prometheus::Registry> registry, const std::vector<Route>& routes);

  static constexpr std::size_t kUnmatched = static_cast<std::size_t>(-1);
  bool enabled() const { return registry_ != nullptr; }
  // `route` is an index into the routes or kUnmatched.
  void request(std::size_t route, int status, double seconds);
  void reject(Rejection why);
  void connections(std::size_t open);
  void streams(std::string_view kind, int change);  // "sse", "websocket"

 private:
  struct Handles {
    std::string route = "unmatched", method = "OTHER";
    prometheus::Histogram* duration = nullptr;
    std::array<prometheus::Counter*, 6> by_class{};  // [2]: 2xx
  };

  std::shared_ptr<prometheus::Registry> registry_;
  prometheus::Family<prometheus::Histogram>* durations_ = nullptr;
  prometheus::Family<prometheus::Counter>* totals_ = nullptr;
  prometheus::Gauge* open_ = nullptr;
  prometheus::Gauge* sse_ = nullptr;
  prometheus::Gauge* websocket_ = nullptr;
  std::array<prometheus::Counter*, static_cast<std::size_t>(Rejection::count_)> rejected_{};
  std::vector<Handles> handles_;  // one a route, the last is for unmatched requests
};

}  // namespace mlforge::http
