// Where the server may post to. By default only to public addresses: who may make a subscription
// must not reach, through this server, what only this server can reach.
#pragma once
#include <boost/asio/ip/address.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "events/error.hpp"

namespace mlforge::actors {

struct PostTarget {
  bool tls = false;
  std::string host;  // without the brackets of an IPv6 address
  std::string port;
  std::string path;       // with the query; at least "/"
  std::string authority;  // for the Host header
  bool operator==(const PostTarget&) const = default;
};

// "http://host[:port][/path]" or https. invalid_argument names "url".
Expected<PostTarget> parse_post_target(const std::string& url);

// Not loopback, private, link-local, multicast or reserved in any other way, and neither is an IPv4
// address inside it (IANA special-purpose registries; RFC 6890, 6052, 3056, 4291).
bool is_public(const boost::asio::ip::address& address);

// Thread-safe once made.
class UrlGuard {
 public:
  // Entries: a host as URLs name it, "*.suffix" for the hosts below it, an address, a range such as
  // 10.0.0.0/8, or "*" for everything. Anything else is invalid_argument.
  static Expected<UrlGuard> make(const std::vector<std::string>& allowed);

  // Before the name is looked up: set (forbidden) where it is sure that it may not be.
  Status check(const PostTarget& target) const;
  // The address that a host stands for, which is then the one that is connected to.
  bool allows(const std::string& host, const boost::asio::ip::address& address) const;

 private:
  struct Range {
    boost::asio::ip::address address;
    unsigned bits = 0;
    bool holds(const boost::asio::ip::address& other) const;
  };
  bool names(const std::string& host) const;

  bool all_ = false;
  std::vector<std::string> hosts_;
  std::vector<Range> ranges_;
};

}  // namespace mlforge::actors
