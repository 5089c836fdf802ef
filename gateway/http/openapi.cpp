// The OpenAPI 3.1 document, rendered from the route table.
#include <simdjson.h>

#include <map>
#include <set>

#include "events/json.hpp"
#include "gateway/http/router.hpp"

namespace mlforge::http {
namespace {

// Writes commas between members, so that callers only name what they write.
class Object {
 public:
  explicit Object(std::string& out) : out_(out) { out_ += '{'; }
  ~Object() { out_ += '}'; }
  Object(const Object&) = delete;
  Object& operator=(const Object&) = delete;

  std::string& key(std::string_view name) {
    if (!first_) out_ += ',';
    first_ = false;
    append_json_string(out_, name);
    out_ += ':';
    return out_;
  }
  void text(std::string_view name, std::string_view value) { append_json_string(key(name), value); }
  void raw(std::string_view name, std::string_view json) { key(name) += json; }

 private:
  std::string& out_;
  bool first_ = true;
};

constexpr std::string_view kErrorSchema =
    R"({"type":"object","required":["error"],"properties":{"error":{"type":"object",)"
    R"("required":["code","message","correlation_id"],"properties":{"code":{"type":"string"},)"
    R"("message":{"type":"string"},"field":{"type":"string"},"correlation_id":{"type":"string"},)"
    R"("details":{"type":"object"}}}}})";

// "/a/{name*}" and "/a/{name}:verb" as OpenAPI writes them; gathers the names.
std::string openapi_path(std::string_view pattern, std::vector<std::string>& names) {
  std::string out;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] == '{') {
      auto name = pattern.substr(i + 1, pattern.find('}', i) - i - 1);
      if (name.ends_with('*')) name.remove_suffix(1);
      names.emplace_back(name);
    }
    if (pattern[i] != '*') out += pattern[i];
  }
  return out;
}

void append_parameter(std::string& out, std::string_view name, std::string_view in,
                      std::string_view type, bool required, std::string_view description) {
  if (out.back() != '[') out += ',';
  Object parameter(out);
  parameter.text("name", name);
  parameter.text("in", in);
  if (required) parameter.raw("required", "true");
  if (!description.empty()) parameter.text("description", description);
  Object(parameter.key("schema")).text("type", type);
}

void append_content(std::string& out, std::string_view type, std::string_view schema) {
  Object content(out);
  Object media(content.key(type));
  if (!schema.empty()) media.raw("schema", schema);
}

void append_response(std::string& out, const RouteInfo& info, int status, bool websocket) {
  Object response(out);
  const bool schema = !info.response.empty() && info.response.front() == '{';
  const auto* text = status == 206  ? "The part that was asked for."
                     : status < 400 ? "It went well."
                                    : "It did not go well; the answer says why.";
  response.text("description", schema || info.response.empty() ? text : info.response);
  if (!websocket)
    append_content(response.key("content"), info.response_type,
                   schema ? std::string_view(info.response) : "");
}

void append_responses(std::string& out, const RouteInfo& info, bool websocket) {
  Object responses(out);
  const int status = websocket ? 101 : info.status;
  append_response(responses.key(std::to_string(status)), info, status, websocket);
  for (const int other : info.other_statuses)
    append_response(responses.key(std::to_string(other)), info, other, websocket);
  Object(responses.key("default")).text("$ref", "#/components/responses/Error");
}

std::string operation_id(const Route& route) {
  std::string id;
  for (const char c : to_string(route.method)) id += static_cast<char>(c | 0x20);
  for (const char c : route.pattern) {
    const bool word = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (word)
      id += c;
    else if (id.back() != '_')
      id += '_';
  }
  while (id.back() == '_') id.pop_back();
  return id;
}

// An empty body is taken as {}: it is required where a field of the object is.
bool needs_body(const RouteInfo& info) {
  if (info.body_type != "application/json" || info.body.empty()) return true;
  simdjson::dom::parser parser;
  simdjson::dom::element root, needed;
  if (parser.parse(info.body).get(root)) return true;
  return !root["required"].get(needed);
}

void append_parameters(std::string& out, const Route& route, const std::vector<std::string>& names,
                       const ApiInfo& info) {
  for (const auto& name : names) append_parameter(out, name, "path", "string", true, {});
  for (const auto& q : route.info.query)
    append_parameter(out, q.name, "query", q.type, q.required, q.description);
  const auto headers = [&out](const std::vector<QueryParam>& list) {
    for (const auto& h : list)
      append_parameter(out, h.name, "header", h.type, h.required, h.description);
  };
  headers(route.info.headers);
  headers(info.headers);
  if (route.method != Method::get && route.info.reads_write_headers) headers(info.write_headers);
}

void append_operation(std::string& out, const Route& route, const std::vector<std::string>& names,
                      const ApiInfo& info) {
  Object operation(out);
  operation.text("operationId", operation_id(route));
  if (!route.info.summary.empty()) operation.text("summary", route.info.summary);
  if (!route.info.tag.empty()) {
    auto& tags = operation.key("tags");
    tags += '[';
    append_json_string(tags, route.info.tag);
    tags += ']';
  }
  std::string parameters = "[";
  append_parameters(parameters, route, names, info);
  if (parameters.size() > 1) operation.raw("parameters", parameters + "]");
  const bool upload = std::holds_alternative<UploadHandler>(route.handler);
  if (!route.info.body.empty() || upload) {
    Object body(operation.key("requestBody"));
    body.raw("required", needs_body(route.info) ? "true" : "false");
    const bool bytes = upload && route.info.body.empty();
    append_content(body.key("content"), bytes ? "application/octet-stream" : route.info.body_type,
                   route.info.body);
  }
  append_responses(operation.key("responses"), route.info,
                   std::holds_alternative<WebSocketHandler>(route.handler));
}

}  // namespace

std::string openapi_json(const Router& router, const ApiInfo& info) {
  std::map<std::string, std::vector<const Route*>> paths;
  for (const auto& route : router.routes()) {
    std::vector<std::string> names;
    if (!route.info.hidden) paths[openapi_path(route.pattern, names)].push_back(&route);
  }
  std::string out;
  {
    Object document(out);
    document.text("openapi", "3.1.0");
    {
      Object about(document.key("info"));
      about.text("title", info.title);
      about.text("version", info.version);
      if (!info.description.empty()) about.text("description", info.description);
    }
    if (!info.server_url.empty()) {
      document.key("servers") += '[';
      Object(out).text("url", info.server_url);
      out += ']';
    }
    {
      Object all(document.key("paths"));
      for (const auto& [path, routes] : paths) {
        Object item(all.key(path));
        for (const auto* route : routes) {
          std::string method;
          for (const char c : to_string(route->method)) method += static_cast<char>(c | 0x20);
          std::vector<std::string> names;
          openapi_path(route->pattern, names);
          append_operation(item.key(method), *route, names, info);
        }
      }
    }
    Object components(document.key("components"));
    Object responses(components.key("responses"));
    Object error(responses.key("Error"));
    error.text("description", "What went wrong, in the one shape of every error.");
    append_content(error.key("content"), "application/json", kErrorSchema);
  }
  return out;
}

}  // namespace mlforge::http
