#include "actors/http_post.hpp"

#include <curl/curl.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <optional>

namespace mlforge::actors {
namespace {

using boost::asio::ip::address;

constexpr std::size_t kMaxAnswer = 64 << 10;
constexpr std::size_t kKeptAnswer = 300;

Error unreachable(const PostTarget& target, const std::string& why) {
  return {ErrorCode::unavailable, target.authority + " could not be reached: " + why, "url"};
}

std::optional<address> address_of(const sockaddr& from) {
  if (from.sa_family == AF_INET) {
    sockaddr_in v4{};
    std::memcpy(&v4, &from, sizeof v4);
    return boost::asio::ip::address_v4(ntohl(v4.sin_addr.s_addr));
  }
  if (from.sa_family != AF_INET6) return std::nullopt;
  sockaddr_in6 v6{};
  std::memcpy(&v6, &from, sizeof v6);
  boost::asio::ip::address_v6::bytes_type bytes{};
  std::memcpy(bytes.data(), &v6.sin6_addr, bytes.size());
  return boost::asio::ip::address_v6(bytes, v6.sin6_scope_id);
}

// A list that curl reads while the exchange is under way.
class Lines {
 public:
  ~Lines() { curl_slist_free_all(lines_); }
  void add(const std::string& line) { lines_ = curl_slist_append(lines_, line.c_str()); }
  curl_slist* get() const { return lines_; }

 private:
  curl_slist* lines_ = nullptr;
};

}  // namespace

// A multi handle with one transfer: it keeps the connection, and another thread can wake it.
class HttpPoster::Impl {
 public:
  Impl(std::shared_ptr<const UrlGuard> guard, std::string ca_file)
      : guard_(std::move(guard)), ca_file_(std::move(ca_file)) {
    curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, 1L);
  }
  ~Impl() {
    curl_easy_cleanup(easy_);
    curl_multi_cleanup(multi_);
  }

  void stop() {
    stopped_ = true;
    curl_multi_wakeup(multi_);
  }

  Expected<PostAnswer> post(const PostTarget& target, const Headers& headers,
                            const std::string& body, std::chrono::milliseconds timeout) {
    if (auto bad = guard_->check(target)) return *bad;
    curl_easy_reset(easy_);
    host_ = target.host;
    body_.clear();
    received_ = 0;
    answered_ = opened_ = refused_ = false;
    Lines lines;
    lines.add("Host: " + target.authority);
    for (const auto& [name, value] : headers)
      lines.add(value.empty() ? name + ";" : name + ": " + value);
    lines.add("Expect:");
    set_request(target, lines, body, timeout);
    set_ways();
    curl_multi_add_handle(multi_, easy_);
    const auto code = run();
    auto answer = outcome(target, code);
    curl_multi_remove_handle(multi_, easy_);
    return answer;
  }

 private:
  template <class Value>
  void set(CURLoption option, Value value) {
    curl_easy_setopt(easy_, option, value);
  }

  void set_request(const PostTarget& target, const Lines& lines, const std::string& body,
                   std::chrono::milliseconds timeout) {
    const auto url = (target.tls ? "https://" : "http://") + target.authority + target.path;
    set(CURLOPT_URL, url.c_str());
    set(CURLOPT_PATH_AS_IS, 1L);
    set(CURLOPT_HTTPHEADER, lines.get());
    set(CURLOPT_USERAGENT, "mlforge");
    set(CURLOPT_POST, 1L);
    set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
    set(CURLOPT_POSTFIELDS, body.c_str());
    set(CURLOPT_TIMEOUT_MS, static_cast<long>(std::max<std::int64_t>(timeout.count(), 1)));
    set(CURLOPT_WRITEFUNCTION, &take_body);
    set(CURLOPT_WRITEDATA, this);
    set(CURLOPT_HEADERFUNCTION, &take_header);
    set(CURLOPT_HEADERDATA, this);
  }

