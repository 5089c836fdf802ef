// A request as a handler sees it, and the answer it gives.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "events/envelope.hpp"
#include "events/error.hpp"

namespace mlforge::http {

enum class Method : std::uint8_t { get, head, post, put, patch, delete_, options, other };
std::string_view to_string(Method method);  // "GET"; "OTHER" for a method that is not served

struct Field {
  std::string_view name;
  std::string_view value;
};

// All views point into memory of the connection. They live until the request's Reply is sent or
// dropped, or, where the handler makes the Reply a stream, until the handler returns. Until then
// any thread may read.
struct Request {
  Method method = Method::get;
  std::string_view target;          // as sent: path and query
  std::string_view path;            // as sent, still percent-encoded
  std::string_view body;            // whole; empty for an Upload
  std::string_view content_type;    // with its parameters
  std::string_view correlation_id;  // a UUID: the client's, made from the client's text, or drawn
  std::string_view remote;          // address of the peer, "127.0.0.1"
  std::string_view pattern;         // of the route that matched, "/api/v1/runs/{run_id}"
  std::vector<Field> headers;       // in order of arrival
  std::vector<Field> query_params;  // percent-decoded, in order
  std::vector<Field> path_params;   // percent-decoded, in order

  std::string_view header(std::string_view name) const;                // no case; empty when absent
  std::optional<std::string_view> query(std::string_view name) const;  // the first of that name
  std::string_view param(std::string_view name) const;  // path parameter; empty when absent

  // The correlation id for an event: the id itself where it is a UUID, else a UUID (version 8) made
  // from its text, the same one each time.
  Uuid correlation() const;
};

inline constexpr std::string_view kJson = "application/json";

struct Response {
  int status = 200;
  std::string content_type;  // empty: application/json where there is a body
  std::string body;
  std::vector<std::pair<std::string, std::string>>
      headers;  // extra; CR and LF in values become spaces

  static Response json(std::string body, int status = 200) {
    return {status, {}, std::move(body), {}};
  }
  static Response text(std::string body, int status = 200) {
    return {status, "text/plain; charset=utf-8", std::move(body), {}};
  }
};

// The one JSON shape of every error that this server answers:
// {"error":{"code":"...","message":"...","field":"...","correlation_id":"..."}}; "field" only where
// there is one.
Response error_response(const Error& error, std::string_view correlation_id);

// The text of a query or path piece without its percent escapes ('+' is a space where `plus`);
// nothing when an escape is broken.
std::optional<std::string> percent_decode(std::string_view text, bool plus = false);

// A correlation id is kept from the client when it has 1 to 64 letters, digits, '-', '_', '.', ':'.
bool is_safe_token(std::string_view text);

}  // namespace mlforge::http
