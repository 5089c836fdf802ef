#include "gateway/cli/api.hpp"

#include <ostream>

namespace mlforge::gateway::cli {
namespace {

std::string escape_but(std::string_view text, std::string_view kept) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out;
  for (const unsigned char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       kept.find(static_cast<char>(c)) != std::string_view::npos;
    if (plain)
      out += static_cast<char>(c);
    else
      out.append({'%', kHex[c >> 4], kHex[c & 15]});
  }
  return out;
}

http::ClientOptions options_for(const std::string& actor) {
  http::ClientOptions options;
  options.headers.emplace_back("X-Mlforge-Actor", actor);
  return options;
}

struct ErrorId {
  std::string correlation_id;
  static constexpr auto fields() {
    return FieldList{field("correlation_id", &ErrorId::correlation_id)};
  }
};
struct ErrorAnswer {
  ErrorId error;
  static constexpr auto fields() { return FieldList{field("error", &ErrorAnswer::error)}; }
};

thread_local std::string last_message, last_correlation_id;

}  // namespace

std::string correlation_id_of(const Error& error) {
  return error.message == last_message ? last_correlation_id : std::string();
}

Error error_of(const http::ClientResponse& response) {
  const auto answer = from_json<ErrorAnswer>(response.body, Unknown::skip);
  last_correlation_id = answer ? answer->error.correlation_id : std::string();
  auto error = http::error_from(response);
  last_message = error.message;
  return error;
}

std::string escape(std::string_view text) { return escape_but(text, "-._~"); }
std::string escape_path(std::string_view text) { return escape_but(text, "-._~/"); }

Query& Query::add(std::string_view name, std::string_view value) {
  if (value.empty()) return *this;
  text_ += text_.empty() ? '?' : '&';
  text_.append(name).append("=").append(escape(value));
  return *this;
}

Api::Api(std::string url, const std::string& actor) : client_(std::move(url), options_for(actor)) {}

Expected<std::string> Api::get(const std::string& target) { return body_of(client_.get(target)); }

Expected<std::string> Api::send(http::Method method, const std::string& target,
                                std::string_view body, std::string_view content_type) {
  return body_of(client_.request(method, target, body, content_type));
}

Expected<std::string> Api::upload(const std::string& target, std::istream& body,
                                  std::uint64_t bytes) {
  return body_of(
      client_.upload(http::Method::put, target, body, bytes, "application/octet-stream"));
}

Status Api::download(const std::string& target, std::ostream& out) {
  auto response = client_.download(target, [&](std::string_view piece) {
    out.write(piece.data(), static_cast<std::streamsize>(piece.size()));
    return out.good();
  });
  if (!out)
    return Error{ErrorCode::internal, "what came cannot be written: is the disk full?", "output"};
  auto body = body_of(std::move(response));
  return body ? Status() : Status(body.error());
}

Expected<http::ClientResponse> Api::request(http::Method method, const std::string& target,
                                            std::string_view body, std::string_view content_type) {
  return client_.request(method, target, body, content_type);
}

Expected<std::string> Api::body_of(Expected<http::ClientResponse> response) const {
  last_correlation_id.clear();
  if (!response) return response.error();
  if (!response->ok()) return error_of(*response);
  return std::move(response->body);
}

}  // namespace mlforge::gateway::cli
