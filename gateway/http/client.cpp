#include "gateway/http/client.hpp"

#include <fmt/format.h>
#include <simdjson.h>

#include <istream>

#include "gateway/http/client_connection.hpp"
#include "gateway/http/response_head.hpp"

namespace mlforge::http {
namespace {

constexpr std::size_t kPiece = 128 << 10;

ErrorCode code_named(std::string_view name, int status) {
  for (const auto& row : kErrorTable)
    if (row.name == name) return row.code;
  for (const auto& row : kErrorTable)
    if (row.http_status == status) return row.code;
  return status >= 500 ? ErrorCode::internal : ErrorCode::invalid_argument;
}

bool has_line_break(std::string_view text) { return text.find_first_of("\r\n") != text.npos; }

// Puts the lines of an event stream together (WHATWG HTML, 9.2.6).
class SseParser {
 public:
  explicit SseParser(const std::function<bool(const SseEvent&)>& on_event) : on_event_(on_event) {}

  bool feed(std::string_view bytes) {
    for (const char c : bytes) {
      if (c == '\n' && after_cr_) {
        after_cr_ = false;
        continue;
      }
      after_cr_ = c == '\r';
      if (c != '\n' && c != '\r') {
        line_ += c;
        continue;
      }
      if (!end_line()) return false;
      line_.clear();
    }
    return true;
  }

 private:
  bool end_line() {
    if (line_.empty()) return dispatch();
    const auto colon = line_.find(':');
    const auto name = std::string_view(line_).substr(0, colon);
    std::string_view value;
    if (colon != std::string::npos) value = std::string_view(line_).substr(colon + 1);
    if (value.starts_with(' ')) value.remove_prefix(1);
    if (name == "data") {
      if (has_data_) event_.data += '\n';
      event_.data += value;
      has_data_ = true;
    } else if (name == "id") {
      event_.id = value;
    } else if (name == "event") {
      event_.event = value;
    }
    return true;
  }

  bool dispatch() {
    const bool go_on = !has_data_ || on_event_(event_);
    event_.event = "message";
    event_.data.clear();
    has_data_ = false;
    return go_on;
  }

  const std::function<bool(const SseEvent&)>& on_event_;
  SseEvent event_;
  std::string line_;
  bool has_data_ = false, after_cr_ = false;
};

}  // namespace

class HttpClient::Impl {
 public:
  Impl(std::string url, ClientOptions options) : connection(std::move(url), std::move(options)) {}

  // The head of a request; `framing` is "Content-Length: ...\r\n" or the like.
  Expected<std::string> head(Method method, std::string_view target, std::string_view content_type,
                             const HeaderList& headers, std::string_view framing) const {
    if (!connection.target) return connection.target.error();
    std::string out(to_string(method));
    out += ' ';
    out += connection.target->prefix;
    out += target.starts_with('/') ? "" : "/";
    out += target;
    out += " HTTP/1.1";
    bool clean = target.find(' ') == std::string_view::npos;
    const auto line = [&](std::string_view name, std::string_view value) {
      clean &= !has_line_break(name) && !has_line_break(value);
      out += fmt::format("\r\n{}: {}", name, value);
    };
    clean &= !has_line_break(target);
    line("Host", connection.target->authority());
    line("User-Agent", "mlforge");
    if (!content_type.empty()) line("Content-Type", content_type);
    for (const auto* list : {&connection.options.headers, &headers})
      for (const auto& [name, value] : *list) line(name, value);
    if (!clean)
      return Error{
          ErrorCode::invalid_argument,
          "A request target has no spaces, and neither target nor headers have line breaks.",
          "target"};
    out += "\r\n";
    out += framing;
    out += "\r\n";
    return out;
  }

  Expected<ClientResponse> exchange(Method method, std::string_view target, std::string_view body,
                                    std::string_view content_type, const HeaderList& headers,
                                    const ClientConnection::Sink& sink) {
    const bool bodyless = body.empty() && (method == Method::get || method == Method::head);
    const auto start = head(method, target, content_type, headers,
                            bodyless ? "" : fmt::format("Content-Length: {}\r\n", body.size()));
    if (!start) return start.error();
    if (auto error = connection.connect()) return *error;
    const auto write_error = connection.write(*start, body);
    // A server that refuses a body answers before it has read it: the answer says more than the
    // broken pipe.
    auto response = connection.read(method == Method::head, sink);
    if (write_error && !response) return *write_error;
    return response;
  }

