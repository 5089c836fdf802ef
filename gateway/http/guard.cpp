#include "gateway/http/guard.hpp"

#include <boost/asio/ip/address.hpp>
#include <boost/beast/core/string.hpp>

namespace mlforge::http {

bool same_ignoring_case(std::string_view a, std::string_view b) {
  return boost::beast::iequals({a.data(), a.size()}, {b.data(), b.size()});
}

namespace {

bool contains(const std::vector<std::string>& list, std::string_view text) {
  for (const auto& each : list)
    if (same_ignoring_case(each, text)) return true;
  return false;
}

bool is_address(std::string_view name) {
  if (name.size() > 2 && name.front() == '[') name = name.substr(1, name.size() - 2);
  boost::system::error_code ec;
  boost::asio::ip::make_address(name, ec);
  return !ec;
}

// "host" or "host:port" with the scheme's own port left out.
std::string_view without_port(std::string_view authority, std::string_view port) {
  if (authority.size() > port.size() && authority.ends_with(port))
    return authority.substr(0, authority.size() - port.size());
  return authority;
}

}  // namespace

std::string_view host_name(std::string_view host) {
  if (!host.empty() && host.front() == '[') {
    const auto end = host.find(']');
    return end == std::string_view::npos ? host : host.substr(0, end + 1);
  }
  return host.substr(0, host.find(':'));
}

Guard::Guard(const ServerOptions& options)
    : hosts_{"localhost", "127.0.0.1", "[::1]"}, origins_(options.allowed_origins) {
  for (const auto& host : options.allowed_hosts) {
    any_host_ |= host == "*";
    hosts_.emplace_back(host_name(host));
  }
  any_origin_ = contains(origins_, "*");
  any_address_ = options.host == "0.0.0.0" || options.host == "::";
  const bool v6 = options.host.find(':') != std::string::npos;
  hosts_.push_back(v6 ? '[' + options.host + ']' : options.host);
}

bool Guard::host_allowed(std::string_view host) const {
  const auto name = host_name(host);
  return any_host_ || contains(hosts_, name) || (any_address_ && is_address(name));
}

Guard::Origin Guard::origin(std::string_view origin, std::string_view host) const {
  if (origin.empty()) return Origin::own;
  for (const auto& [scheme, port] :
       {std::pair<std::string_view, std::string_view>{"http://", ":80"}, {"https://", ":443"}}) {
    if (!origin.starts_with(scheme)) continue;
    const auto authority = origin.substr(scheme.size());
    if (same_ignoring_case(without_port(authority, port), without_port(host, port)))
      return Origin::own;
  }
  return any_origin_ || contains(origins_, origin) ? Origin::listed : Origin::refused;
}

}  // namespace mlforge::http
