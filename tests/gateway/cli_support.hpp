// Runs commands in this process, with streams and an environment of their own, against a server
// that answers what the test tells it.
#pragma once
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <sstream>
#include <stdexcept>

#include "gateway/cli/io.hpp"
#include "gateway/http/server.hpp"

namespace mlforge::gateway::test {

using Env = std::map<std::string, std::string>;

struct Ran {
  int code = -1;
  std::string out, err;
};

inline Ran run(const std::vector<std::string>& args, const Env& env = {},
               const std::string& input = {}) {
  std::istringstream in(input);
  std::ostringstream out, err;
  const cli::Io io{
      in, out, err, false, false, [&](const std::string& name) -> std::optional<std::string> {
        const auto at = env.find(name);
        if (at == env.end()) return std::nullopt;
        return at->second;
      }};
  const int code = cli::run_cli(args, io);
  return {code, out.str(), err.str()};
}

inline bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

class TempFolder {
 public:
  TempFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "mlforge-cli-XXXXXX").string();
    if (!mkdtemp(name.data())) throw std::runtime_error("cannot make a temporary folder");
    path = name;
  }
  ~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(path / name, std::ios::binary) << text;
    return (path / name).string();
  }
  std::filesystem::path path;
};

struct Seen {
  std::string method, target, body, actor, content_type;
};

// Answers each route with a fixed text and keeps what it was asked.
class FakeServer {
 public:
  void on(http::Method method, const std::string& pattern, int status, const std::string& body) {
    router_.add(
        {method,
         pattern,
         http::Handler([this, status, body](const http::Request& request, http::Reply reply) {
           {
             const std::lock_guard lock(mutex_);
             seen_.push_back({std::string(to_string(request.method)), std::string(request.target),
                              std::string(request.body),
                              std::string(request.header("X-Mlforge-Actor")),
                              std::string(request.content_type)});
           }
           reply.send(http::Response::json(body, status));
         }),
         {}});
  }
  Env start(Env more = {}) {
    server_ = std::make_unique<http::Server>(http::ServerOptions{}, std::move(router_));
    if (const auto bad = server_->start()) throw std::runtime_error(bad->message);
    more["MLFORGE_URL"] = server_->url();
    return more;
  }
  std::vector<Seen> seen() const {
    const std::lock_guard lock(mutex_);
    return seen_;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<Seen> seen_;
  http::Router router_;
  std::unique_ptr<http::Server> server_;
};

inline std::string error_body(const std::string& code, const std::string& message) {
  return "{\"error\":{\"code\":\"" + code + "\",\"message\":\"" + message +
         "\",\"correlation_id\":\"c\"}}";
}

}  // namespace mlforge::gateway::test