  ClientConnection connection;
};

HttpClient::HttpClient(std::string url, ClientOptions options)
    : impl_(std::make_unique<Impl>(std::move(url), std::move(options))) {}
HttpClient::~HttpClient() = default;
HttpClient::HttpClient(HttpClient&&) noexcept = default;
HttpClient& HttpClient::operator=(HttpClient&&) noexcept = default;

const std::string& HttpClient::url() const { return impl_->connection.url; }
void HttpClient::close() { impl_->connection.close(); }

std::string_view ClientResponse::header(std::string_view name) const {
  for (const auto& [key, value] : headers)
    if (boost::beast::iequals(key, {name.data(), name.size()})) return value;
  return {};
}

Expected<ClientResponse> HttpClient::request(Method method, std::string_view target,
                                             std::string_view body, std::string_view content_type,
                                             const HeaderList& headers) {
  return impl_->exchange(method, target, body, content_type, headers, nullptr);
}

Expected<ClientResponse> HttpClient::download(std::string_view target,
                                              const std::function<bool(std::string_view)>& sink,
                                              const HeaderList& headers) {
  return impl_->exchange(Method::get, target, {}, {}, headers, sink);
}

Expected<ClientResponse> HttpClient::upload(Method method, std::string_view target,
                                            std::istream& body, std::optional<std::uint64_t> length,
                                            std::string_view content_type,
                                            const HeaderList& headers) {
  auto& connection = impl_->connection;
  const auto framing = length ? fmt::format("Content-Length: {}\r\n", *length)
                              : std::string("Transfer-Encoding: chunked\r\n");
  const auto start = impl_->head(method, target, content_type, headers, framing);
  if (!start) return start.error();
  if (auto error = connection.connect()) return *error;
  auto failed = connection.write(*start, {});
  std::vector<char> piece(kPiece);
  std::uint64_t sent = 0;
  while (!failed) {
    body.read(piece.data(), static_cast<std::streamsize>(piece.size()));
    const std::string_view got(piece.data(), static_cast<std::size_t>(body.gcount()));
    if (got.empty()) break;
    sent += got.size();
    if (length && sent > *length) break;
    if (length) {
      failed = connection.write(got, {});
    } else {
      std::string chunk;
      append_chunk(chunk, got);
      failed = connection.write(chunk, {});
    }
  }
  if (!failed && ((length && sent != *length) || body.bad())) {
    connection.close();
    return Error{ErrorCode::invalid_argument,
                 fmt::format("The file gave {} bytes where {} were expected; it must not change "
                             "while it is sent.",
                             sent, length.value_or(0)),
                 "body"};
  }
  if (!failed && !length) failed = connection.write("0\r\n\r\n", {});
  auto response = connection.read(false, nullptr);
  if (failed && !response) return *failed;
  return response;
}

Status HttpClient::events(std::string_view target, std::string_view last_event_id,
                          const std::function<bool(const SseEvent&)>& on_event) {
  HeaderList headers{{"Accept", "text/event-stream"}};
  if (!last_event_id.empty()) headers.emplace_back("Last-Event-ID", last_event_id);
  SseParser parser(on_event);
  const auto response = download(
      target, [&](std::string_view bytes) { return parser.feed(bytes); }, headers);
  close();
  if (!response) return response.error();
  if (!response->ok()) return error_from(*response);
  return std::nullopt;
}

Error error_from(const ClientResponse& response) {
  Error error{
      code_named({}, response.status),
      fmt::format("The server answered {} {}.", response.status, reason_phrase(response.status)),
      {}};
  simdjson::dom::parser parser;
  const simdjson::padded_string text(response.body);
  const auto body = parser.parse(text)["error"];
  std::string_view code, message, field;
  if (body["code"].get(code) || body["message"].get(message)) return error;
  error.code = code_named(code, response.status);
  error.message = message;
  if (!body["field"].get(field)) error.field = field;
  return error;
}

}  // namespace mlforge::http
