// Backups that a server makes of itself while it serves.
#include <algorithm>
#include <mutex>

#include "events/checks.hpp"
#include "gateway/archivist.hpp"
#include "gateway/copies.hpp"
#include "gateway/handlers.hpp"

namespace mlforge::gateway {
namespace {

namespace fs = std::filesystem;
using http::Reply;
using http::Request;

struct BackupRequest {
  std::string destination;  // a name below backups/ in the data folder
  static constexpr auto fields() {
    return FieldList{required("destination", &BackupRequest::destination)};
  }
};

// How a backup stands.
struct BackupRow {
  std::string name, state;  // running, done, failed
  std::string folder;
  Position position = 0;  // what the backup ends with
  std::uint64_t done = 0;
  std::string log_id, time, error;
  std::uint64_t blobs = 0, blob_bytes = 0, missing_blobs = 0;
  static constexpr auto fields() {
    return FieldList{field("name", &BackupRow::name),
                     field("state", &BackupRow::state),
                     field("folder", &BackupRow::folder),
                     field("position", &BackupRow::position),
                     field("done", &BackupRow::done),
                     field("log_id", &BackupRow::log_id),
                     field("time", &BackupRow::time),
                     field("error", &BackupRow::error),
                     field("blobs", &BackupRow::blobs),
                     field("blob_bytes", &BackupRow::blob_bytes),
                     field("missing_blobs", &BackupRow::missing_blobs)};
  }
};

void take_origin(BackupRow& row, const Origin& origin) {
  row.state = "done";
  row.position = row.done = origin.position;
  row.log_id = origin.log_id;
  row.time = origin.time;
  row.blobs = origin.blobs;
  row.blob_bytes = origin.blob_bytes;
  row.missing_blobs = origin.missing_blobs;
}

fs::path backups_folder(const App& app) { return fs::path(app.config.data_dir) / "backups"; }

// No separator and no leading dot, so that no name leaves the folder.
Status check_backup_name(const std::string& name) {
  const bool plain = std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-' ||
           c == '_' || c == '.';
  });
  if (plain && !name.empty() && name.size() <= 100 && name.front() != '.') return {};
  return invalid("destination",
                 "must be a name below the folder backups/ of the server's data: letters, digits, "
                 "'-', '_' and '.', not beginning with '.'");
}

// The last backup that was asked for; one runs at a time.
class Backups {
 public:
  Expected<BackupRow> begin(const App& app, const std::string& name) {
    const std::lock_guard lock(mutex_);
    if (last_.state == "running")
      return conflict("backup '" + last_.name + "' is being made; ask again when it is done");
    std::error_code ignored;
    const auto folder = backups_folder(app);
    if (fs::exists(folder / name, ignored))
      return Error{ErrorCode::already_exists, "backup '" + name + "' is there already",
                   "destination"};
    // What a server that was killed left unfinished.
    for (fs::directory_iterator at(folder, ignored), end; !ignored && at != end;
         at.increment(ignored))
      if (at->path().filename().string().starts_with('.')) fs::remove_all(at->path(), ignored);
    last_ = {.name = name,
             .state = "running",
             .folder = fs::absolute(folder / name, ignored).lexically_normal().string(),
             .position = app.log->head(),
             .log_id = to_string(app.log->log_id())};
    return last_;
  }

  void run(const App& app, const BackupRow& row) {
    CopyRequest request{
        .kind = "backup",
        .from = app.config.data_dir,
        .to = backups_folder(app) / row.name,
        .at = row.position,
        .map_bytes = app.log->map_bytes(),
        .progress =
            [&](std::uint64_t done, std::uint64_t) {
              const std::lock_guard lock(mutex_);
              last_.done = done;
              return !app.stopping;
            },
        .copy_cursors = [&app](const fs::path& folder) { return app.cursors->copy(folder); }};
    const auto origin = copy_folder(*app.log, *app.blobs, request);
    const std::lock_guard lock(mutex_);
    if (origin) return take_origin(last_, *origin);
    last_.state = "failed";
    last_.error = origin.error().message;
  }

  Expected<BackupRow> find(const App& app, const std::string& name) const {
    {
      const std::lock_guard lock(mutex_);
      if (last_.name == name) return last_;
    }
    if (check_backup_name(name)) return not_found("backup", name);
    const auto folder = backups_folder(app) / name;
    const auto origin = read_origin(folder);
    if (!origin) return not_found("backup", name);
    std::error_code ignored;
    BackupRow row{.name = name, .folder = fs::absolute(folder, ignored).string()};
    take_origin(row, *origin);
    return row;
  }

 private:
  mutable std::mutex mutex_;
  BackupRow last_;
};

void start_backup(App& app, const std::shared_ptr<Backups>& backups, const Request& request,
                  Reply reply) {
  const auto body = read_body<BackupRequest>(request, reply);
  if (!body) return;
  if (auto bad = check_backup_name(body->destination)) return reply.send(*bad);
  auto held = app.archivist->hold();  // before the position is taken
  const auto row = backups->begin(app, body->destination);
  if (!row) return reply.send(row.error());
  app.workers->post(
      [&app, backups, held = std::move(held), row = *row] { backups->run(app, row); });
  reply.send(http::Response::json(to_json(*row), 202));
}

}  // namespace

void add_backup_routes(App& app, http::Router& router) {
  const auto backups = std::make_shared<Backups>();
  router.post(
      "/api/v1/backup",
      [&app, backups](const Request& q, Reply r) { start_backup(app, backups, q, std::move(r)); },
      {.summary = "Makes a backup of the running server in its own folder backups/",
       .tag = "system",
       .body = json_schema<BackupRequest>(),
       .response = json_schema<BackupRow, schema::Numbers::any>(),
       .status = 202,
       .reads_write_headers = false});
  router.get("/api/v1/backups/{name}",
             [&app, backups](const Request& q, Reply r) {
               const auto row = backups->find(app, std::string(q.param("name")));
               if (!row) return r.send(row.error());
               r.send(http::Response::json(to_json(*row)));
             },
             {.summary = "How a backup stands",
              .tag = "system",
              .response = json_schema<BackupRow, schema::Numbers::any>()});
}

}  // namespace mlforge::gateway
