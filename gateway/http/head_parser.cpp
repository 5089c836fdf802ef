#include "gateway/http/head_parser.hpp"

namespace mlforge::http {

namespace beast_http = boost::beast::http;

namespace {

std::string_view std_view(boost::beast::string_view text) { return {text.data(), text.size()}; }

Method method_of(beast_http::verb verb) {
  switch (verb) {
    case beast_http::verb::get:
      return Method::get;
    case beast_http::verb::head:
      return Method::head;
    case beast_http::verb::post:
      return Method::post;
    case beast_http::verb::put:
      return Method::put;
    case beast_http::verb::patch:
      return Method::patch;
    case beast_http::verb::delete_:
      return Method::delete_;
    case beast_http::verb::options:
      return Method::options;
    default:
      return Method::other;
  }
}

}  // namespace

boost::beast::error_code HeadParser::parse_head(std::string_view head) {
  head_ = head;
  header_limit(static_cast<std::uint32_t>(head.size() + 1));
  error_code ec;
  put(boost::asio::buffer(head.data(), head.size()), ec);
  if (!ec && !is_header_done()) ec = beast_http::error::need_more;
  return ec;
}

std::size_t HeadParser::put_chunked(std::string_view bytes, std::string& out, std::uint64_t limit,
                                    error_code& ec) {
  out_ = &out;
  limit_ = limit;
  const auto used = put(boost::asio::buffer(bytes.data(), bytes.size()), ec);
  out_ = nullptr;
  return used;
}

void HeadParser::on_request_impl(beast_http::verb verb, string_view, string_view target,
                                 int version, error_code&) {
  request_.method = method_of(verb);
  request_.target = std_view(target);
  version_ = version;
}

void HeadParser::on_field_impl(beast_http::field name, string_view text, string_view value,
                               error_code& ec) {
  if (is_header_done()) return;  // trailers of a chunked body are not used
  const auto v = std_view(value);
  // A folded value is put together elsewhere: RFC 9112, 5.2 lets a server refuse it.
  const bool inside =
      v.empty() || (v.data() >= head_.data() && v.data() + v.size() <= head_.data() + head_.size());
  if (!inside || request_.headers.size() == kMaxFields) {
    ec = inside ? beast_http::error::header_limit : beast_http::error::bad_value;
    return;
  }
  request_.headers.push_back({std_view(text), v});
  switch (name) {
    case beast_http::field::host:
      special_.host = v;
      ++special_.hosts;
      break;
    case beast_http::field::origin:
      special_.origin = v;
      break;
    case beast_http::field::expect:
      special_.expect = v;
      break;
    case beast_http::field::content_type:
      request_.content_type = v;
      break;
    case beast_http::field::transfer_encoding:
      special_.transfer_encoding = v;
      break;
    case beast_http::field::unknown:
      if (boost::beast::iequals(text, "X-Correlation-Id")) special_.correlation_id = v;
      if (boost::beast::iequals(text, "X-Request-Id")) special_.request_id = v;
      break;
    default:
      break;
  }
}

std::size_t HeadParser::on_chunk_body_impl(std::uint64_t, string_view body, error_code& ec) {
  decoded_ += body.size();
  if (decoded_ > limit_)
    ec = beast_http::error::body_limit;
  else
    out_->append(body.data(), body.size());
  return body.size();
}

}  // namespace mlforge::http
