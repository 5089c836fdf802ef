#include "gateway/strict_queries.hpp"

#include <algorithm>
#include <type_traits>

namespace mlforge::gateway {
namespace {

using http::Request;

class KnownKeys {
 public:
  explicit KnownKeys(const std::vector<http::QueryParam>& params) {
    for (const auto& each : params) names_.push_back(each.name);
  }

  Status check(const Request& request) const {
    for (const auto& each : request.query_params)
      if (std::find(names_.begin(), names_.end(), each.name) == names_.end())
        return Error{
            ErrorCode::invalid_argument,
            "'" + std::string(each.name) + "' is no query key of this path, which " + known(),
            std::string(each.name)};
    return {};
  }

 private:
  std::string known() const {
    if (names_.empty()) return "takes none";
    std::string out = "takes ";
    for (std::size_t i = 0; i < names_.size(); ++i)
      out += (i == 0 ? "" : i + 1 == names_.size() ? " and " : ", ") + names_[i];
    return out;
  }

  std::vector<std::string> names_;
};

bool is_strict(const http::Route& route) {
  return !route.info.hidden && !(route.info.tag == "system" && route.info.hot);
}

http::Route strict(http::Route route) {
  const KnownKeys keys(route.info.query);
  std::visit(
      [&](auto& handler) {
        using Kind = std::remove_cvref_t<decltype(handler)>;
        if constexpr (std::is_same_v<Kind, http::Handler>)
          handler = [keys, next = handler](const Request& request, http::Reply reply) {
            if (auto bad = keys.check(request)) return reply.send(*bad);
            next(request, std::move(reply));
          };
        else if constexpr (std::is_same_v<Kind, http::UploadHandler>)
          handler = [keys, next = handler](const Request& request, http::Reply reply,
                                           http::UploadFlow flow) -> std::unique_ptr<http::Upload> {
            if (auto bad = keys.check(request)) {
              reply.send(*bad);
              return nullptr;
            }
            return next(request, std::move(reply), std::move(flow));
          };
        else
          handler = [keys, next = handler](const Request& request,
                                           const std::shared_ptr<http::WsSession>& session) {
            if (auto bad = keys.check(request)) return bad;
            return next(request, session);
          };
      },
      route.handler);
  return route;
}

}  // namespace

http::Router refuse_unknown_queries(const http::Router& router) {
  http::Router out;
  for (const auto& route : router.routes()) out.add(is_strict(route) ? strict(route) : route);
  return out;
}

}  // namespace mlforge::gateway
