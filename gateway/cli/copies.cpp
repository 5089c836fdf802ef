// backup, restore and fork: whole copies of a data folder.
#include "gateway/copies.hpp"

#include <fmt/format.h>

#include <chrono>
#include <thread>

#include "events/checks.hpp"
#include "gateway/cli/folders.hpp"
#include "gateway/cli/groups.hpp"
#include "gateway/cli/progress.hpp"
#include "storage/blob_place.hpp"
#include "storage/cursor_store.hpp"
#include "storage/verify.hpp"

namespace mlforge::gateway::cli {
namespace {

namespace fs = std::filesystem;

struct CopyRow {
  std::string folder;
  Position position = 0;
  std::string log_id, time;
  std::uint64_t blobs = 0, blob_bytes = 0, missing_blobs = 0;
  double seconds = 0;
  static constexpr auto fields() {
    return FieldList{field("folder", &CopyRow::folder),
                     field("position", &CopyRow::position),
                     field("log_id", &CopyRow::log_id),
                     field("time", &CopyRow::time),
                     field("blobs", &CopyRow::blobs),
                     field("blob_bytes", &CopyRow::blob_bytes),
                     field("missing_blobs", &CopyRow::missing_blobs),
                     field("seconds", &CopyRow::seconds)};
  }
};

// A backup as the server tells of it.
struct BackupState {
  std::string name, state, folder, error, log_id, time;
  Position position = 0, done = 0;
  std::uint64_t blobs = 0, blob_bytes = 0, missing_blobs = 0;
  static constexpr auto fields() {
    return FieldList{field("name", &BackupState::name),
                     field("state", &BackupState::state),
                     field("folder", &BackupState::folder),
                     field("error", &BackupState::error),
                     field("log_id", &BackupState::log_id),
                     field("time", &BackupState::time),
                     field("position", &BackupState::position),
                     field("done", &BackupState::done),
                     field("blobs", &BackupState::blobs),
                     field("blob_bytes", &BackupState::blob_bytes),
                     field("missing_blobs", &BackupState::missing_blobs)};
  }
};

using Clock = std::chrono::steady_clock;

int show(const Session& s, const CopyRow& row) {
  if (s.json)
    s.line(to_json(row));
  else
    s.facts({{"folder", row.folder},
             {"up to position", std::to_string(row.position)},
             {"log id", row.log_id},
             {"blobs", fmt::format("{} ({})", row.blobs, bytes_text(row.blob_bytes))},
             {"seconds", fmt::format("{:.2f}", row.seconds)}});
  if (row.missing_blobs == 0) return kOk;
  s.note(fmt::format("{} files that events name are not in the store", row.missing_blobs));
  return kFindings;
}

CopyRow row_of(const Origin& origin, const std::string& folder, Clock::time_point start) {
  return {folder,       origin.position,   origin.log_id,        origin.time,
          origin.blobs, origin.blob_bytes, origin.missing_blobs, seconds_since(start)};
}

using Copy = Expected<Origin> (*)(const storage::Log&, const CopyRequest&);

// Opens a folder that nobody has open and makes a copy of it.
Expected<CopyRow> copy(const Session& s, const Config& config, const std::string& at,
                       CopyRequest request, Copy how) {
  const auto start = Clock::now();
  if (request.to.empty()) return invalid("output", "must name a new folder");
  const auto log = look_at_folder(config);
  if (!log) return log.error();
  const auto position =
      at.empty() ? Expected<Position>((*log)->head()) : parse_moment(**log, at, "at");
  if (!position) return position.error();
  ProgressBar bar(s.io, request.kind);
  request.from = config.data_dir;
  request.at = *position;
  request.map_bytes = (*log)->map_bytes();
  request.progress = [&bar](std::uint64_t done, std::uint64_t total) {
    bar.update(done, total);
    return true;
  };
  const auto origin = how(**log, request);
  bar.clear();
  if (!origin) return origin.error();
  auto row = row_of(*origin, request.to.string(), start);
  if (const auto id = storage::DataFolder::open_existing(request.to))
    row.log_id = to_string(id->format().log_id);
  return row;
}

Expected<Origin> copy_with_blobs(const storage::Log& log, const CopyRequest& request) {
  const auto blobs = storage::look_at_blobs(request.from / "blobs", storage::environment_variable);
  if (!blobs) return blobs.error();
  CopyRequest with_cursors = request;
  const auto cursors = request.from / "subscriptions";
  std::error_code ignored;
  if (std::filesystem::exists(cursors, ignored))
    with_cursors.copy_cursors = [&](const std::filesystem::path& folder) {
      return storage::copy_cursors(cursors, folder, log.log_id());
    };
  return copy_folder(log, **blobs, with_cursors);
}

int backup_folder(const Session& s, const Config& config, const std::string& to) {
  const auto row = copy(s, config, "", {.kind = "backup", .to = to}, copy_with_blobs);
  return row ? show(s, *row) : s.fail(row.error());
}

// The server makes it in its own folder; this asks until it is done.
int backup_server(const Session& s, const std::string& name) {
  const auto start = Clock::now();
  Api api = s.api();
  std::string body = "{\"destination\":";
  append_json_string(body, name);
  auto answer = api.post_as<BackupState>("/api/v1/backup", body + "}");
  ProgressBar bar(s.io, "backup");
  while (answer && answer->value.state == "running") {
    bar.update(answer->value.done, answer->value.position);
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    answer = api.get_as<BackupState>("/api/v1/backups/" + escape(name));
  }
  bar.clear();
  if (!answer) return s.fail(answer.error());
  const auto& state = answer->value;
  if (state.state != "done") return s.fail({ErrorCode::internal, state.error, ""});
  return show(s, {state.folder, state.position, state.log_id, state.time, state.blobs,
                  state.blob_bytes, state.missing_blobs, seconds_since(start)});
}

// What is restored is checked first, so that nobody goes on with a damaged copy.
int restore(const Session& s, Config config, const std::string& from) {
  const std::string to = std::exchange(config.data_dir, from);
  ProgressBar bar(s.io, "verifying");
  const auto report = storage::verify_log(
      from, [&](std::uint64_t done, std::uint64_t total) { bar.update(done, total); });
  bar.clear();
  if (!report) return s.fail(report.error());
  if (!report->what.empty())
    return s.fail({ErrorCode::corrupt,
                   "the backup is damaged and was not restored: " + report->what, "backup"});
  const auto row = copy(s, config, "", {.kind = "restore", .to = to}, copy_with_blobs);
  return row ? show(s, *row) : s.fail(row.error());
}

void add_backup(CLI::App& root, Session& s) {
  struct Options {
    std::shared_ptr<ConfigFlags> flags;
    std::string to;
  };
  const auto o = std::make_shared<Options>();
  auto* c = s.remote(root, "backup", "Copy the log and its blobs, while the server runs or not",
                     "  mlforge backup -o monday\n"
                     "  mlforge backup --data ./mlforge-data -o /mnt/backup/monday",
                     [&s, o] {
                       if (o->flags->values.empty()) return backup_server(s, o->to);
                       const auto loaded = s.load(*o->flags);
                       if (!loaded) return s.fail(loaded.error());
                       return backup_folder(s, loaded->config, o->to);
                     });
  o->flags = s.add_config(*c, {"data_dir", "log_map_gib"});
  c->add_option("-o,--output", o->to,
                "New folder; of a server, a name below the folder backups/ of its data")
      ->type_name("DEST")
      ->required();
}

void add_restore(CLI::App& root, Session& s) {
  struct Options {
    std::shared_ptr<ConfigFlags> flags;
    std::string from;
  };
  const auto o = std::make_shared<Options>();
  auto* c =
      s.command(root, "restore", "Check a backup and make a data folder of it",
                "  mlforge restore /mnt/backup/monday --data ./mlforge-data", [&s, o] {
                  const auto loaded = s.load(*o->flags);
                  return loaded ? restore(s, loaded->config, o->from) : s.fail(loaded.error());
                });
  c->add_option("backup", o->from, "Folder of the backup")->required();
  o->flags = s.add_config(*c, {"data_dir", "log_map_gib"});
}

}  // namespace

void add_copy_commands(CLI::App& root, Session& s) {
  add_backup(root, s);
  add_restore(root, s);
  struct Options {
    std::shared_ptr<ConfigFlags> flags;
    std::string at, to;
  };
  const auto o = std::make_shared<Options>();
  auto* c = s.command(
      root, "fork", "Copy the log up to a moment into a scratch folder, as a log of its own",
      "  mlforge fork --data ./mlforge-data --at 1200 -o ./scratch\n"
      "  mlforge fork --at 2026-11-21T09:30:00Z -o ./scratch",
      [&s, o] {
        const auto loaded = s.load(*o->flags);
        if (!loaded) return s.fail(loaded.error());
        const auto row = copy(s, loaded->config, o->at, {.kind = "fork", .to = o->to}, fork_folder);
        return row ? show(s, *row) : s.fail(row.error());
      });
  o->flags = s.add_config(*c, {"data_dir", "log_map_gib"});
  c->add_option("--at", o->at,
                "The last event that it has: a position or an RFC 3339 time "
                "(default: all)")
      ->type_name("WHEN");
  c->add_option("-o,--output", o->to, "New folder")->type_name("SCRATCH")->required();
}

}  // namespace mlforge::gateway::cli
