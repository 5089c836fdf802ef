#include "actors/process.hpp"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <catch2/catch.hpp>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

namespace mlforge::actors::test {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::seconds;

struct Folder {
  Folder() {
    auto name = (fs::temp_directory_path() / "mlforge-process-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()));
    path = name;
  }
  ~Folder() { fs::remove_all(path); }
  std::string file(const std::string& name) const { return (path / name).string(); }
  fs::path path;
};

std::string text_of(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

ProcessOptions shell(const std::string& script) {
  ProcessOptions options;
  options.program = "sh";
  options.arguments = {"-c", script};
  return options;
}

std::unique_ptr<Process> start(ProcessOptions options) {
  auto process = Process::spawn(std::move(options));
  INFO((process ? "" : process.error().message));
  REQUIRE(process);
  return std::move(*process);
}

// Waits for a line in a file that a child writes, by polling; what passes does not depend on how
// often.
std::string wait_for_text(const std::string& path) {
  const auto until = std::chrono::steady_clock::now() + seconds(60);
  while (std::chrono::steady_clock::now() < until) {
    if (auto text = text_of(path); text.find('\n') != std::string::npos) return text;
    std::this_thread::sleep_for(milliseconds(2));  // poll: it is another process
  }
  return "";
}

bool gone(pid_t pid) {
  const auto until = std::chrono::steady_clock::now() + seconds(60);
  while (std::chrono::steady_clock::now() < until) {
    if (::kill(pid, 0) != 0) return true;
    // A zombie whose parent does not reap it is gone for us.
    const auto stat = text_of("/proc/" + std::to_string(pid) + "/stat");
    if (stat.find(") Z ") != std::string::npos) return true;
    std::this_thread::sleep_for(milliseconds(2));  // poll: it is another process
  }
  return false;
}

}  // namespace

TEST_CASE("process: exit code, output, environment and working directory", "[process]") {
  Folder folder;
  auto options = shell("echo \"$GREETING\"; pwd; echo problem >&2; exit 7");
  options.environment = {{"GREETING", "hello there"}};
  options.working_directory = folder.path.string();
  options.output_file = folder.file("out");
  std::atomic<int> code{-1};
  options.on_exit = [&](const ExitStatus& status) { code = status.code; };
  auto process = start(std::move(options));
  const auto status = process->wait(seconds(60));
  REQUIRE(status);
  CHECK(status->code == 7);
  CHECK(status->signal == 0);
  CHECK_FALSE(status->ok());
  CHECK_FALSE(process->running());
  CHECK_FALSE(process->signal(SIGTERM));
  CHECK(to_string(*status) == "exit code 7");
  process.reset();  // joins the thread that calls on_exit
  CHECK(code == 7);
  CHECK(text_of(folder.file("out")) ==
        "hello there\n" + fs::canonical(folder.path).string() + "\nproblem\n");
}

TEST_CASE("process: what cannot be started is said", "[process]") {
  ProcessOptions missing;
  missing.program = "no-such-program-anywhere";
  const auto a = Process::spawn(missing);
  REQUIRE_FALSE(a);
  CHECK(a.error().code == ErrorCode::not_found);
  CHECK(a.error().field == "program");

  auto options = shell("true");
  options.working_directory = "/no/such/folder";
  const auto b = Process::spawn(options);
  REQUIRE_FALSE(b);
  CHECK(b.error().field == "working_directory");

  options = shell("true");
  options.output_file = "/no/such/folder/out";
  const auto c = Process::spawn(options);
  REQUIRE_FALSE(c);
  CHECK(c.error().field == "output_file");

  Folder folder;
  { std::ofstream(folder.file("garbage")) << "\x01\x02not a program"; }
  fs::permissions(folder.file("garbage"), fs::perms::owner_all);
  ProcessOptions garbage;
  garbage.program = folder.file("garbage");
  const auto d = Process::spawn(garbage);
  REQUIRE_FALSE(d);
  CHECK(d.error().code == ErrorCode::invalid_argument);
}

TEST_CASE("process: terminate asks first and kills after the deadline", "[process]") {
  Folder folder;
  auto polite = shell("trap 'exit 3' TERM; echo ready; while :; do sleep 0.01; done");
  polite.output_file = folder.file("polite");
  auto a = start(std::move(polite));
  REQUIRE(wait_for_text(folder.file("polite")) == "ready\n");
  CHECK(a->running());
  CHECK(a->terminate(seconds(60)).code == 3);

  auto stubborn = shell("trap '' TERM; echo ready; while :; do sleep 0.01; done");
  stubborn.output_file = folder.file("stubborn");
  auto b = start(std::move(stubborn));
  REQUIRE(wait_for_text(folder.file("stubborn")) == "ready\n");
  const auto status = b->terminate(milliseconds(50));
  CHECK(status.signal == SIGKILL);
  CHECK(to_string(status) == "signal 9 (Killed)");
}

TEST_CASE("process: a child leaves no grandchildren and inherits no open file", "[process]") {
  Folder folder;
  const int opened = ::open("/dev/null", O_RDONLY);
  const int leaked = ::fcntl(opened, F_DUPFD, 57);  // not close-on-exec
  ::close(opened);
  REQUIRE(leaked >= 57);
  auto options = shell("sleep 1000 & echo $!; [ -e /proc/$$/fd/" + std::to_string(leaked) +
                       " ] && echo open || echo closed");
  options.output_file = folder.file("out");
  auto process = start(std::move(options));
  REQUIRE(process->wait(seconds(60)));
  ::close(leaked);
  pid_t grandchild = 0;
  std::string inherited;
  std::ifstream(folder.file("out")) >> grandchild >> inherited;
  REQUIRE(grandchild > 1);
  CHECK(gone(grandchild));
  CHECK(inherited == "closed");
}

TEST_CASE("process: a child outlives the thread that started it, not the process", "[process]") {
  Folder folder;
  std::unique_ptr<Process> process;
  std::thread([&] { process = start(shell("exec sleep 1000")); }).join();
  CHECK_FALSE(process->wait(milliseconds(50)));
  CHECK(process->running());

  // A copy of this program starts a child and dies at once, without any clean-up.
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  const pid_t copy = ::fork();
  if (copy == 0) {
    auto child = Process::spawn(shell("exec sleep 1000"));
    const pid_t pid = child ? (*child)->pid() : 0;
    [[maybe_unused]] const auto n = ::write(ends[1], &pid, sizeof pid);
    ::kill(::getpid(), SIGKILL);
  }
  ::close(ends[1]);
  pid_t orphan = 0;
  REQUIRE(::read(ends[0], &orphan, sizeof orphan) == sizeof orphan);
  ::close(ends[0]);
  REQUIRE(orphan > 1);
  int status = 0;
  REQUIRE(::waitpid(copy, &status, 0) == copy);
  CHECK(gone(orphan));
}

TEST_CASE("process: a stale child is stopped, a stranger with its pid is not", "[process]") {
  Folder folder;
  const auto pid_file = folder.file("child.pid");
  auto process = start(shell("exec sleep 1000"));
  REQUIRE_FALSE(write_pid_file(pid_file, process->pid()));
  auto text = text_of(pid_file);
  {
    // The same pid, started at another time.
    const auto space = text.find(' ');
    std::ofstream(pid_file) << text.substr(0, space) << " 1"
                            << text.substr(text.find(' ', space + 1));
  }
  CHECK_FALSE(stop_stale(pid_file, seconds(60)));
  CHECK(process->running());
  CHECK_FALSE(fs::exists(pid_file));

  std::ofstream(pid_file) << text;
  CHECK(stop_stale(pid_file, seconds(60)));
  const auto status = process->wait(seconds(60));
  REQUIRE(status);
  CHECK(status->signal == SIGTERM);
  CHECK_FALSE(fs::exists(pid_file));
  CHECK_FALSE(stop_stale(pid_file, seconds(60)));
}

}  // namespace mlforge::actors::test
