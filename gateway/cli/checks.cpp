#include "gateway/cli/checks.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <unistd.h>

#include <cstring>

#include "actors/process.hpp"
#include "storage/data_folder.hpp"

namespace mlforge::gateway::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kGood = "ok", kNote = "note", kFinding = "finding";

CheckRow row(std::string_view check, std::string_view result, std::string detail) {
  return {std::string(check), std::string(result), std::move(detail)};
}

std::string limit_text(rlim_t limit) {
  return limit == RLIM_INFINITY ? "unlimited" : std::to_string(limit);
}

// A conflict that names the folder: another process has it open. The other is that of a newer
// format.
bool is_in_use(const Error& error) {
  return error.code == ErrorCode::conflict && error.field == "data";
}

// A file that has no name: it is gone with its descriptor.
class ScratchFile {
 public:
  explicit ScratchFile(const fs::path& folder) {
    fd_ = open(folder.c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
    if (fd_ >= 0) return;
    std::string name = (folder / ".mlforge-doctor-XXXXXX").string();
    fd_ = mkstemp(name.data());
    if (fd_ >= 0) unlink(name.c_str());
  }
  ~ScratchFile() {
    if (fd_ >= 0) close(fd_);
  }
  ScratchFile(const ScratchFile&) = delete;
  ScratchFile& operator=(const ScratchFile&) = delete;
  int fd() const { return fd_; }

 private:
  int fd_ = -1;
};

}  // namespace

fs::path existing_folder(const fs::path& folder) {
  std::error_code bad;
  auto at = fs::absolute(folder, bad);
  while (!fs::is_directory(at, bad) && at.has_parent_path() && at != at.parent_path())
    at = at.parent_path();
  return at;
}

CheckRow check_folder(const fs::path& folder) {
  constexpr std::string_view kName = "data folder";
  const auto there = existing_folder(folder);
  if (access(there.c_str(), W_OK | X_OK) != 0)
    return row(kName, kFinding, there.string() + " cannot be written: " + std::strerror(errno));
  std::error_code bad;
  if (!fs::exists(folder, bad))
    return row(kName, kNote, folder.string() + " does not exist yet: serve creates it");
  if (fs::is_empty(folder, bad))
    return row(kName, kNote, folder.string() + " is empty: serve creates a log in it");
  const auto opened = storage::DataFolder::open_existing(folder);
  if (opened)
    return row(kName, kGood, folder.string() + ", log " + to_string(opened->format().log_id));
  if (opened.error().code == ErrorCode::not_found)
    if (const auto headless = storage::DataFolder::check_headless(folder))
      return row(kName, is_in_use(*headless) ? kNote : kFinding, headless->message);
  return row(kName, is_in_use(opened.error()) ? kNote : kFinding, opened.error().message);
}

CheckRow check_subscriptions(const fs::path& folder) {
  constexpr std::string_view kName = "subscriptions";
  std::error_code bad;
  std::string aside;
  for (const auto& entry : fs::directory_iterator(folder, bad)) {
    const auto name = entry.path().filename().string();
    if (name.starts_with("subscriptions.damaged-")) aside += (aside.empty() ? "" : ", ") + name;
  }
  if (aside.empty()) return row(kName, kGood, "no damaged cursors were put aside");
  return row(kName, kNote,
             "cursors were damaged, and their subscriptions have begun again; delete what was put "
             "aside when it is not needed any more: " +
                 aside);
}

CheckRow check_disk(const fs::path& folder) {
  struct statvfs disk {};
  const auto there = existing_folder(folder);
  if (statvfs(there.c_str(), &disk) != 0)
    return row("disk", kFinding, "cannot look at " + there.string() + ": " + std::strerror(errno));
  const std::uint64_t free = std::uint64_t{disk.f_bavail} * disk.f_frsize;
  const std::uint64_t total = std::uint64_t{disk.f_blocks} * disk.f_frsize;
  const bool scarce = free < (1ull << 30) || free < total / 50;
  return row("disk", scarce ? kFinding : kGood,
             fmt::format("{:.1f} GiB free of {:.1f} GiB{}", static_cast<double>(free) / (1 << 30),
                         static_cast<double>(total) / (1 << 30),
                         scarce ? ": a full disk stops all writing; make room" : ""));
}

CheckRow check_sync_rate(const fs::path& folder, std::chrono::milliseconds duration) {
  constexpr std::string_view kName = "sync rate";
  const auto there = existing_folder(folder);
  const ScratchFile file(there);
  if (file.fd() < 0)
    return row(kName, kFinding, "cannot write in " + there.string() + ": " + std::strerror(errno));
  const std::string block(4096, 'x');
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  std::uint64_t syncs = 0;
  do {
    if (write(file.fd(), block.data(), block.size()) != static_cast<ssize_t>(block.size()) ||
        fdatasync(file.fd()) != 0)
      return row(kName, kFinding, std::string("a write or sync failed: ") + std::strerror(errno));
    ++syncs;
  } while (Clock::now() - start < duration);
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  const double rate = static_cast<double>(syncs) / seconds;
  const bool slow = rate < 50;
  return row(kName, slow ? kFinding : kGood,
             fmt::format("{:.0f} synced appends of 4 KiB a second{}", rate,
                         slow ? ": every write waits for one; use a faster disk" : ""));
}

CheckRow check_nats(const Config& config) {
  constexpr std::string_view kName = "nats-server";
  const auto program = actors::find_program("nats-server");
  if (program) return row(kName, kGood, *program + "; nats is set to " + config.nats);
  if (config.nats == "managed")
    return row(kName, kFinding, "nats is set to managed, but nats-server is not installed");
  return row(kName, kNote, "not installed; nats is set to " + config.nats);
}

CheckRow check_clock() {
  timex state{};
  if (const int is = adjtimex(&state); is < 0)
    return row("clock", kNote, std::string("the kernel does not tell: ") + std::strerror(errno));
  if (state.status & STA_UNSYNC)
    return row("clock", kNote, "is not kept by a time service, as far as the kernel knows");
  return row("clock", kGood,
             fmt::format("kept by a time service, error at most {:.1f} ms",
                         static_cast<double>(state.maxerror) / 1000));
}

CheckRows check_limits(const Config& config) {
  rlimit files{}, space{};
  getrlimit(RLIMIT_NOFILE, &files);
  getrlimit(RLIMIT_AS, &space);
  const std::uint64_t wanted_files = config.max_connections + 256;
  const std::uint64_t wanted_space = (config.log_map_gib + 64 + 8) << 30;
  const bool few = files.rlim_cur != RLIM_INFINITY && files.rlim_cur < wanted_files;
  const bool small = space.rlim_cur != RLIM_INFINITY && space.rlim_cur < wanted_space;
  return {row("open files", few ? kFinding : kGood,
              limit_text(files.rlim_cur) +
                  (few ? fmt::format("; {} connections need {}: ulimit -n {}",
                                     config.max_connections, wanted_files, wanted_files)
                       : "")),
          row("address space", small ? kFinding : kGood,
              limit_text(space.rlim_cur) +
                  (small ? fmt::format("; the maps need {} bytes: ulimit -v unlimited, or a "
                                       "smaller log_map_gib",
                                       wanted_space)
                         : ""))};
}

}  // namespace mlforge::gateway::cli
