// <utility> stands before Asio 1.74, which needs it.
#include <utility>

#include "actors/http_post.hpp"

#include <boost/asio.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>
#include <charconv>
#include <optional>

namespace mlforge::actors {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace beast_http = beast::http;
namespace ssl = asio::ssl;
using asio::ip::tcp;
using boost::system::error_code;
using Steady = std::chrono::steady_clock;

namespace {

constexpr std::size_t kMaxAnswer = 64 << 10;
constexpr std::size_t kKeptAnswer = 300;

Error unreachable(const PostTarget& target, const std::string& why) {
  return {ErrorCode::unavailable, target.authority + " could not be reached: " + why, "url"};
}

beast::string_view view(std::string_view text) { return {text.data(), text.size()}; }

}  // namespace

class HttpPoster::Impl {
 public:
  using Request = beast_http::request<beast_http::string_body>;

  Impl(std::shared_ptr<const UrlGuard> guard, const std::string& ca_file)
      : guard_(std::move(guard)), tls_context_(ssl::context::tls_client) {
    error_code bad;
    tls_context_.set_verify_mode(ssl::verify_peer);
    if (ca_file.empty())
      tls_context_.set_default_verify_paths(bad);
    else
      tls_context_.load_verify_file(ca_file, bad);
    if (bad) tls_problem_ = "its certificate cannot be checked: " + bad.message();
    SSL_CTX_set_min_proto_version(tls_context_.native_handle(), TLS1_2_VERSION);
  }

  void stop() {
    stopped_ = true;
    context_.stop();
  }

  Expected<PostAnswer> post(const PostTarget& target, const Headers& headers,
                            const std::string& body, std::chrono::milliseconds timeout) {
    until_ = Steady::now() + timeout;
    Request request(beast_http::verb::post, view(target.path), 11);
    request.set(beast_http::field::host, view(target.authority));
    request.set(beast_http::field::user_agent, "mlforge");
    for (const auto& [name, value] : headers) request.set(view(name), view(value));
    request.body() = body;
    request.prepare_payload();
    // A receiver may have closed a connection that was kept: then once more on a new one.
    const bool kept = stream_ && target == target_;
    if (!kept) close();
    for (bool second = !kept;; second = true) {
      if (!stream_)
        if (auto bad = connect(target)) return *bad;
      auto answer = exchange(target, request);
      if (answer || second || answer.error().code != ErrorCode::unavailable || stopped_)
        return answer;
    }
  }

 private:
  // Runs one operation to its end, or until the exchange's deadline.
  template <class Start>
  error_code wait(const Start& start) {
    result_ = asio::error::operation_aborted;
    if (stopped_) return result_;
    beast::get_lowest_layer(*stream_).expires_at(until_);
    start([this](error_code ec, const auto&...) { result_ = ec; });
    context_.restart();
    if (stopped_) return asio::error::operation_aborted;
    context_.run();
    return result_;
  }

  Error failed(const PostTarget& target, error_code ec) {
    close();
    if (stopped_) return {ErrorCode::unavailable, "the delivery was stopped", ""};
    if (ec == beast::error::timeout)
      return {ErrorCode::timeout, target.authority + " did not answer in time", "url"};
    return unreachable(target, ec.message());
  }

  Expected<std::vector<tcp::endpoint>> look_up(const PostTarget& target) {
    error_code bad;
    tcp::resolver resolver(context_);
    const auto found = resolver.resolve(target.host, target.port, bad);
    if (bad) return unreachable(target, bad.message());
    std::vector<tcp::endpoint> allowed;
    for (const auto& each : found)
      if (guard_->allows(target.host, each.endpoint().address()))
        allowed.push_back(each.endpoint());
    if (!allowed.empty()) return allowed;
    return Error{ErrorCode::forbidden,
                 target.host +
                     " has no public address; the operator can allow it with webhook_allowed_hosts",
                 "url"};
  }

  Status connect(const PostTarget& target) {
    if (auto bad = guard_->check(target)) return bad;
    if (target.tls && !tls_problem_.empty()) return unreachable(target, tls_problem_);
    const auto endpoints = look_up(target);
    if (!endpoints) return endpoints.error();
    stream_.emplace(beast::tcp_stream(context_), tls_context_);
    target_ = target;
    auto& socket = beast::get_lowest_layer(*stream_);
    // The list is kept: the operation that is under way reads it.
    endpoints_ = *endpoints;
    auto ec = wait([&](auto done) { socket.async_connect(endpoints_, done); });
    if (ec) return failed(target, ec);
    socket.socket().set_option(tcp::no_delay(true), ec);
    if (!target.tls) return {};
    error_code not_address;
    asio::ip::make_address(target.host, not_address);
    if (not_address) SSL_set_tlsext_host_name(stream_->native_handle(), target.host.c_str());
    stream_->set_verify_callback(ssl::host_name_verification(target.host), ec);
    ec = wait([&](auto done) { stream_->async_handshake(ssl::stream_base::client, done); });
    if (ec) return failed(target, ec);
    return {};
  }

  Expected<PostAnswer> exchange(const PostTarget& target, Request& request) {
    if (target.tls) return exchange_over(*stream_, target, request);
    return exchange_over(stream_->next_layer(), target, request);
  }

  template <class Stream>
  Expected<PostAnswer> exchange_over(Stream& stream, const PostTarget& target, Request& request) {
    auto ec = wait([&](auto done) { beast_http::async_write(stream, request, done); });
    if (ec) return failed(target, ec);
    beast_http::response_parser<beast_http::string_body> parser;
    parser.body_limit(kMaxAnswer);
    parser.header_limit(16 << 10);
    ec = wait([&](auto done) { beast_http::async_read_header(stream, buffer_, parser, done); });
    if (ec) return failed(target, ec);
    PostAnswer answer{.status = static_cast<int>(parser.get().result_int())};
    const auto after = parser.get()[beast_http::field::retry_after];
    long seconds = 0;
    std::from_chars(after.data(), after.data() + after.size(), seconds);
    answer.retry_after = std::chrono::seconds(std::clamp(seconds, 0L, 86'400L));
    // What it says besides is for people; a body that is too long or slow changes nothing.
    ec = wait([&](auto done) { beast_http::async_read(stream, buffer_, parser, done); });
    answer.body = parser.get().body().substr(0, kKeptAnswer);
    if (ec || !parser.is_done() || !parser.keep_alive()) close();
    return answer;
  }

  void close() {
    if (stream_) {
      error_code ignored;
      beast::get_lowest_layer(*stream_).socket().close(ignored);
    }
    stream_.reset();
    buffer_.clear();
  }

  std::shared_ptr<const UrlGuard> guard_;
  asio::io_context context_;
  ssl::context tls_context_;
  std::string tls_problem_;
  std::optional<beast::ssl_stream<beast::tcp_stream>> stream_;  // without TLS its lower layer
  beast::flat_buffer buffer_;
  PostTarget target_;  // of the connection
  std::vector<tcp::endpoint> endpoints_;
  Steady::time_point until_;
  error_code result_;
  std::atomic<bool> stopped_ = false;
};

HttpPoster::HttpPoster(std::shared_ptr<const UrlGuard> guard, const std::string& ca_file)
    : impl_(std::make_unique<Impl>(std::move(guard), ca_file)) {}
HttpPoster::~HttpPoster() = default;

Expected<PostAnswer> HttpPoster::post(const PostTarget& target, const Headers& headers,
                                      const std::string& body, std::chrono::milliseconds timeout) {
  return impl_->post(target, headers, body, timeout);
}

void HttpPoster::stop() { impl_->stop(); }

}  // namespace mlforge::actors
