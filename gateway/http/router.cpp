#include "gateway/http/router.hpp"

#include <array>
#include <map>
#include <unordered_map>

namespace mlforge::http {
namespace {

constexpr std::size_t kMethods = 7;
constexpr std::size_t kNone = static_cast<std::size_t>(-1);
using ByMethod = std::array<std::size_t, kMethods>;  // index of a route, kNone where there is none

constexpr ByMethod no_methods() {
  ByMethod all{};
  for (auto& each : all) each = kNone;
  return all;
}

struct TextHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const {
    return std::hash<std::string_view>{}(text);
  }
};

struct Node {
  std::unordered_map<std::string, std::unique_ptr<Node>, TextHash, std::equal_to<>> literals;
  std::map<std::string, std::unique_ptr<Node>, std::greater<>>
      endings;                 // "{name}:verb", by ":verb"
  std::unique_ptr<Node> any;   // "{name}"
  std::unique_ptr<Node> rest;  // "{name*}", a leaf
  ByMethod methods = no_methods();
  bool leaf() const { return methods != no_methods(); }
};

struct Segment {
  enum Kind { literal, ending, any, rest } kind = literal;
  std::string_view text;  // the literal, or the ending
  std::string_view name;  // of the parameter
};

Error bad_pattern(std::string_view pattern, std::string_view why) {
  return {ErrorCode::invalid_argument,
          "The route pattern '" + std::string(pattern) + "' " + std::string(why) + ".", "pattern"};
}

std::optional<Segment> parse_segment(std::string_view text) {
  if (text.find('{') == std::string_view::npos && text.find('}') == std::string_view::npos)
    return Segment{Segment::literal, text, {}};
  const auto close = text.find('}');
  if (text.empty() || text.front() != '{' || close == std::string_view::npos || close < 2)
    return std::nullopt;
  auto name = text.substr(1, close - 1);
  const auto ending = text.substr(close + 1);
  if (name.find('{') != std::string_view::npos ||
      ending.find_first_of("{}") != std::string_view::npos)
    return std::nullopt;
  if (name.back() == '*') {
    name.remove_suffix(1);
    if (name.empty() || !ending.empty()) return std::nullopt;
    return Segment{Segment::rest, {}, name};
  }
  return Segment{ending.empty() ? Segment::any : Segment::ending, ending, name};
}

Expected<std::vector<Segment>> parse_pattern(std::string_view pattern) {
  if (pattern.empty() || pattern.front() != '/') return bad_pattern(pattern, "must begin with '/'");
  std::vector<Segment> segments;
  for (std::size_t at = 1; at <= pattern.size();) {
    const auto end = std::min(pattern.find('/', at), pattern.size());
    const auto segment = parse_segment(pattern.substr(at, end - at));
    if (!segment)
      return bad_pattern(pattern,
                         "has a segment that is not a literal, {name}, {name}:verb or {name*}");
    if (segment->kind == Segment::rest && end != pattern.size())
      return bad_pattern(pattern, "has something after {name*}, which takes the rest of the path");
    segments.push_back(*segment);
    at = end + 1;
  }
  return segments;
}

Node& child(Node& node, const Segment& segment) {
  std::unique_ptr<Node>* slot = nullptr;
  switch (segment.kind) {
    case Segment::literal:
      slot = &node.literals[std::string(segment.text)];
      break;
    case Segment::ending:
      slot = &node.endings[std::string(segment.text)];
      break;
    case Segment::any:
      slot = &node.any;
      break;
    case Segment::rest:
      slot = &node.rest;
      break;
  }
  if (!*slot) *slot = std::make_unique<Node>();
  return **slot;
}

// The values of parameters on the way to a leaf; their names come from the route's own pattern.
const Node* find(const Node& node, std::string_view path, std::size_t at,
                 std::vector<std::string_view>& values) {
  if (at > path.size()) {
    if (node.leaf()) return &node;
    return nullptr;
  }
  const auto end = std::min(path.find('/', at), path.size());
  const auto segment = path.substr(at, end - at);
  if (const auto it = node.literals.find(segment); it != node.literals.end())
    if (const auto* found = find(*it->second, path, end + 1, values)) return found;
  const auto size = values.size();
  for (const auto& [ending, next] : node.endings) {
    if (segment.size() <= ending.size() || !segment.ends_with(ending)) continue;
    values.push_back(segment.substr(0, segment.size() - ending.size()));
    if (const auto* found = find(*next, path, end + 1, values)) return found;
    values.resize(size);
  }
  if (node.any && !segment.empty()) {
    values.push_back(segment);
    if (const auto* found = find(*node.any, path, end + 1, values)) return found;
    values.resize(size);
  }
  if (!node.rest) return nullptr;
  values.push_back(path.substr(at));
  return node.rest.get();
}

std::string allowed(const ByMethod& methods) {
  std::string out;
  for (std::size_t i = 0; i < kMethods; ++i) {
    const auto method = static_cast<Method>(i);
    const bool served = methods[i] != kNone || method == Method::options ||
                        (method == Method::head && methods[0] != kNone);
    if (!served) continue;
    if (!out.empty()) out += ", ";
    out += to_string(method);
  }
  return out;
}

}  // namespace

