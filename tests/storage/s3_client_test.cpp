#include "storage/s3_client.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>
#include <catch2/catch.hpp>

#include <future>

#include "storage/s3_blobs.hpp"
#include "tests/storage/log_fixtures.hpp"

namespace s3_client_tests {

using namespace mlforge;
using namespace mlforge::storage;

namespace {

// Takes connections and never says anything.
class Silent {
 public:
  Silent() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof at;
    auto* const address = reinterpret_cast<sockaddr*>(&at);
    REQUIRE(::bind(fd_, address, size) == 0);
    REQUIRE(::listen(fd_, 8) == 0);
    REQUIRE(::getsockname(fd_, address, &size) == 0);
    url_ = "http://127.0.0.1:" + std::to_string(ntohs(at.sin_port));
  }
  ~Silent() { ::close(fd_); }
  const std::string& url() const { return url_; }

 private:
  int fd_;
  std::string url_;
};

S3Settings settings_for(const std::string& endpoint) {
  auto settings = s3_settings("s3://models/a", [&](const char* name) {
    return std::string_view(name) == "MLFLOW_S3_ENDPOINT_URL" ? endpoint : std::string();
  });
  REQUIRE(settings);
  settings->credentials = {"key", "secret", ""};
  settings->attempts = 2;
  settings->first_wait = std::chrono::milliseconds(1);
  settings->stall_timeout = std::chrono::seconds(1);
  return *settings;
}

}  // namespace

TEST_CASE("S3 that cannot be reached is unavailable, and named", "[s3]") {
  ::setenv("NO_PROXY", "127.0.0.1", 1);
  S3Client client(settings_for("http://127.0.0.1:1"));
  const auto answer = client.send({.method = "GET", .key = "x"});
  REQUIRE_FALSE(answer);
  CHECK(answer.error().code == ErrorCode::unavailable);
  CHECK(answer.error().message.find("s3://models/a cannot be reached at http://127.0.0.1:1") == 0);
}

TEST_CASE("S3 that says nothing is given up after the time-out", "[s3]") {
  ::setenv("NO_PROXY", "127.0.0.1", 1);
  const Silent silent;
  S3Client client(settings_for(silent.url()));
  const auto answer =
      client.send({.method = "PUT", .key = "x", .query = {}, .headers = {}, .body = "content"});
  REQUIRE_FALSE(answer);
  CHECK(answer.error().code == ErrorCode::unavailable);
  CHECK(answer.error().message.find(silent.url()) != std::string::npos);
}

TEST_CASE("A store in S3 that is stopped ends what is under way", "[s3]") {
  ::setenv("NO_PROXY", "127.0.0.1", 1);
  const Silent silent;
  const TemporaryFolder folder;
  auto settings = settings_for(silent.url());
  settings.stall_timeout = std::chrono::seconds(60);
  const auto blobs = s3_blobs(settings, folder.path());
  CHECK(blobs->remote() == "s3://models/a");
  auto waiting =
      std::async(std::launch::async, [&] { return blobs->put("acme", as_bytes("content")); });
  blobs->stop();
  const auto stored = waiting.get();
  REQUIRE_FALSE(stored);
  CHECK(stored.error().message.find("the server is stopping") != std::string::npos);
  CHECK(std::filesystem::is_empty(folder.path()));
  CHECK(blobs->put("", as_bytes("x")).error().code == ErrorCode::invalid_argument);
}

}  // namespace s3_client_tests
