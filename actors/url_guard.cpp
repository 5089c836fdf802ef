#include "actors/url_guard.hpp"

#include <algorithm>
#include <charconv>

namespace mlforge::actors {
namespace {

namespace ip = boost::asio::ip;

Error bad_url(const std::string& url) {
  return {ErrorCode::invalid_argument,
          "must be an http:// or https:// URL such as https://example.org/hook, not '" + url + "'",
          "url"};
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  return out;
}

bool same_bits(const std::uint8_t* a, const std::uint8_t* b, unsigned bits) {
  for (; bits >= 8; bits -= 8)
    if (*a++ != *b++) return false;
  return bits == 0 || (*a ^ *b) >> (8 - bits) == 0;
}

bool in_any(std::uint32_t address, std::initializer_list<std::pair<std::uint32_t, unsigned>> nets) {
  return std::any_of(nets.begin(), nets.end(), [&](const auto& net) {
    return (address ^ net.first) >> (32 - net.second) == 0;
  });
}

bool is_public_v4(const ip::address_v4& address) {
  return !in_any(address.to_uint(), {{0x00000000, 8},    // this network
                                     {0x0A000000, 8},    // private
                                     {0x64400000, 10},   // carriers' NAT
                                     {0x7F000000, 8},    // loopback
                                     {0xA9FE0000, 16},   // link-local, metadata services
                                     {0xAC100000, 12},   // private
                                     {0xC0000000, 24},   // protocol assignments
                                     {0xC0000200, 24},   // documentation
                                     {0xC0586300, 24},   // 6to4 relays
                                     {0xC0A80000, 16},   // private
                                     {0xC6120000, 15},   // benchmarks
                                     {0xC6336400, 24},   // documentation
                                     {0xCB007100, 24},   // documentation
                                     {0xE0000000, 4},    // multicast
                                     {0xF0000000, 4}});  // reserved, broadcast
}

ip::address_v4 v4_at(const ip::address_v6::bytes_type& bytes, std::size_t at) {
  return ip::address_v4({bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]});
}

bool is_public_v6(const ip::address_v6& address) {
  const auto bytes = address.to_bytes();
  if (address.is_v4_mapped()) return is_public_v4(v4_at(bytes, 12));
  // NAT64 (64:ff9b::/96) and 6to4 (2002::/16) lead to an IPv4 address.
  constexpr std::uint8_t kNat64[] = {0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0};
  if (same_bits(bytes.data(), kNat64, 96)) return is_public_v4(v4_at(bytes, 12));
  if (bytes[0] == 0x20 && bytes[1] == 0x02) return is_public_v4(v4_at(bytes, 2));
  // Else only global unicast, without Teredo and the protocol assignments, and documentation.
  const bool global = bytes[0] >> 5 == 1;
  const bool assigned = bytes[0] == 0x20 && bytes[1] == 0x01 && bytes[2] < 2;
  const bool documentation =
      (bytes[0] == 0x20 && bytes[1] == 0x01 && bytes[2] == 0x0d && bytes[3] == 0xb8) ||
      (bytes[0] == 0x3f && bytes[1] == 0xff && bytes[2] < 0x10);
  return global && !assigned && !documentation;
}

}  // namespace