  // Neither the environment nor the receiver says where else to go.
  void set_ways() {
    set(CURLOPT_PROTOCOLS_STR, "http,https");
    set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
    set(CURLOPT_PROXY, "");
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_QUICK_EXIT, 1L);
    set(CURLOPT_DNS_CACHE_TIMEOUT, 0L);
    set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
    if (!ca_file_.empty()) {
      set(CURLOPT_CAINFO, ca_file_.c_str());
      set(CURLOPT_CAPATH, static_cast<char*>(nullptr));
    }
    set(CURLOPT_OPENSOCKETFUNCTION, &open_socket);
    set(CURLOPT_OPENSOCKETDATA, this);
    why_[0] = '\0';
    set(CURLOPT_ERRORBUFFER, why_);
  }

  // The address that is connected to is the one that the guard sees.
  static curl_socket_t open_socket(void* self, curlsocktype, curl_sockaddr* to) {
    auto& me = *static_cast<Impl*>(self);
    const auto where = address_of(to->addr);
    if (!where || !me.guard_->allows(me.host_, *where)) {
      me.refused_ = true;
      return CURL_SOCKET_BAD;
    }
    me.opened_ = true;
    return ::socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
  }

  static std::size_t take_header(char* line, std::size_t size, std::size_t count, void* self) {
    auto& me = *static_cast<Impl*>(self);
    if (std::string_view(line, size * count) == "\r\n") me.answered_ = me.status() >= 200;
    return size * count;
  }

  static std::size_t take_body(char* bytes, std::size_t size, std::size_t count, void* self) {
    auto& me = *static_cast<Impl*>(self);
    me.received_ += size * count;
    if (me.body_.size() < kKeptAnswer)
      me.body_.append(bytes, std::min(size * count, kKeptAnswer - me.body_.size()));
    return me.received_ > kMaxAnswer ? 0 : size * count;
  }

  long status() const {
    long out = 0;
    curl_easy_getinfo(easy_, CURLINFO_RESPONSE_CODE, &out);
    return out;
  }

  CURLcode run() {
    for (int running = 1; !stopped_;) {
      if (curl_multi_perform(multi_, &running) != CURLM_OK) return CURLE_FAILED_INIT;
      if (running == 0) break;
      curl_multi_poll(multi_, nullptr, 0, 1000, nullptr);
    }
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(multi_, &left))
      if (message->msg == CURLMSG_DONE) return message->data.result;
    return CURLE_ABORTED_BY_CALLBACK;
  }

  // What an answer says besides its head is for people: a body that is too long or slow changes
  // nothing.
  Expected<PostAnswer> outcome(const PostTarget& target, CURLcode code) {
    if (answered_) {
      curl_off_t seconds = 0;
      curl_easy_getinfo(easy_, CURLINFO_RETRY_AFTER, &seconds);
      return PostAnswer{
          .status = static_cast<int>(status()),
          .retry_after = std::chrono::seconds(std::clamp<curl_off_t>(seconds, 0, 86'400)),
          .body = body_};
    }
    if (stopped_) return Error{ErrorCode::unavailable, "the delivery was stopped", ""};
    if (code == CURLE_OPERATION_TIMEDOUT)
      return Error{ErrorCode::timeout, target.authority + " did not answer in time", "url"};
    if (refused_ && !opened_)
      return Error{
          ErrorCode::forbidden,
          target.host +
              " has no public address; the operator can allow it with webhook_allowed_hosts",
          "url"};
    const bool certificate =
        code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE;
    return unreachable(target, std::string(certificate ? "cannot verify its certificate: " : "") +
                                   (why_[0] ? why_ : curl_easy_strerror(code)));
  }

  const std::shared_ptr<const UrlGuard> guard_;
  const std::string ca_file_;
  CURLM* const multi_ = curl_multi_init();
  CURL* const easy_ = curl_easy_init();
  std::atomic<bool> stopped_ = false;
  char why_[CURL_ERROR_SIZE] = {};

  // Of the exchange under way.
  std::string host_, body_;
  std::size_t received_ = 0;
  bool answered_ = false;  // its head is complete
  bool opened_ = false;    // a socket to an allowed address
  bool refused_ = false;   // an address, by the guard
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
