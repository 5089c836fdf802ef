// Posts over HTTP and HTTPS to where others say, with a deadline for the whole exchange.
#pragma once
#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "actors/url_guard.hpp"

namespace mlforge::actors {

struct PostAnswer {
  int status = 0;
  std::chrono::seconds retry_after{0};  // as the receiver asks; 0: it does not
  std::string body;                     // its beginning
};

// One connection, kept alive. Certificates are checked against the system's authorities, or those
// of a file. Redirects are not followed. stop() from any thread, everything else from one.
class HttpPoster {
 public:
  // `ca_file`: PEM; empty: the system's.
  HttpPoster(std::shared_ptr<const UrlGuard> guard, const std::string& ca_file);
  ~HttpPoster();

  using Headers = std::vector<std::pair<std::string, std::string>>;
  // An answer of any status, or: forbidden (the guard), timeout, unavailable.
  Expected<PostAnswer> post(const PostTarget& target, const Headers& headers,
                            const std::string& body, std::chrono::milliseconds timeout);
  // Ends the exchange under way with `unavailable`, and all later ones.
  void stop();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace mlforge::actors
