#include "gateway/http/client_connection.hpp"

#include <fmt/format.h>

namespace mlforge::http {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace beast_http = beast::http;
using asio::ip::tcp;

namespace {

constexpr std::size_t kLivePiece = 64 << 10;

Error bad_url(const std::string& url) {
  return {
      ErrorCode::invalid_argument,
      fmt::format("'{}' is not a server's URL. It must look like 'http://127.0.0.1:5000'.", url),
      "url"};
}

}  // namespace

std::string ClientUrl::authority() const {
  const auto name = host.find(':') == std::string::npos ? host : '[' + host + ']';
  return name + ':' + port;
}

Expected<ClientUrl> parse_client_url(const std::string& url) {
  constexpr std::string_view kScheme = "http://";
  if (!url.starts_with(kScheme)) return bad_url(url);
  auto rest = std::string_view(url).substr(kScheme.size());
  const auto slash = std::min(rest.find('/'), rest.size());
  ClientUrl out{{}, "80", std::string(rest.substr(slash))};
  while (out.prefix.ends_with('/')) out.prefix.pop_back();
  rest = rest.substr(0, slash);
  if (rest.starts_with('[')) {
    const auto end = rest.find(']');
    if (end == std::string_view::npos) return bad_url(url);
    out.host = rest.substr(1, end - 1);
    rest = rest.substr(end + 1);
  } else {
    out.host = rest.substr(0, rest.find(':'));
    rest = rest.substr(out.host.size());
  }
  if (!rest.empty()) out.port = rest.front() == ':' ? rest.substr(1) : std::string_view{};
  const bool digits = out.port.find_first_not_of("0123456789") == std::string::npos;
  if (out.host.empty() || out.port.empty() || !digits) return bad_url(url);
  return out;
}

ClientConnection::ClientConnection(std::string server_url, ClientOptions client_options)
    : options(std::move(client_options)),
      url(std::move(server_url)),
      target(parse_client_url(url)),
      stream_(context_) {}

template <class Start>
ClientConnection::error_code ClientConnection::wait(std::chrono::milliseconds limit,
                                                    const Start& start) {
  error_code result;
  stream_.expires_after(limit);
  start([&result](error_code ec, const auto&...) { result = ec; });
  context_.restart();
  context_.run();
  stream_.expires_never();
  return result;
}

Error ClientConnection::broken(error_code ec) const {
  if (ec == beast::error::timeout)
    return {ErrorCode::timeout,
            fmt::format("The server at {} did not answer within {:.1f} s.", url,
                        std::chrono::duration<double>(options.io_timeout).count()),
            {}};
  return {ErrorCode::unavailable,
          fmt::format("The connection to the server at {} broke: {}.", url, ec.message()),
          {}};
}

// A server may have closed an idle connection: better seen before a request is sent than after.
bool ClientConnection::still_good() {
  if (!connected_ || !stream_.socket().is_open() || buffer_.size()) return false;
  error_code ec;
  char byte = 0;
  stream_.socket().non_blocking(true, ec);
  stream_.socket().receive(asio::buffer(&byte, 1), asio::socket_base::message_peek, ec);
  return ec == asio::error::would_block;
}

Status ClientConnection::connect() {
  if (!target) return target.error();
  if (still_good()) return std::nullopt;
  close();
  error_code ec;
  tcp::resolver resolver(context_);
  const auto found = resolver.resolve(target->host, target->port, ec);
  if (ec)
    return Error{
        ErrorCode::unavailable,
        fmt::format("The name '{}' of the server cannot be found: {}.", target->host, ec.message()),
        "url"};
  ec = wait(options.connect_timeout, [&](auto done) { stream_.async_connect(found, done); });
  if (ec) {
    close();
    return Error{
        ErrorCode::unavailable,
        fmt::format("The server at {} does not answer ({}). Start it with 'mlforge serve', "
                    "or give the URL of one that runs.",
                    url, ec.message()),
        {}};
  }
  stream_.socket().set_option(tcp::no_delay(true), ec);
  connected_ = true;
  return std::nullopt;
}

void ClientConnection::close() {
  error_code ignored;
  stream_.socket().close(ignored);
  buffer_.clear();
  connected_ = false;
}

Status ClientConnection::write(std::string_view head, std::string_view body) {
  const std::array<asio::const_buffer, 2> both{asio::buffer(head.data(), head.size()),
                                               asio::buffer(body.data(), body.size())};
  const auto ec =
      wait(options.io_timeout, [&](auto done) { asio::async_write(stream_, both, done); });
  if (ec) return broken(ec);
  return std::nullopt;
}

Expected<ClientResponse> ClientConnection::read(bool without_body, const Sink& sink) {
  ClientResponse response;
  for (;;) {
    Parser parser;
    parser.body_limit(
        std::numeric_limits<std::uint64_t>::max());  // "none" refuses all in Beast 1.74
    parser.header_limit(64 << 10);
    parser.skip(without_body);
    const auto ec = wait(options.io_timeout, [&](auto done) {
      beast_http::async_read_header(stream_, buffer_, parser, done);
    });
    if (ec) {
      close();
      return broken(ec == beast_http::error::end_of_stream ? error_code(asio::error::eof) : ec);
    }
    response.status = parser.get().result_int();
    if (response.status == 100) continue;
    for (const auto& field : parser.get())
      response.headers.emplace_back(field.name_string(), field.value());
    if (auto error = read_body(parser, response, response.ok() ? sink : nullptr)) {
      close();
      return *error;
    }
    if (!parser.is_done() || !parser.keep_alive()) close();
    return response;
  }
}

Status ClientConnection::read_body(Parser& parser, ClientResponse& response, const Sink& sink) {
  std::vector<char> piece(kLivePiece);
  while (!parser.is_done()) {
    parser.get().body().data = piece.data();
    parser.get().body().size = piece.size();
    auto ec = wait(options.io_timeout,
                   [&](auto done) { beast_http::async_read_some(stream_, buffer_, parser, done); });
    if (ec == beast_http::error::need_buffer) ec = {};
    if (ec) return broken(ec);
    const std::string_view got(piece.data(), piece.size() - parser.get().body().size);
    if (got.empty()) continue;
    if (sink) {
      if (!sink(got)) return std::nullopt;
      continue;
    }
    if (response.body.size() + got.size() > options.max_response_bytes)
      return Error{ErrorCode::payload_too_large,
                   fmt::format("The answer is larger than {} bytes.", options.max_response_bytes),
                   {}};
    response.body += got;
  }
  return std::nullopt;
}

}  // namespace mlforge::http
