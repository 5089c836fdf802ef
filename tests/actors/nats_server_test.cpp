#include "actors/nats_server.hpp"

#include <signal.h>

#include <catch2/catch.hpp>
#include <fstream>

#include "actors/process.hpp"
#include "nats_test_support.hpp"

namespace mlforge::actors::test {

namespace fs = std::filesystem;
using std::chrono::seconds;

TEST_CASE("managed nats: a missing program is said at once", "[nats]") {
  TempFolder folder;
  ManagedNatsOptions options;
  options.folder = folder.path.string();
  options.program = "no-such-nats-server";
  const auto nats = ManagedNats::start(options);
  REQUIRE_FALSE(nats);
  CHECK(nats.error().code == ErrorCode::unavailable);
  CHECK(nats.error().message.find("not installed") != std::string::npos);
}

TEST_CASE("managed nats: a killed server is restarted on the same port", "[nats][broker]") {
  if (skipped_without_nats("managed nats: a killed server is restarted on the same port")) return;
  TempFolder folder;
  auto nats = start_nats(folder.path / "nats");
  const auto first = nats->status();
  REQUIRE(first.pid > 0);
  CHECK(first.restarts == 0);
  CHECK(first.url.starts_with("nats://127.0.0.1:"));
  REQUIRE(::kill(first.pid, SIGKILL) == 0);
  REQUIRE(eventually([&] { return nats->status().restarts == 1 && nats->status().ready; }));
  const auto second = nats->status();
  CHECK(second.url == first.url);
  CHECK(second.pid != first.pid);
  CHECK(second.last_error.find("signal 9") != std::string::npos);
  nats->stop();
  CHECK(nats->url().empty());
  CHECK(::kill(second.pid, 0) != 0);
  CHECK_FALSE(fs::exists(folder.path / "nats" / "nats-server.pid"));

  nats = start_nats(folder.path / "nats");
  CHECK(nats->url() == first.url);
}

TEST_CASE("managed nats: a port that somebody took is given up", "[nats][broker]") {
  if (skipped_without_nats("managed nats: a port that somebody took is given up")) return;
  TempFolder folder;
  const auto other = start_nats(folder.path / "other");
  const auto taken = other->url().substr(other->url().rfind(':') + 1);
  fs::create_directories(folder.path / "nats");
  std::ofstream(folder.path / "nats" / "port") << taken;
  const auto nats = start_nats(folder.path / "nats");
  CHECK(nats->url() != other->url());
  CHECK(nats->status().restarts >= 1);
}

TEST_CASE("managed nats: a server left over from a crashed run is stopped first",
          "[nats][broker]") {
  if (skipped_without_nats("managed nats: a server left over from a crashed run is stopped first"))
    return;
  TempFolder folder;
  const auto home = folder.path / "nats";
  start_nats(home)->stop();  // leaves a configuration with a port and a store
  ProcessOptions options;
  options.program = "nats-server";
  options.arguments = {"--config", (home / "nats-server.conf").string()};
  auto left_over = Process::spawn(std::move(options));
  REQUIRE(left_over);
  REQUIRE_FALSE(write_pid_file((home / "nats-server.pid").string(), (*left_over)->pid()));
  const auto nats = start_nats(home);
  CHECK_FALSE((*left_over)->running());
  CHECK(nats->status().pid != (*left_over)->pid());
}

}  // namespace mlforge::actors::test
