// Who may speak to this server from a browser: Host against DNS rebinding, Origin against foreign
// pages.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "gateway/http/server.hpp"

namespace mlforge::http {

class Guard {
 public:
  Guard() = default;
  explicit Guard(const ServerOptions& options);

  // `host` is a Host header, with or without port.
  bool host_allowed(std::string_view host) const;

  enum class Origin { own, listed, refused };
  // `own`: absent, or the same host and port as `host`. `listed`: allowed by name, gets CORS
  // headers.
  Origin origin(std::string_view origin, std::string_view host) const;

 private:
  std::vector<std::string> hosts_;
  std::vector<std::string> origins_;
  bool any_host_ = false, any_origin_ = false, any_address_ = false;
};

// Header values that are the same when the case of ASCII letters is ignored.
bool same_ignoring_case(std::string_view a, std::string_view b);

// The name or address in "name:port", "[::1]:port" or "name".
std::string_view host_name(std::string_view host);

}  // namespace mlforge::http
