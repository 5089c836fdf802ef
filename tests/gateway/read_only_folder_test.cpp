// What only looks at a folder does so where it may not write: a backup that is mounted, another
// user's.
#include <grp.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <functional>
#include <iostream>

#include "storage/blob_store.hpp"
#include "storage/cursor_store.hpp"
#include "storage/lmdb_log.hpp"
#include "tests/gateway/cli_support.hpp"

namespace read_only_folder_tests {

using namespace mlforge;
using namespace mlforge::gateway;
using namespace mlforge::gateway::test;

namespace {

namespace fs = std::filesystem;

void make_folder_with_all(const fs::path& data) {
  storage::LmdbLogOptions options;
  options.map_bytes = std::size_t{1} << 30;
  auto log = storage::open_lmdb_log(data, options);
  REQUIRE(log);
  const auto blobs = storage::open_local_blobs(data / "blobs");
  REQUIRE(blobs);
  const auto digest = (*blobs)->put("default", storage::as_bytes("some bytes"))->digest;
  for (int i = 0; i < 10; ++i) {
    NewEvent event;
    event.stream = "other/all";
    event.type = "other.happened";
    event.payload = "{\"digest\":\"" + to_string(digest) + "\"}";
    const storage::AppendRequest request{.tenant = "default", .actor = "ann", .events = {event}};
    REQUIRE((*log)->append(std::span(&request, 1)).front());
  }
  const auto cursors = storage::CursorStore::open(data / "subscriptions", (*log)->log_id());
  REQUIRE(cursors);
  REQUIRE_FALSE((*cursors)->save({{"one", "1"}}));
  REQUIRE_FALSE((*log)->close());
  log->reset();
  REQUIRE(run({"rebuild", "--data", data.string()}).code == 0);
}

void set_permissions(const fs::path& folder, bool writable) {
  using fs::perms;
  const auto read = perms::owner_read | perms::group_read | perms::others_read;
  const auto enter = perms::owner_exec | perms::group_exec | perms::others_exec;
  const auto write = writable ? perms::owner_write : perms::none;
  fs::permissions(folder, read | enter | write);
  for (const auto& each : fs::recursive_directory_iterator(folder))
    fs::permissions(each.path(), read | write | (each.is_directory() ? enter : perms::none));
}

// Runs `work` in a process of a user that may not write everywhere, as root may; answers its code.
int as_nobody(const std::function<int()>& work) {
  const pid_t child = ::fork();
  if (child == 0) {
    constexpr uid_t kNobody = 65534;
    if (::geteuid() == 0 &&
        (::setgroups(0, nullptr) != 0 || ::setresgid(kNobody, kNobody, kNobody) != 0 ||
         ::setresuid(kNobody, kNobody, kNobody) != 0))
      ::_exit(99);
    ::_exit(work());
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

}  // namespace

TEST_CASE("a folder that can only be read: export, diff, whatif, fork, backup and restore") {
  const TempFolder folder;
  const auto data = folder.path / "data";
  make_folder_with_all(data);
  if (GENERATE(false, true)) fs::remove(data / "LOCK");
  const auto to = folder.path / "to";
  fs::create_directory(to);
  using fs::perms;
  fs::permissions(folder.path, perms::others_exec | perms::others_read, fs::perm_options::add);
  fs::permissions(to, perms::all);
  set_permissions(data, false);
  const std::vector<std::vector<std::string>> commands{
      {"export", "--data", data.string(), "-o", (to / "lines").string(), "--blobs",
       (to / "blobs").string()},
      {"diff", "--data", data.string()},
      {"whatif", "--data", data.string(), "--psi-threshold", "0.3"},
      {"fork", "--data", data.string(), "--at", "5", "-o", (to / "fork").string()},
      {"backup", "--data", data.string(), "-o", (to / "backup").string()},
      {"restore", data.string(), "--data", (to / "restored").string()},
      {"verify", (to / "restored").string()},
      {"verify", (to / "fork").string()},
      {"verify", data.string(), "--read-models"}};
  for (const auto& command : commands) {
    const int code = as_nobody([&] {
      const auto ran = run(command, {{"TMPDIR", to.string()}});
      if (ran.code != 0) std::cerr << ran.out << ran.err;
      return ran.code;
    });
    INFO(command.front() << ' ' << command.back());
    CHECK(code == 0);
  }
  set_permissions(data, true);
  const auto digest = fs::directory_iterator(to / "blobs" / "t-default")->path();
  CHECK(fs::exists(digest));
  for (const char* name : {"backup", "restored"}) {
    const auto id = storage::DataFolder::open_existing(to / name)->format().log_id;
    const auto cursors = storage::CursorStore::open(to / name / "subscriptions", id);
    REQUIRE(cursors);
    CHECK((*cursors)->load().value() == storage::CursorRows{{"one", "1"}});
  }
}

}  // namespace read_only_folder_tests
