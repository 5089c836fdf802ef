// A small blocking HTTP client for the command line and for tests: one connection, kept alive.
#pragma once
#include <chrono>
#include <cstdint>
#include <functional>
#include <iosfwd>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "events/error.hpp"
#include "gateway/http/request.hpp"

namespace mlforge::http {

using HeaderList = std::vector<std::pair<std::string, std::string>>;

struct ClientOptions {
  std::chrono::milliseconds connect_timeout{5000};
  std::chrono::milliseconds io_timeout{60000};  // without any progress
  std::size_t max_response_bytes = 64 << 20;    // of an answer that is kept in memory
  HeaderList headers;                           // sent with every request, such as Authorization
};

struct ClientResponse {
  int status = 0;
  HeaderList headers;
  std::string body;

  bool ok() const { return status >= 200 && status < 300; }
  std::string_view header(std::string_view name) const;  // no case; empty when absent
};

struct SseEvent {
  std::string id;  // the last one seen, as browsers do
  std::string event = "message";
  std::string data;
};

// Not thread-safe. All calls block. Answers of any status are ClientResponses; an Error means that
// there was no answer: unavailable (nobody listens, the connection broke), timeout,
// invalid_argument (the URL), payload_too_large.
class HttpClient {
 public:
  // "http://host:port", with an optional path that is put in front of every target. A URL that is
  // wrong shows at the first call.
  explicit HttpClient(std::string url, ClientOptions options = {});
  ~HttpClient();
  HttpClient(HttpClient&&) noexcept;
  HttpClient& operator=(HttpClient&&) noexcept;

  Expected<ClientResponse> request(Method method, std::string_view target,
                                   std::string_view body = {}, std::string_view content_type = {},
                                   const HeaderList& headers = {});
  Expected<ClientResponse> get(std::string_view target) { return request(Method::get, target); }
  Expected<ClientResponse> post(std::string_view target, std::string_view json) {
    return request(Method::post, target, json, kJson);
  }

  // Sends what `body` gives until its end; with `length` as Content-Length, else chunked. Memory
  // stays flat.
  Expected<ClientResponse> upload(Method method, std::string_view target, std::istream& body,
                                  std::optional<std::uint64_t> length,
                                  std::string_view content_type, const HeaderList& headers = {});

  // Hands the body of a 2xx answer to `sink` in pieces (false: stop, the connection is closed); the
  // ClientResponse's own body is then empty. The body of any other answer is kept.
  Expected<ClientResponse> download(std::string_view target,
                                    const std::function<bool(std::string_view)>& sink,
                                    const HeaderList& headers = {});

  // Reads a stream of server-sent events until on_event answers false or the server ends it (no
  // Error in both cases). Waits for events without a time limit of its own as long as heartbeats
  // come within io_timeout.
  Status events(std::string_view target, std::string_view last_event_id,
                const std::function<bool(const SseEvent&)>& on_event);

  const std::string& url() const;
  void close();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// The Error that an answer of this server describes; one made from the status where the body is
// something else.
Error error_from(const ClientResponse& response);

}  // namespace mlforge::http
