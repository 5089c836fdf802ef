// The connection under HttpClient: each call starts an asynchronous operation with a deadline and
// runs it to its end.
#pragma once
#include "gateway/http/client.hpp"
#include "gateway/http/pch.hpp"

namespace mlforge::http {

struct ClientUrl {
  std::string host, port, prefix;  // prefix: "" or "/path", without a slash at the end
  std::string authority() const;   // for the Host header
};
Expected<ClientUrl> parse_client_url(const std::string& url);

class ClientConnection {
 public:
  ClientConnection(std::string url, ClientOptions options);

  // Connects unless the last connection is still good.
  Status connect();
  void close();

  Status write(std::string_view head, std::string_view body);

  using Sink = std::function<bool(std::string_view)>;
  // Reads one answer. `sink` gets the body of a 2xx answer, where there is a sink; else the body is
  // kept. With `without_body` (HEAD) none is expected.
  Expected<ClientResponse> read(bool without_body, const Sink& sink);

  const ClientOptions options;
  const std::string url;
  Expected<ClientUrl> target;

 private:
  using error_code = boost::system::error_code;
  using Parser = boost::beast::http::response_parser<boost::beast::http::buffer_body>;

  template <class Start>
  error_code wait(std::chrono::milliseconds limit, const Start& start);
  Status read_body(Parser& parser, ClientResponse& response, const Sink& sink);
  bool still_good();
  Error broken(error_code ec) const;

  boost::asio::io_context context_;
  boost::beast::tcp_stream stream_;
  boost::beast::flat_buffer buffer_;
  bool connected_ = false;
};

}  // namespace mlforge::http
