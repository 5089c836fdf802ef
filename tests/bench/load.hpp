// An HTTP load generator of its own: raw sockets and epoll on one thread, closed loop, keep-alive.
// It shares no code with the servers that it measures, and spends as little processor time as it
// can, because they share the machine. A server that says `Connection: close` is connected to anew,
// on the time of the next request, as any client would.
#pragma once
#include <sys/types.h>

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace bench {

// Counts of durations in nanoseconds, log-linear: 64 buckets a power of two, so a quantile is at
// most 1.6 % too high.
class Histogram {
 public:
  void record(std::uint64_t ns);
  // The duration that a share `q` (0 to 1) of the records does not exceed, never more than max(); 0
  // when empty.
  std::uint64_t quantile(double q) const;
  std::uint64_t max() const { return max_; }  // exact
  std::uint64_t count() const { return count_; }

 private:
  static constexpr int kSubBits = 6;
  std::array<std::uint64_t, (64 - kSubBits + 1) << kSubBits> buckets_{};
  std::uint64_t count_ = 0;
  std::uint64_t max_ = 0;
};

// What to send. A load ends after `requests` answers or `seconds`, whichever comes first.
struct Plan {
  std::string host = "127.0.0.1";  // an IPv4 loopback address or "localhost"; others are refused
  std::uint16_t port = 0;
  int connections = 1;            // 1 to 1024; each has one request under way
  std::uint64_t requests = 1000;  // measured ones, at least 1
  std::uint64_t warmup = 0;       // answered before the clock starts; given up after `seconds`
  double seconds = 10;
  std::string method = "GET";
  std::string path = "/";
  std::string content_type = "application/json";
  std::string body;                  // every {{i}} in path and body becomes the request's number
  std::vector<std::string> headers;  // further lines, "Name: value"
  std::uint64_t first =
      1000000000;  // number of the first request; it must have ten digits, so that lengths stay
  std::vector<pid_t> pids;  // processes whose CPU time is measured
};

struct Result {
  std::string error;            // a sentence; empty: the load ran to its end
  std::uint64_t answered = 0;   // measured answers
  std::uint64_t warmed = 0;     // those before; fewer than `warmup` where that was given up
  std::uint64_t refused = 0;    // those whose status is not 2xx (warm-up included)
  std::string first_refusal;    // the beginning of the first such answer
  double seconds = 0;           // from the end of the warm-up to the last answer
  Histogram latency;            // from send to the last byte of the answer
  double own_cpu_seconds = 0;   // user and system time of this process
  double pids_cpu_seconds = 0;  // the same of `pids`, in steps of a clock tick (10 ms)
};

// Runs the load; blocks. Gives up with an error when nothing is answered for ten seconds, when a
// connection is closed without a word, or when an answer has no Content-Length.
Result run_load(const Plan& plan);

}  // namespace bench
