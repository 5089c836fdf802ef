// Questions to a server: an answer that is not a success becomes its Error.
#pragma once
#include <functional>
#include <iosfwd>
#include <string>
#include <string_view>

#include "events/codec.hpp"
#include "gateway/http/client.hpp"

namespace mlforge::gateway::cli {

// A piece of a path or a value of a query, percent-encoded.
std::string escape(std::string_view text);
// The same, but slashes stay.
std::string escape_path(std::string_view text);

// "?a=1&b=2" of those that are not empty.
class Query {
 public:
  Query& add(std::string_view name, std::string_view value);
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

// An answer as it came, and what it says.
template <class T>
struct Answer {
  std::string json;
  T value;
};

// The correlation id that the server gave with this error, where it is the last answer of a server
// in this thread; else empty.
std::string correlation_id_of(const Error& error);
// The Error that such an answer says.
Error error_of(const http::ClientResponse& response);

class Api {
 public:
  Api(std::string url, const std::string& actor);

  const std::string& url() const { return client_.url(); }
  http::HttpClient& client() { return client_; }

  // The body of a 2xx answer. not_found, conflict, ... as the server says; unavailable names the
  // URL.
  Expected<std::string> get(const std::string& target);
  Expected<std::string> send(http::Method method, const std::string& target, std::string_view body,
                             std::string_view content_type = http::kJson);
  Expected<std::string> post(const std::string& target, std::string_view json) {
    return send(http::Method::post, target, json);
  }
  Expected<std::string> upload(const std::string& target, std::istream& body, std::uint64_t bytes);
  Status download(const std::string& target, std::ostream& out);
  // Whatever the status is.
  Expected<http::ClientResponse> request(http::Method method, const std::string& target,
                                         std::string_view body, std::string_view content_type);

  // The same, decoded; fields that we do not know are skipped.
  template <class T>
  Expected<Answer<T>> get_as(const std::string& target) {
    return decode<T>(get(target));
  }
  template <class T>
  Expected<Answer<T>> post_as(const std::string& target, std::string_view json) {
    return decode<T>(post(target, json));
  }

 private:
  template <class T>
  static Expected<Answer<T>> decode(Expected<std::string> body) {
    if (!body) return body.error();
    auto value = from_json<T>(*body, Unknown::skip);
    if (!value)
      return Error{ErrorCode::internal,
                   "the server's answer is not understood: " + value.error().message, ""};
    return Answer<T>{*std::move(body), *std::move(value)};
  }
  Expected<std::string> body_of(Expected<http::ClientResponse> response) const;

  http::HttpClient client_;
};

}  // namespace mlforge::gateway::cli
