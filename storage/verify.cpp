#include "storage/verify.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <new>

#include "events/codec.hpp"
#include "storage/log_verifier.hpp"

namespace mlforge::storage {
namespace {

constexpr int kSilenceMilliseconds = 120'000;  // without one more event: the check goes in circles

// What the child says, a line of JSON each.
struct Message {
  std::uint64_t done = 0, total = 0;
  std::optional<VerifyReport> report;
  std::string error;
  static constexpr auto fields() {
    return FieldList{field("done", &Message::done), field("total", &Message::total),
                     field("report", &Message::report), field("error", &Message::error)};
  }
};

// The trace in memory that both processes see.
class SharedTrace {
 public:
  SharedTrace()
      : memory_(::mmap(nullptr, sizeof(VerifyTrace), PROT_READ | PROT_WRITE,
                       MAP_SHARED | MAP_ANONYMOUS, -1, 0)) {
    if (*this) new (memory_) VerifyTrace;
  }
  SharedTrace(const SharedTrace&) = delete;
  ~SharedTrace() {
    if (*this) ::munmap(memory_, sizeof(VerifyTrace));
  }
  explicit operator bool() const { return memory_ != MAP_FAILED; }
  VerifyTrace& operator*() const { return *static_cast<VerifyTrace*>(memory_); }

 private:
  void* memory_;
};

// A crash must end the child at once, whatever the parent does about signals, and leave no core.
void expect_crashes() {
  for (const int signal : {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGTERM, SIGINT})
    std::signal(signal, SIG_DFL);
  std::signal(SIGPIPE, SIG_IGN);
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
  // LMDB's assertions print before they abort.
  const File null(::open("/dev/null", O_WRONLY | O_CLOEXEC));
  if (null.fd() >= 0) ::dup2(null.fd(), STDERR_FILENO);
}

[[noreturn]] void run_child(const DataFolder& folder, VerifyTrace& trace, const File& out,
                            const std::optional<VerifierKey>& trusted) {
  expect_crashes();
  const auto say = [&](const Message& message) {
    (void)write_all(out, to_json(message) + "\n", "the pipe");
  };
  const auto report = verify_in_process(
      folder, trace,
      [&](std::uint64_t done, std::uint64_t total) {
        say({done, total, {}, {}});
      },
      trusted);
  if (report)
    say({0, 0, *report, {}});
  else
    say({0, 0, {}, report.error().message});
  ::_exit(0);
}

class Parent {
 public:
  Parent(File in, pid_t child, const VerifyTrace& trace, const VerifyProgress& progress)
      : in_(std::move(in)), child_(child), trace_(trace), progress_(progress) {}

  Expected<VerifyReport> run() {
    listen();
    int status = 0;
    while (::waitpid(child_, &status, 0) < 0 && errno == EINTR) {
    }
    if (last_.report) return *last_.report;
    if (!last_.error.empty()) return finding(last_.error);
    if (timed_out_) return finding("Reading it goes in circles.");
    if (WIFSIGNALED(status))
      return finding(fmt::format("Reading it crashes ({}).", ::strsignal(WTERMSIG(status))));
    return finding("Reading it ends without an answer.");
  }

 private:
  void listen() {
    std::string text;
    char bytes[4096];
    Position before = 0;
    for (;;) {
      pollfd wait{in_.fd(), POLLIN, 0};
      const int ready = ::poll(&wait, 1, kSilenceMilliseconds);
      if (ready < 0 && errno == EINTR) continue;
      if (ready == 0 && trace_.position == before) {
        timed_out_ = true;
        ::kill(child_, SIGKILL);
        return;
      }
      before = trace_.position;
      if (ready == 0) continue;
      const ssize_t count = ::read(in_.fd(), bytes, sizeof bytes);
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) return;
      text.append(bytes, static_cast<std::size_t>(count));
      for (auto end = text.find('\n'); end != text.npos; end = text.find('\n')) {
        take(text.substr(0, end));
        text.erase(0, end + 1);
      }
    }
  }

  void take(const std::string& line) {
    auto message = from_json<Message>(line, Unknown::skip);
    if (!message) return;
    last_ = *std::move(message);
    if (progress_ && !last_.report && last_.error.empty()) progress_(last_.done, last_.total);
  }

  VerifyReport finding(const std::string& what) const {
    static constexpr const char* kParts[] = {"The log's database", "The index", "The Merkle tree"};
    VerifyReport report;
    report.events = trace_.position;
    report.first_bad_position = report.events + 1;
    report.what = fmt::format("{} is damaged at or before position {}. {}",
                              kParts[trace_.part.load()], report.first_bad_position, what);
    return report;
  }

  File in_;
  pid_t child_;
  const VerifyTrace& trace_;
  const VerifyProgress& progress_;
  Message last_;
  bool timed_out_ = false;
};

}  // namespace

Expected<VerifyReport> verify_log(const std::filesystem::path& path, const VerifyProgress& progress,
                                  const std::optional<VerifierKey>& trusted) {
  auto folder = DataFolder::open_existing(path);
  if (!folder) return folder.error();
  // Who may not read the file is told so; it is no damage.
  const auto data = folder->log() / "data.mdb";
  if (::access(data.c_str(), R_OK) != 0 && errno == EACCES)
    return file_error(errno, "opening", data);
  const SharedTrace trace;
  int ends[2];
  if (!trace || ::pipe2(ends, O_CLOEXEC) != 0) return file_error(errno, "checking", path);
  File in(ends[0]), out(ends[1]);
  const pid_t child = ::fork();
  if (child < 0) return file_error(errno, "starting the check of", path);
  if (child == 0) run_child(*folder, *trace, out, trusted);
  out = File();
  return Parent(std::move(in), child, *trace, progress).run();
}

}  // namespace mlforge::storage
