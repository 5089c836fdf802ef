// From bytes to a handler: head, checks, route, body.
#include "gateway/http/connection.hpp"
#include "gateway/http/guard.hpp"
#include "gateway/http/logging.hpp"

namespace mlforge::http {
namespace {

namespace beast_http = beast::http;

constexpr std::size_t kFirstCharge = 64 << 10;

Error malformed(std::string message) { return {ErrorCode::malformed, std::move(message), {}}; }

// "//a///b?c//d" as "/a/b?c//d".
std::string merged_slashes(std::string_view target) {
  const auto end = std::min(target.find('?'), target.size());
  std::string out;
  for (std::size_t i = 0; i < end; ++i)
    if (target[i] != '/' || out.empty() || out.back() != '/') out += target[i];
  return out.append(target.substr(end));
}

}  // namespace

Connection::Step Connection::step_head() {
  while (scanned_ == 0 && !in_.empty() && (*in_.data() == '\r' || *in_.data() == '\n'))
    in_.consume(1);
  if (in_.empty()) {
    in_.shrink();
    return Step::input;
  }
  // Anything that cannot begin a method, such as a TLS hello, need not be waited for.
  if (*in_.data() < 'A' || *in_.data() > 'z') {
    forget_request();
    return fail(Rejection::malformed,
                malformed("This is not an HTTP request. The server speaks plain HTTP/1.1 here."));
  }
  const auto text = in_.view();
  const auto end = text.find("\r\n\r\n", scanned_ > 3 ? scanned_ - 3 : 0);
  const bool complete = end != std::string_view::npos;
  if ((complete ? end + 4 : text.size()) > core_->options.max_header_bytes) {
    forget_request();
    return fail(Rejection::headers_too_large,
                {ErrorCode::headers_too_large,
                 "The head of the request is larger than " +
                     std::to_string(core_->options.max_header_bytes) + " bytes.",
                 {}});
  }
  if (complete) return begin(end + 4);
  scanned_ = text.size();
  if (!head_begun_) {
    head_begun_ = true;
    set_deadline(core_->options.idle_timeout);
  }
  return Step::input;
}

Connection::Step Connection::begin(std::size_t head_bytes) {
  forget_request();
  if (!parse(head_bytes) || !check_framing() || !decode_target() || !check_guards() ||
      !match_route())
    return Step::again;  // each has answered why
  return plan_body();
}

void Connection::forget_request() {
  started_ = std::chrono::steady_clock::now();
  scanned_ = 0;
  head_begun_ = false;
  head_only_ = http10_ = chunked_ = false;
  body_size_ = 0;
  route_index_ = HttpMetrics::kUnmatched;
  match_ = {};
  allowed_origin_ = {};
  request_.headers.clear();
  request_.query_params.clear();
  request_.path_params.clear();
  request_.target = request_.path = request_.body = request_.content_type = request_.pattern = {};
  decoded_.clear();
  core_->draw_id(correlation_id_);
  request_.correlation_id = correlation_id_;
}

bool Connection::parse(std::size_t head_bytes) {
  head_.assign(in_.data(), head_bytes);
  in_.consume(head_bytes);
  parser_.emplace(request_);
  const auto ec = parser_->parse_head(head_);
  if (ec == beast_http::error::header_limit) {
    fail(Rejection::headers_too_large,
         {ErrorCode::headers_too_large,
          "The request has more than " + std::to_string(HeadParser::kMaxFields) + " headers.",
          {}});
    return false;
  }
  if (ec) {
    fail(Rejection::malformed,
         malformed("The head of the request is not valid HTTP/1.1: " + ec.message() + "."));
    return false;
  }
  head_only_ = request_.method == Method::head;
  http10_ = parser_->version() == 10;
  keep_alive_ = parser_->keep_alive();
  chunked_ = parser_->chunked();
  choose_correlation();
  return true;
}

void Connection::choose_correlation() {
  for (const auto sent : {parser_->special().correlation_id, parser_->special().request_id}) {
    if (!is_safe_token(sent)) continue;
    request_.correlation_id = sent;
    correlation_id_ = to_string(request_.correlation());  // what the events will carry
    break;
  }
  request_.correlation_id = correlation_id_;
}

// What two parties could read differently is refused (RFC 9112, 11.2: request smuggling).
bool Connection::check_framing() {
  const auto& special = parser_->special();
  const char* problem = nullptr;
  if (special.hosts > 1 || (special.hosts == 0 && !http10_))
    problem = "A request has exactly one Host header.";
  else if (!special.transfer_encoding.empty() &&
           (http10_ || !same_ignoring_case(special.transfer_encoding, "chunked")))
    problem = "The only Transfer-Encoding that is understood is 'chunked', in HTTP/1.1.";
  if (problem) {
    fail(Rejection::malformed, malformed(problem));
    return false;
  }
  if (special.expect.empty() || same_ignoring_case(special.expect, "100-continue")) return true;
  fail(Rejection::malformed,
       {ErrorCode::expectation_failed,
        "The only Expect header that is understood is '100-continue'.", "Expect"});
  return false;
}

// What load balancers ask under any name; the answer is the same for everybody.
static bool says_nothing(std::string_view target) {
  return target == "/health" || target == "/version";
}

bool Connection::check_guards() {
  auto host = parser_->special().host;
  if (const auto scheme = request_.target.find("://");
      request_.target.front() != '/' && scheme != std::string_view::npos) {
    const auto authority = request_.target.substr(scheme + 3);
    host = authority.substr(0, authority.find_first_of("/?"));
  }
  if (host != last_host_) {
    if (!host.empty() && !core_->guard.host_allowed(host) && !says_nothing(request_.target)) {
      fail(Rejection::host,
           {ErrorCode::forbidden,
            "Invalid Host header - possible DNS rebinding attack detected: the Host '" +
                std::string(host) +
                "' is not served. Use the server's address, or allow this name when "
                "starting it.",
            "Host"});
      return false;
    }
    if (!says_nothing(request_.target)) last_host_.assign(host);
  }
  const auto origin = parser_->special().origin;
  if (origin.empty()) return true;
  switch (core_->guard.origin(origin, host)) {
    case Guard::Origin::own:
      return true;
    case Guard::Origin::listed:
      allowed_origin_ = origin;
      return true;
    case Guard::Origin::refused:
      break;
  }
  fail(Rejection::origin,
       {ErrorCode::forbidden,
        "Cross-origin request blocked: pages of the origin '" + std::string(origin) +
            "' may not use this server. Allow the origin when starting it.",
        "Origin"});
  return false;
}

bool Connection::decode(std::string_view& text, bool plus) {
  if (text.find_first_of(plus ? "%+" : "%") == std::string_view::npos) return true;
  auto plain = percent_decode(text, plus);
  if (!plain || plain->find('\0') != std::string::npos) {
    fail(Rejection::malformed,
         {ErrorCode::malformed, "The URL has a percent escape that is broken or stands for NUL.",
          "target"});
    return false;
  }
  text = decoded_.emplace_back(std::move(*plain));
  return true;
}

bool Connection::decode_query(std::string_view query) {
  while (!query.empty()) {
    const auto pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(pair.size() + 1, query.size()));
    if (pair.empty()) continue;
    const auto equals = pair.find('=');
    Field field{pair.substr(0, equals), {}};
    if (equals != std::string_view::npos) field.value = pair.substr(equals + 1);
    if (!decode(field.name, true) || !decode(field.value, true)) return false;
    request_.query_params.push_back(field);
  }
  return true;
}