struct Router::Tree {
  Node root;
  std::unordered_map<std::string, const Node*, TextHash, std::equal_to<>> exact;  // no parameters
  std::vector<std::vector<std::string>> names;  // of the parameters, by route
};

Router::Router() = default;
Router::~Router() = default;
Router::Router(Router&&) noexcept = default;
Router& Router::operator=(Router&&) noexcept = default;

void Router::add(Route route) { routes_.push_back(std::move(route)); }

void Router::add(std::vector<Route> routes) {
  for (auto& route : routes) add(std::move(route));
}

void Router::get(std::string pattern, Handler handler, RouteInfo info) {
  add(Route{Method::get, std::move(pattern), std::move(handler), std::move(info)});
}
void Router::post(std::string pattern, Handler handler, RouteInfo info) {
  add(Route{Method::post, std::move(pattern), std::move(handler), std::move(info)});
}
void Router::put(std::string pattern, Handler handler, RouteInfo info) {
  add(Route{Method::put, std::move(pattern), std::move(handler), std::move(info)});
}
void Router::patch(std::string pattern, Handler handler, RouteInfo info) {
  add(Route{Method::patch, std::move(pattern), std::move(handler), std::move(info)});
}
void Router::delete_(std::string pattern, Handler handler, RouteInfo info) {
  add(Route{Method::delete_, std::move(pattern), std::move(handler), std::move(info)});
}
void Router::upload(Method method, std::string pattern, UploadHandler handler, RouteInfo info) {
  add(Route{method, std::move(pattern), std::move(handler), std::move(info)});
}
void Router::websocket(std::string pattern, WebSocketHandler handler, RouteInfo info) {
  add(Route{Method::get, std::move(pattern), std::move(handler), std::move(info)});
}

Status Router::build() {
  auto tree = std::make_unique<Tree>();
  for (std::size_t i = 0; i < routes_.size(); ++i) {
    const auto& route = routes_[i];
    const auto method = static_cast<std::size_t>(route.method);
    if (method >= kMethods || route.method == Method::options)
      return bad_pattern(route.pattern, "has a method that the server does not hand to routes");
    auto segments = parse_pattern(route.pattern);
    if (!segments) return segments.error();
    auto* node = &tree->root;
    auto& names = tree->names.emplace_back();
    for (const auto& segment : *segments) {
      node = &child(*node, segment);
      if (segment.kind != Segment::literal) names.emplace_back(segment.name);
    }
    if (node->methods[method] != kNone)
      return bad_pattern(route.pattern, "stands twice for " + std::string(to_string(route.method)) +
                                            ", also as '" + routes_[node->methods[method]].pattern +
                                            "'");
    node->methods[method] = i;
    if (names.empty()) tree->exact[route.pattern] = node;
  }
  tree_ = std::move(tree);
  return std::nullopt;
}

Match Router::match(Method method, std::string_view path, std::vector<Field>& params) const {
  if (!tree_ || path.empty() || path.front() != '/') return {};
  const Node* node = nullptr;
  thread_local std::vector<std::string_view> values;
  values.clear();
  if (const auto it = tree_->exact.find(path); it != tree_->exact.end())
    node = it->second;
  else
    node = find(tree_->root, path, 1, values);
  if (!node) return {};
  auto index = kNone;
  if (const auto m = static_cast<std::size_t>(method); m < kMethods) index = node->methods[m];
  if (index == kNone && method == Method::head) index = node->methods[0];
  if (index == kNone) return {nullptr, 0, allowed(node->methods)};
  const auto& names = tree_->names[index];
  for (std::size_t i = 0; i < names.size(); ++i) params.push_back({names[i], values[i]});
  return {&routes_[index], index, {}};
}

const std::vector<Route>& Router::routes() const { return routes_; }

}  // namespace mlforge::http
