#include "gateway/cli/verify_views.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>

#include "events/codec.hpp"
#include "projections/open_views.hpp"
#include "projections/view_damage.hpp"
#include "storage/files.hpp"
#include "storage/read_only_log.hpp"

namespace mlforge::gateway::cli {
namespace {

namespace fs = std::filesystem;
using projections::ProjectionEngine;
using projections::ViewStore;

constexpr std::size_t kLogMapBytes = 1 << 20;  // it becomes as large as the file
constexpr const char* kMended = " 'mlforge rebuild' makes them anew.";

class Scratch {
 public:
  Scratch() {
    std::error_code ignored;
    std::string name = (fs::temp_directory_path(ignored) / "mlforge-verify-XXXXXX").string();
    if (::mkdtemp(name.data()) != nullptr) path_ = name;
  }
  Scratch(const Scratch&) = delete;
  ~Scratch() {
    std::error_code ignored;
    if (!path_.empty()) fs::remove_all(path_, ignored);
  }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

Status copy_files(const fs::path& from, const fs::path& to) {
  if (auto bad = storage::make_folder(to)) return bad;
  std::error_code failed;
  for (const char* name : {"data.mdb", "state"}) {
    if (!fs::exists(from / name, failed)) continue;
    fs::copy_file(from / name, to / name, failed);
    // It takes over the permissions, too.
    if (!failed) fs::permissions(to / name, fs::perms::owner_read | fs::perms::owner_write, failed);
    if (failed) return storage::file_error(failed.value(), "copying", from / name);
  }
  return {};
}

ViewsReport damaged(std::string what) {
  return {.checked = true, .damaged = {}, .what = std::move(what)};
}

struct Opened {
  std::unique_ptr<ViewStore> store;
  std::unique_ptr<ProjectionEngine> engine;
};

// With what the log has and they do not have yet.
Expected<Opened> open_at_head(const storage::Log& log, const fs::path& folder) {
  Opened out;
  auto store = ViewStore::open(folder);
  if (!store) return store.error();
  out.store = *std::move(store);
  if (out.store->discarded()) return out;
  auto engine = ProjectionEngine::open(log, *out.store);
  if (!engine) return engine.error();
  out.engine = *std::move(engine);
  if (const auto reached = out.engine->catch_up(); !reached) return reached.error();
  return out;
}

Expected<ViewsReport> compare(const fs::path& data, const fs::path& scratch) {
  const auto log = storage::ReadOnlyLog::open(data, kLogMapBytes);
  if (!log) return log.error();
  const auto old = open_at_head(**log, scratch / "views");
  if (!old && projections::is_view_damage(old.error()))
    return damaged("The read models are damaged: " + old.error().message + kMended);
  if (!old) return old.error();
  if (!old->engine) return ViewsReport{};
  const auto fresh = open_at_head(**log, scratch / "fresh");
  if (!fresh) return fresh.error();
  ViewsReport report{.checked = true, .damaged = {}, .what = {}};
  for (const auto& status : fresh->engine->statuses()) {
    const auto is = old->engine->digest(status.name), should = fresh->engine->digest(status.name);
    if (!should) return should.error();
    if (!is || *is != *should) report.damaged.push_back(status.name);
  }
  if (!report.damaged.empty())
    report.what = fmt::format("The read models are not what the log gives: {}.{}",
                              fmt::join(report.damaged, ", "), kMended);
  return report;
}

[[noreturn]] void run_child(const fs::path& data, const fs::path& scratch, int out) {
  for (const int signal : {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGTERM, SIGINT})
    std::signal(signal, SIG_DFL);
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
  // LMDB's assertions print before they abort.
  if (const int null = ::open("/dev/null", O_WRONLY | O_CLOEXEC); null >= 0)
    ::dup2(null, STDERR_FILENO);
  const auto report = compare(data, scratch);
  const storage::File pipe(out);
  if (report)
    (void)storage::write_all(pipe, "r" + to_json(*report), "the pipe");
  else
    (void)storage::write_all(pipe, "e" + report.error().message, "the pipe");
  ::_exit(0);
}

std::string read_to_end(const storage::File& in) {
  std::string text;
  char bytes[4096];
  for (;;) {
    const ssize_t count = ::read(in.fd(), bytes, sizeof bytes);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return text;
    text.append(bytes, static_cast<std::size_t>(count));
  }
}

}  // namespace

Expected<ViewsReport> verify_views(const fs::path& data_folder) {
  std::error_code ignored;
  if (!fs::exists(data_folder / "views" / "data.mdb", ignored)) return ViewsReport{};
  const Scratch scratch;
  if (scratch.path().empty())
    return storage::file_error(errno, "making a folder in", fs::temp_directory_path(ignored));
  if (auto bad = copy_files(data_folder / "views", scratch.path() / "views")) return *bad;
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return storage::file_error(errno, "checking", data_folder);
  const storage::File in(ends[0]);
  storage::File out(ends[1]);
  const pid_t child = ::fork();
  if (child < 0) return storage::file_error(errno, "starting the check of", data_folder);
  if (child == 0) run_child(data_folder, scratch.path(), out.fd());
  out = storage::File();
  const auto text = read_to_end(in);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (text.starts_with('r')) return from_json<ViewsReport>(text.substr(1), Unknown::skip);
  if (text.starts_with('e')) return Error{ErrorCode::internal, text.substr(1), ""};
  return damaged(fmt::format(
      "The read models are damaged: reading them crashes{}.{}",
      WIFSIGNALED(status) ? fmt::format(" ({})", ::strsignal(WTERMSIG(status))) : std::string(),
      kMended));
}

}  // namespace mlforge::gateway::cli