Expected<PostTarget> parse_post_target(const std::string& url) {
  PostTarget out;
  const std::string scheme = lower(url.substr(0, url.find("://")));
  if ((scheme != "http" && scheme != "https") || url.size() < scheme.size() + 4)
    return bad_url(url);
  out.tls = scheme == "https";
  auto rest = std::string_view(url).substr(scheme.size() + 3);
  const auto end = std::min(rest.find_first_of("/?"), rest.size());
  out.path = rest.substr(end);
  if (!out.path.starts_with('/')) out.path.insert(0, "/");
  rest = rest.substr(0, end);
  out.authority = rest;
  if (rest.starts_with('[')) {
    const auto close = rest.find(']');
    if (close == std::string_view::npos) return bad_url(url);
    out.host = lower(rest.substr(1, close - 1));
    rest = rest.substr(close + 1);
  } else {
    out.host = lower(rest.substr(0, rest.find(':')));
    rest = rest.substr(out.host.size());
  }
  out.port = out.tls ? "443" : "80";
  if (!rest.empty()) {
    std::uint16_t port = 0;
    const auto [at, bad] = std::from_chars(rest.data() + 1, rest.data() + rest.size(), port);
    if (rest.front() != ':' || bad != std::errc{} || at != rest.data() + rest.size() || port == 0)
      return bad_url(url);
    out.port = std::to_string(port);
  }
  // A dot at the end makes the same name of the DNS.
  while (out.host.ends_with('.')) out.host.pop_back();
  if (out.host.empty()) return bad_url(url);
  return out;
}

bool is_public(const ip::address& address) {
  return address.is_v4() ? is_public_v4(address.to_v4()) : is_public_v6(address.to_v6());
}

bool UrlGuard::Range::holds(const ip::address& other) const {
  if (other.is_v6() && other.to_v6().is_v4_mapped() && address.is_v4())
    return holds(ip::address(v4_at(other.to_v6().to_bytes(), 12)));
  if (other.is_v4() != address.is_v4()) return false;
  if (address.is_v4())
    return same_bits(address.to_v4().to_bytes().data(), other.to_v4().to_bytes().data(), bits);
  return same_bits(address.to_v6().to_bytes().data(), other.to_v6().to_bytes().data(), bits);
}

Expected<UrlGuard> UrlGuard::make(const std::vector<std::string>& allowed) {
  UrlGuard guard;
  for (const auto& each : allowed) {
    boost::system::error_code bad;
    const auto slash = each.find('/');
    const auto address = ip::make_address(each.substr(0, slash), bad);
    const bool is_address = !bad;
    unsigned bits = is_address && address.is_v4() ? 32 : 128;
    bool wrong = each.empty() || (slash != std::string::npos && !is_address);
    if (!wrong && slash != std::string::npos) {
      const auto* end = each.data() + each.size();
      unsigned given = 0;
      const auto [at, failed] = std::from_chars(each.data() + slash + 1, end, given);
      wrong = failed != std::errc{} || at != end || given > bits;
      bits = given;
    }
    if (wrong)
      return Error{ErrorCode::invalid_argument,
                   "'" + each + "' is no host, *.suffix, address, range such as 10.0.0.0/8, or *",
                   "webhook_allowed_hosts"};
    if (each == "*")
      guard.all_ = true;
    else if (is_address)
      guard.ranges_.push_back({address, bits});
    else
      guard.hosts_.push_back(lower(each));
  }
  return guard;
}

bool UrlGuard::names(const std::string& host) const {
  return std::any_of(hosts_.begin(), hosts_.end(), [&](const auto& each) {
    if (!each.starts_with("*.")) return each == host;
    const auto suffix = std::string_view(each).substr(1);
    return host.size() > suffix.size() && host.ends_with(suffix);
  });
}

bool UrlGuard::allows(const std::string& host, const ip::address& address) const {
  if (all_ || names(host) || is_public(address)) return true;
  return std::any_of(ranges_.begin(), ranges_.end(),
                     [&](const Range& range) { return range.holds(address); });
}

Status UrlGuard::check(const PostTarget& target) const {
  boost::system::error_code no_address;
  auto address = ip::make_address(target.host, no_address);
  const bool local = target.host == "localhost" || target.host.ends_with(".localhost");
  if (no_address && !local) return {};
  if (no_address) address = ip::address_v4::loopback();
  if (allows(target.host, address)) return {};
  return Error{ErrorCode::forbidden,
               "must not lead into the server's own network: " + target.host +
                   " is no public address; the operator can allow it with webhook_allowed_hosts",
               "url"};
}

}  // namespace mlforge::actors