bool Connection::decode_target() {
  auto rest = request_.target;
  if (const auto scheme = rest.find("://");
      rest.front() != '/' && scheme != std::string_view::npos) {
    const auto slash = rest.find('/', scheme + 3);  // absolute form, as proxies send it
    rest = slash == std::string_view::npos ? "/" : rest.substr(slash);
  }
  request_.path = rest.substr(0, rest.find('?'));
  const bool asterisk = request_.path == "*" && request_.method == Method::options;
  if (!asterisk && (request_.path.empty() || request_.path.front() != '/')) {
    fail(Rejection::malformed,
         malformed("The request target must be a path that begins with '/'."));
    return false;
  }
  return rest.size() == request_.path.size() || decode_query(rest.substr(request_.path.size() + 1));
}

bool Connection::match_route() {
  match_ = core_->router.match(request_.method, request_.path, request_.path_params);
  if (!match_.route) return true;
  route_index_ = match_.index;
  request_.pattern = match_.route->pattern;
  for (auto& param : request_.path_params)
    if (!decode(param.value, false)) return false;
  return true;
}

std::size_t Connection::body_limit() const {
  const auto own = match_.route ? match_.route->info.max_body : 0;
  return own ? own : core_->options.max_body_bytes;
}

void Connection::allow_continue() {
  if (!parser_->special().expect.empty() && in_.size() < std::max<std::uint64_t>(body_size_, 1))
    out_ += "HTTP/1.1 100 Continue\r\n\r\n";
}

Connection::Step Connection::plan_body() {
  body_size_ = chunked_ ? 0 : parser_->content_length().value_or(0);
  if (body_size_ == 0 && !chunked_ &&
      !(match_.route && std::holds_alternative<UploadHandler>(match_.route->handler)))
    return dispatch();
  if (body_size_ > body_limit())
    return fail(Rejection::body_too_large,
                {ErrorCode::payload_too_large,
                 "The body has " + std::to_string(body_size_) + " bytes; this path takes at most " +
                     std::to_string(body_limit()) + ".",
                 {}});
  body_started_ = started_;
  body_received_ = in_.size();
  if (match_.route)
    if (const auto* upload = std::get_if<UploadHandler>(&match_.route->handler))
      return begin_upload(*upload);
  if (!grow_charge(static_cast<std::size_t>(std::min<std::uint64_t>(body_size_, kFirstCharge))))
    return refuse_for_memory();
  allow_continue();
  state_ = State::body;
  return Step::again;
}

