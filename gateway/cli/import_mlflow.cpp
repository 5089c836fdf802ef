#include "gateway/cli/import_mlflow.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstring>

#include "gateway/cli/import_mlflow_copy.hpp"

namespace mlforge::gateway::cli {
namespace {

struct ImportMlflowOptions {
  std::string source, artifacts = "reference", artifacts_from, workspace = "default", data;
  bool dry_run = false;
};

// A server on a folder that no other has open, for as long as the import takes.
class OwnServer {
 public:
  OwnServer() = default;
  OwnServer(const OwnServer&) = delete;
  OwnServer& operator=(const OwnServer&) = delete;
  ~OwnServer() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGTERM);
    ::waitpid(pid_, nullptr, 0);
    ::close(out_);
  }

  // Its URL.
  Expected<std::string> start(const std::string& folder) {
    std::array<int, 2> pipe{};
    if (::pipe2(pipe.data(), O_CLOEXEC) != 0)
      return Error{ErrorCode::internal, std::strerror(errno), ""};
    pid_ = ::fork();
    if (pid_ < 0) return Error{ErrorCode::internal, std::strerror(errno), ""};
    if (pid_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGTERM);
      ::dup2(pipe[1], STDOUT_FILENO);
      const char* args[] = {"mlforge",     "serve",       "--data-dir", folder.c_str(),
                            "--listen",    "127.0.0.1:0", "--nats",     "off",
                            "--log-level", "warn",        nullptr};
      ::execv("/proc/self/exe", const_cast<char**>(args));
      ::_exit(127);
    }
    ::close(pipe[1]);
    out_ = pipe[0];
    std::string line;
    for (char c; ::read(out_, &c, 1) == 1 && c != '\n';) line += c;
    if (const auto at = line.find("http://"); at != line.npos) return line.substr(at);
    return Error{ErrorCode::unavailable, "no server could be started on the folder " + folder, ""};
  }

 private:
  int pid_ = 0, out_ = -1;
};

// The URL of a database may hold a password.
std::string without_secret(const std::string& source) {
  const auto at = source.rfind('@');
  if (!source.starts_with("postgres") || at == source.npos) return source;
  return source.substr(0, source.find("://") + 3) + source.substr(at + 1);
}

int import_mlflow(const Session& s, const ImportMlflowOptions& o) {
  if (!o.data.empty() && !s.server.empty())
    return s.fail({ErrorCode::invalid_argument,
                   "--data and --server name two places to import into: take one", "data"});
  auto source = open_mlflow_source(o.source, o.workspace);
  if (!source) return s.fail(source.error());
  OwnServer own;
  std::string url = s.url();
  if (!o.data.empty()) {
    auto started = own.start(o.data);
    if (!started) return s.fail(started.error());
    url = *std::move(started);
  }
  Api api(url, s.actor());
  MlflowImporter importer(s, **source, api,
                          {.dry_run = o.dry_run,
                           .copy_artifacts = o.artifacts == "copy",
                           .artifacts_from = o.artifacts_from});
  auto report = importer.run();
  if (!report) return s.fail(report.error());
  report->source = without_secret(o.source);
  if (!o.data.empty()) report->server = o.data;
  return show_report(s, *report);
}

}  // namespace

void add_import_mlflow(CLI::App& import, Session& s) {
  const auto o = std::make_shared<ImportMlflowOptions>();
  auto* c = s.remote(
      import, "mlflow", "Bring over what another MLflow server holds, and compare",
      "  mlforge import mlflow sqlite:///mlflow.db\n"
      "  mlforge import mlflow sqlite:////srv/mlflow/mlflow.db --artifacts copy --artifacts-from "
      "/srv/mlflow/mlartifacts\n"
      "  mlforge import mlflow postgresql://mlflow:secret@db.example.org/mlflow --server "
      "http://127.0.0.1:8000\n"
      "  mlforge import mlflow ./mlruns --data ./mlforge-data\n"
      "  mlforge import mlflow ./mlruns --dry-run --json\n\n"
      "Run it again after a break, or when the old server has gone on: what is there is not\n"
      "written twice. Exit code 6: something differs or was refused; the report says what.",
      [&s, o] { return import_mlflow(s, *o); });
  c->add_option("source", o->source,
                "sqlite:///FILE, postgresql://USER:PASSWORD@HOST/DATABASE, or a folder (mlruns)")
      ->required()
      ->type_name("SOURCE");
  c->add_option("--artifacts", o->artifacts,
                "reference: they stay where they are; copy: those in local folders come along")
      ->check(CLI::IsMember({"reference", "copy"}))
      ->type_name("HOW");
  c->add_option("--artifacts-from", o->artifacts_from,
                "The folder behind mlflow-artifacts:/ (--artifacts-destination of the old server)")
      ->type_name("DIR");
  c->add_option("--workspace", o->workspace, "Of a database with several, the one to import")
      ->type_name("NAME");
  c->add_option("--data", o->data, "Import into this folder, which no server has open")
      ->type_name("DIR");
  c->add_flag("--dry-run", o->dry_run, "Only say what would be done");
}

}  // namespace mlforge::gateway::cli
