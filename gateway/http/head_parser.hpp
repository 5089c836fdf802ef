// Beast's parser, keeping views of the head instead of copying fields into a container.
#pragma once
#include "gateway/http/pch.hpp"
#include "gateway/http/request.hpp"

namespace mlforge::http {

class HeadParser final : public boost::beast::http::basic_parser<true> {
 public:
  static constexpr std::size_t kMaxFields = 128;

  // What the server itself needs from the head.
  struct Special {
    std::string_view host, origin, expect, transfer_encoding, request_id, correlation_id;
    int hosts = 0;
  };

  explicit HeadParser(Request& request) : request_(request) {
    body_limit(std::numeric_limits<std::uint64_t>::max());  // "none" refuses all in Beast 1.74
    eager(true);
  }

  // Parses a complete head (up to and with the empty line). Views point into `head`.
  boost::beast::error_code parse_head(std::string_view head);

  // Feeds bytes of a chunked body; decoded bytes are appended to `out`, up to `limit` of them in
  // all. Answers how many bytes were used. error::body_limit when there are more.
  std::size_t put_chunked(std::string_view bytes, std::string& out, std::uint64_t limit,
                          boost::beast::error_code& ec);

  const Special& special() const { return special_; }
  int version() const { return version_; }
  std::uint64_t decoded() const { return decoded_; }

 private:
  using string_view = boost::beast::string_view;
  using error_code = boost::beast::error_code;

  void on_request_impl(boost::beast::http::verb verb, string_view method, string_view target,
                       int version, error_code& ec) override;
  void on_response_impl(int, string_view, int, error_code&) override {}
  void on_field_impl(boost::beast::http::field name, string_view text, string_view value,
                     error_code& ec) override;
  void on_header_impl(error_code&) override {}
  void on_body_init_impl(boost::optional<std::uint64_t> const&, error_code&) override {}
  std::size_t on_body_impl(string_view body, error_code&) override { return body.size(); }
  void on_chunk_header_impl(std::uint64_t, string_view, error_code&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, string_view body, error_code& ec) override;
  void on_finish_impl(error_code&) override {}

  Request& request_;
  Special special_;
  std::string_view head_;
  std::string* out_ = nullptr;
  std::uint64_t limit_ = 0, decoded_ = 0;
  int version_ = 11;
};

}  // namespace mlforge::http