bool Connection::grow_charge(std::size_t bytes) {
  if (bytes <= charged_) return true;
  if (!core_->charge(bytes - charged_)) return false;
  charged_ = bytes;
  return true;
}

Connection::Step Connection::refuse_for_memory() {
  const Error full{ErrorCode::too_many_requests,
                   "The server holds as many request bodies as it may. Try again shortly.",
                   {}};
  if (chunked_ || in_.size() < body_size_) return fail(Rejection::pending_bytes, full);
  core_->metrics.reject(Rejection::pending_bytes);
  body_in_buffer_ = static_cast<std::size_t>(body_size_);
  open_request_ = true;
  state_ = State::handling;
  finish(error_response(full, correlation_id_));
  return Step::again;
}

Connection::Step Connection::step_body() {
  if (in_.size() >= body_size_) return dispatch();
  // Room and charge follow what has come, so that a claim of a large body holds no memory.
  if (in_.size() >= charged_ &&
      !grow_charge(static_cast<std::size_t>(std::min<std::uint64_t>(body_size_, 2 * in_.size()))))
    return refuse_for_memory();
  in_.reserve(charged_);
  return Step::input;
}

Connection::Step Connection::step_chunked_body() {
  if (in_.empty()) return Step::input;
  error_code ec;
  in_.consume(parser_->put_chunked(in_.view(), body_, body_limit(), ec));
  if (ec == beast_http::error::body_limit)
    return fail(Rejection::body_too_large,
                {ErrorCode::payload_too_large,
                 "The body is larger than the " + std::to_string(body_limit()) +
                     " bytes that this path takes.",
                 {}});
  const bool stuck =
      ec == beast_http::error::need_more && in_.size() > core_->options.max_header_bytes;
  if ((ec && ec != beast_http::error::need_more) || stuck)
    return fail(Rejection::malformed, malformed("The body's chunked encoding is broken."));
  if (!grow_charge(body_.size())) return refuse_for_memory();
  return parser_->is_done() ? dispatch() : Step::input;
}

Connection::Step Connection::dispatch() {
  request_.body = chunked_ ? std::string_view(body_)
                           : std::string_view(in_.data(), static_cast<std::size_t>(body_size_));
  body_in_buffer_ = chunked_ ? 0 : static_cast<std::size_t>(body_size_);
  state_ = State::handling;
  open_request_ = true;
  if (match_.route) {
    if (const auto* handler = std::get_if<Handler>(&match_.route->handler))
      call_handler(*handler);
    else
      return upgrade();
    return Step::again;
  }
  if (request_.method == Method::options && (!match_.allow.empty() || request_.path == "*"))
    return answer_options();
  const bool known = !match_.allow.empty();
  if (const auto plain = merged_slashes(request_.target);
      !known && plain.starts_with('/') && plain != request_.target) {
    Response elsewhere{308, {}, {}, {}};
    elsewhere.headers.emplace_back("Location", plain);
    finish(std::move(elsewhere));
    return Step::again;
  }
  auto response = error_response(
      known ? Error{ErrorCode::method_not_allowed,
                    "This path does not take this method; it takes " + match_.allow + ".", "method"}
            : Error{ErrorCode::not_found,
                    "There is nothing at the path '" + std::string(request_.path) + "'.", "path"},
      correlation_id_);
  if (known) response.headers.emplace_back("Allow", match_.allow);
  finish(std::move(response));
  return Step::again;
}

Connection::Step Connection::answer_options() {
  Response response{204, {}, {}, {}};
  response.headers.emplace_back("Allow",
                                match_.allow.empty() ? "GET, HEAD, OPTIONS" : match_.allow);
  if (!allowed_origin_.empty()) {
    response.headers.emplace_back("Access-Control-Allow-Methods", match_.allow);
    const auto wanted = request_.header("Access-Control-Request-Headers");
    if (!wanted.empty()) response.headers.emplace_back("Access-Control-Allow-Headers", wanted);
    response.headers.emplace_back("Access-Control-Max-Age", "600");
  }
  finish(std::move(response));
  return Step::again;
}

void Connection::call_handler(const Handler& handler) {
  try {
    handler(request_, Reply(this));
  } catch (const std::exception& failure) {  // the Reply, unwound, has answered 500
    logging::error("handler of {} failed: {} (correlation {})", request_.pattern, failure.what(),
                   correlation_id_);
  }
}

// Answers a request that cannot be served and cannot be skipped either: the connection ends.
Connection::Step Connection::fail(Rejection why, const Error& error) {
  core_->metrics.reject(why);
  auto response = error_response(error, correlation_id_);
  keep_alive_ = false;
  linger_after_ = true;
  open_request_ = true;
  state_ = State::handling;
  finish(std::move(response));
  return Step::again;
}

}  // namespace mlforge::http
