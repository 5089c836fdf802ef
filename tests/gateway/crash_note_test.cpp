// A crash leaves a note, and the start that finds it throws away what is derived from the log.
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "gateway/crash_note.hpp"
#include "storage/lmdb_log.hpp"
#include "tests/gateway/cli_support.hpp"

namespace crash_note_tests {

using namespace mlforge;
using namespace mlforge::gateway;
using namespace mlforge::gateway::test;

namespace {

namespace fs = std::filesystem;

// A child process that ends by `signal`; answers the signal that ended it.
int crash(const fs::path& folder, int signal) {
  const pid_t child = ::fork();
  if (child == 0) {
    const rlimit none{0, 0};
    ::setrlimit(RLIMIT_CORE, &none);
    ::signal(signal, SIG_DFL);
    note_crashes(folder);
    ::raise(signal);
    ::_exit(0);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

}  // namespace

TEST_CASE("crash note: left by a crash and by nothing else, and the signal ends the process") {
  const TempFolder folder;
  const int signal = GENERATE(SIGSEGV, SIGBUS, SIGABRT, SIGTERM);
  CHECK(crash(folder.path, signal) == signal);
  CHECK(fs::exists(folder.path / kCrashNote) == (signal != SIGTERM));
}

TEST_CASE("crash note: what is derived goes, what is not stays, and so does a folder in use") {
  const TempFolder folder;
  const fs::path data = folder.path / "data";
  storage::LmdbLogOptions options;
  options.map_bytes = std::size_t{1} << 30;
  auto log = storage::open_lmdb_log(data, options);
  REQUIRE(log);
  for (const char* name : {"views", "snapshots", "merkle", "subscriptions", "keys"}) {
    fs::create_directories(data / name);
    std::ofstream(data / name / "file") << "something";
  }
  CHECK_FALSE(discard_after_crash(data).value());
  std::ofstream(data / kCrashNote) << "";
  CHECK(discard_after_crash(data).error().code == ErrorCode::conflict);
  CHECK(fs::exists(data / "views" / "file"));
  REQUIRE_FALSE((*log)->close());
  log->reset();
  CHECK(discard_after_crash(data).value());
  for (const char* name : {"views", "snapshots", "index", "merkle"})
    CHECK_FALSE(fs::exists(data / name));
  for (const char* name : {"subscriptions", "keys", "log", "FORMAT"})
    CHECK(fs::exists(data / name));
  CHECK_FALSE(fs::exists(data / kCrashNote));
  CHECK_FALSE(discard_after_crash(data).value());
  CHECK(storage::open_lmdb_log(data, options));
}

}  // namespace crash_note_tests
