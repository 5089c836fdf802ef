// The table of routes: what is served, by whom, and how it is described. It stands next to the
// handlers, and the OpenAPI document is made from it.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "gateway/http/reply.hpp"
#include "gateway/http/request.hpp"
#include "gateway/http/streams.hpp"

namespace mlforge::http {

// Runs on the server's thread and must not block; a slow answer moves the Reply elsewhere.
using Handler = std::function<void(const Request&, Reply)>;

// Called when the headers are in, before the body. A null Upload means that the Reply has been
// answered.
using UploadHandler = std::function<std::unique_ptr<Upload>(const Request&, Reply, UploadFlow)>;

// Called before the handshake. An Error is answered instead of the upgrade.
using WebSocketHandler = std::function<Status(const Request&, const std::shared_ptr<WsSession>&)>;

struct QueryParam {
  std::string name;
  std::string description;
  std::string type = "string";  // JSON schema type
  bool required = false;
};

struct RouteInfo {
  std::string summary;
  std::string tag;
  std::string body;      // JSON schema of the request body; empty: none
  std::string response;  // JSON schema (text that starts with '{') or a sentence
  std::vector<QueryParam> query;
  std::size_t max_body = 0;  // bytes; 0: the server's max_body_bytes; kNoLimit for uploads
  bool hot = false;          // left out of the debug access log
  bool hidden = false;       // left out of the OpenAPI document
  std::string body_type = "application/json";
  int status = 200;  // of an answer that went well
  std::string response_type = "application/json";
  std::vector<QueryParam> headers;  // of the request, besides those of ApiInfo
  bool reads_write_headers = true;  // no GET, and reads ApiInfo::write_headers
  std::vector<int> other_statuses;  // of answers with the same type and schema
};
inline constexpr std::size_t kNoLimit = static_cast<std::size_t>(-1);

// Pattern: segments that are literal, "{name}" (one segment, not empty), "{name}:verb" (one segment
// with that ending), and as the last one "{name*}" (the rest of the path, may be empty and hold
// '/'). A literal wins over an ending over a parameter over a rest. GET routes answer HEAD; OPTIONS
// is answered by the server.
struct Route {
  Method method = Method::get;
  std::string pattern;
  std::variant<Handler, UploadHandler, WebSocketHandler> handler;  // WebSocket: method is get
  RouteInfo info;
};

struct Match {
  const Route* route = nullptr;  // null: see `allow`
  std::size_t index = 0;         // of the route, in order of adding
  std::string allow;  // methods of the path where only the method is wrong; empty: no such path
};

struct ApiInfo {
  std::string title;
  std::string version;
  std::string description;
  std::string server_url;                 // may be empty
  std::vector<QueryParam> headers;        // that every request may have
  std::vector<QueryParam> write_headers;  // that every request but a GET may have
};

class Router {
 public:
  Router();
  ~Router();
  Router(Router&&) noexcept;
  Router& operator=(Router&&) noexcept;

  void add(Route route);
  void add(std::vector<Route> routes);
  void get(std::string pattern, Handler handler, RouteInfo info = {});
  void post(std::string pattern, Handler handler, RouteInfo info = {});
  void put(std::string pattern, Handler handler, RouteInfo info = {});
  void patch(std::string pattern, Handler handler, RouteInfo info = {});
  void delete_(std::string pattern, Handler handler, RouteInfo info = {});
  void upload(Method method, std::string pattern, UploadHandler handler, RouteInfo info = {});
  void websocket(std::string pattern, WebSocketHandler handler, RouteInfo info = {});

  // Makes the table ready to match; the server calls it. invalid_argument for a pattern that is
  // malformed or that stands twice for the same method (parameters of another name are the same
  // pattern).
  Status build();

  // After build(), any thread. Parameters are appended to `params`, not yet percent-decoded.
  Match match(Method method, std::string_view path, std::vector<Field>& params) const;

  const std::vector<Route>& routes() const;

 private:
  struct Tree;
  std::vector<Route> routes_;
  std::unique_ptr<Tree> tree_;
};

// The OpenAPI 3.1 document of all routes that are not hidden, as JSON.
std::string openapi_json(const Router& router, const ApiInfo& info);

}  // namespace mlforge::http
