// An MLflow database, of any version since 1.0: what a table or a column does not have yet is
// absent.
#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include "gateway/cli/import_mlflow_database.hpp"
#include "gateway/cli/import_mlflow_source.hpp"

namespace mlforge::gateway::cli {
namespace {

// Tables of what does not come along.
constexpr std::pair<const char*, const char*> kLeftOut[] = {
    {"trace_info", "traces"},
    {"assessments", "assessments of traces"},
    {"webhooks", "webhooks"},
    {"evaluation_datasets", "evaluation datasets"},
    {"scorers", "scorers"},
    {"issues", "issues"},
    {"endpoints", "gateway endpoints"},
    {"mcp_servers", "MCP servers"},
    {"review_queues", "review queues"}};

class SqlSource : public MlflowSource {
 public:
  SqlSource(std::unique_ptr<Database> db, std::string workspace)
      : db_(std::move(db)), workspace_(std::move(workspace)) {}

  // Reads what the tables look like.
  Status prepare() {
    for (const char* table :
         {"experiments", "runs", "metrics", "inputs", "datasets", "logged_models",
          "registered_models", "model_versions", "registered_model_aliases", "experiment_tags",
          "model_version_tags", "registered_model_tags", "input_tags", "logged_model_metrics"}) {
      auto columns = db_->columns(table);
      if (!columns) return columns.error();
      columns_[table] = *std::move(columns);
    }
    if (has("experiments") && has("runs") && has("metrics")) return {};
    return Error{ErrorCode::invalid_argument,
                 "this database is not MLflow's: it has no tables experiments, runs and metrics",
                 "source"};
  }

  Expected<SourceCounts> count() override {
    SourceCounts out;
    const auto number = [this](const std::string& sql, const std::vector<std::string>& values) {
      std::uint64_t n = 0;
      last_ = db_->query(sql, values, [&](const DatabaseRow& row) {
        n = static_cast<std::uint64_t>(row.integer(0));
      });
      return n;
    };
    out.runs = number("SELECT count(*) FROM runs", {});
    if (last_) return *last_;
    out.points = number("SELECT count(*) FROM metrics", {});
    if (last_) return *last_;
    for (const auto& [table, name] : kLeftOut) {
      const auto columns = db_->columns(table);
      if (!columns) return columns.error();
      if (columns->empty()) continue;
      const auto n = number(std::string("SELECT count(*) FROM ") + table, {});
      if (last_) return *last_;
      if (n) out.left_out.emplace_back(name, n);
    }
    if (has("model_versions", "status"))
      if (const auto n = number("SELECT count(*) FROM model_versions WHERE status <> 'READY' AND "
                                "current_stage <> 'Deleted_Internal'",
                                {}))
        out.left_out.emplace_back("states of model versions that are not READY", n);
    if (has("experiments", "workspace")) {
      const auto n =
          number("SELECT count(*) FROM experiments WHERE workspace <> $1", {workspace_}) +
          (has("registered_models", "workspace")
               ? number("SELECT count(*) FROM registered_models WHERE workspace <> $1",
                        {workspace_})
               : 0);
      if (n) out.left_out.emplace_back("experiments and models of other workspaces", n);
    }
    if (last_) return *last_;
    return out;
  }

  Expected<std::vector<ImportExperiment>> experiments() override {
    std::vector<ImportExperiment> out;
    auto bad = db_->query("SELECT experiment_id, name, artifact_location, lifecycle_stage, " +
                              pick("experiments", "creation_time") + ", " +
                              pick("experiments", "last_update_time") + " FROM experiments" +
                              in_workspace("experiments", " WHERE ") + " ORDER BY experiment_id",
                          workspace_values("experiments"), [&](const DatabaseRow& row) {
                            out.push_back({.experiment_id = row.text(0),
                                           .name = row.text(1),
                                           .artifact_location = row.text(2),
                                           .deleted = row.text(3) == "deleted",
                                           .creation_time = row.integer(4) * kUsPerMs,
                                           .last_update_time = row.integer(5) * kUsPerMs,
                                           .tags = {}});
                          });
    if (bad) return *bad;
    if (!has("experiment_tags")) return out;
    std::map<std::string, Texts> tags;
    bad = db_->query("SELECT experiment_id, key, value FROM experiment_tags", {},
                     [&](const DatabaseRow& row) { tags[row.text(0)][row.text(1)] = row.text(2); });
    if (bad) return *bad;
    for (auto& each : out) each.tags = std::move(tags[each.experiment_id]);
    return out;
  }

  Expected<std::vector<std::string>> run_ids(const std::string& experiment_id) override {
    std::vector<std::string> out;
    auto bad = db_->query(
        "SELECT run_uuid FROM runs WHERE experiment_id = $1 ORDER BY start_time, run_uuid",
        {experiment_id}, [&](const DatabaseRow& row) { out.push_back(row.text(0)); });
    if (bad) return *bad;
    return out;
  }

  Expected<ImportRun> run(const std::string&, const std::string& id) override {
    ImportRun out;
    out.run_id = id;
    std::string status;
    auto bad = db_->query("SELECT " + pick("runs", "name") +
                              ", user_id, status, start_time, end_time, lifecycle_stage, "
                              "artifact_uri, experiment_id FROM runs WHERE run_uuid = $1",
                          {id}, [&](const DatabaseRow& row) {
                            out.name = row.text(0);
                            out.user_id = row.text(1);
                            status = row.text(2);
                            out.start_time = row.integer(3) * kUsPerMs;
                            out.end_time = row.integer(4) * kUsPerMs;
                            out.deleted = row.text(5) == "deleted";
                            out.artifact_uri = row.text(6);
                            out.experiment_id = row.text(7);
                          });
    if (bad) return *bad;
    out.status = run_status(status);
    if (out.status.empty())
      return Error{ErrorCode::corrupt, "run " + id + " has the unknown status '" + status + "'",
                   "source"};
    if ((bad = texts("SELECT key, value FROM params WHERE run_uuid = $1", id, out.params)))
      return *bad;
    if ((bad = texts("SELECT key, value FROM tags WHERE run_uuid = $1", id, out.tags))) return *bad;
    if (const auto name = out.tags.find("mlflow.runName");
        out.name.empty() && name != out.tags.end())
      out.name = name->second;
    if ((bad = inputs(out))) return *bad;
    if ((bad = points(out))) return *bad;
    return out;
  }

  Expected<std::vector<ImportLoggedModel>> logged_models() override {
    std::vector<ImportLoggedModel> out;
    if (!has("logged_models")) return out;
    std::string wrong;
    auto bad = db_->query(
        "SELECT model_id, m.experiment_id, m.name, source_run_id, model_type, "
        "m.artifact_location, status, m.lifecycle_stage, creation_timestamp_ms, "
        "last_updated_timestamp_ms FROM logged_models m JOIN experiments e ON e.experiment_id = "
        "m.experiment_id" +
            in_workspace("experiments", " WHERE e.") + " ORDER BY creation_timestamp_ms, model_id",
        workspace_values("experiments"), [&](const DatabaseRow& row) {
          out.push_back({.logged_model_id = row.text(0),
                         .experiment_id = row.text(1),
                         .name = row.text(2),
                         .source_run_id = row.text(3),
                         .model_type = row.text(4),
                         .artifact_uri = row.text(5),
                         .status = logged_model_status(row.text(6)),
                         .deleted = row.text(7) == "deleted",
                         .creation_time = row.integer(8) * kUsPerMs,
                         .last_update_time = row.integer(9) * kUsPerMs,
                         .params = {},
                         .tags = {}});
        });
    if (bad) return *bad;
    for (auto& each : out) {
      const auto& id = each.logged_model_id;
      bad = texts("SELECT param_key, param_value FROM logged_model_params WHERE model_id = $1", id,
                  each.params);
      if (!bad)
        bad = texts("SELECT tag_key, tag_value FROM logged_model_tags WHERE model_id = $1", id,
                    each.tags);
      if (bad) return *bad;
    }
    return out;
  }

  Expected<std::vector<std::string>> models() override {
    std::vector<std::string> out;
    if (!has("registered_models")) return out;
    auto bad = db_->query("SELECT name FROM registered_models" +
                              in_workspace("registered_models", " WHERE ") + " ORDER BY name",
                          workspace_values("registered_models"),
                          [&](const DatabaseRow& row) { out.push_back(row.text(0)); });
    if (bad) return *bad;
    return out;
  }

  Expected<ImportModel> model(const std::string& name) override {
    ImportModel out{.model = name, .description = {}, .tags = {}, .versions = {}, .aliases = {}};
    const auto where = [&](const char* table) {
      return std::string(" FROM ") + table + " WHERE name = $1" +
             in_workspace(table, " AND ", "$2");
    };
    const auto values = [&](const char* table) {
      auto all = workspace_values(table);
      all.insert(all.begin(), name);
      return all;
    };
    auto bad = db_->query(
        "SELECT description, creation_time, last_updated_time" + where("registered_models"),
        values("registered_models"), [&](const DatabaseRow& row) {
          out.description = row.text(0);
          out.creation_time = row.integer(1) * kUsPerMs;
          out.last_update_time = row.integer(2) * kUsPerMs;
        });
    if (!bad && has("registered_model_tags"))
      bad = db_->query("SELECT key, value" + where("registered_model_tags"),
                       values("registered_model_tags"),
                       [&](const DatabaseRow& row) { out.tags[row.text(0)] = row.text(1); });
    if (!bad && has("registered_model_aliases"))
      bad = db_->query("SELECT alias, version" + where("registered_model_aliases"),
                       values("registered_model_aliases"), [&](const DatabaseRow& row) {
                         out.aliases[row.text(0)] = static_cast<std::uint64_t>(row.integer(1));
                       });
    if (!bad)
      bad = db_->query("SELECT version, source, run_id, " + pick("model_versions", "run_link") +
                           ", description, current_stage, creation_time, last_updated_time, " +
                           pick("model_versions", "storage_location") + where("model_versions") +
                           " ORDER BY version",
                       values("model_versions"),
                       [&](const DatabaseRow& row) { add_version(out, row); });
    std::map<std::uint64_t, Texts> tags;
    if (!bad && has("model_version_tags"))
      bad = db_->query("SELECT version, key, value" + where("model_version_tags"),
                       values("model_version_tags"), [&](const DatabaseRow& row) {
                         tags[static_cast<std::uint64_t>(row.integer(0))][row.text(1)] =
                             row.text(2);
                       });
    if (bad) return *bad;
    for (auto& version : out.versions) {
      if (version.deleted) continue;
      version.tags = std::move(tags[version.version]);
    }
    return out;
  }

 private:
  bool has(const char* table, const char* column = nullptr) const {
    const auto at = columns_.find(table);
    return at != columns_.end() && !at->second.empty() && (!column || at->second.contains(column));
  }
  std::string pick(const char* table, const char* column) const {
    return has(table, column) ? column : "NULL";
  }
  std::string in_workspace(const char* table, const char* before, const char* value = "$1") const {
    return has(table, "workspace") ? std::string(before) + "workspace = " + value : "";
  }
  std::vector<std::string> workspace_values(const char* table) const {
    if (has(table, "workspace")) return {workspace_};
    return {};
  }

  Status texts(const std::string& sql, const std::string& id, Texts& out) {
    return db_->query(sql, {id}, [&](const DatabaseRow& row) { out[row.text(0)] = row.text(1); });
  }

  static void add_version(ImportModel& model, const DatabaseRow& row) {
    ImportVersion v{.version = static_cast<std::uint64_t>(row.integer(0)),
                    .source = row.text(1),
                    .run_id = row.text(2),
                    .run_link = row.text(3),
                    .description = row.text(4),
                    .model_id = {},
                    .storage_location = row.text(8) == row.text(1) ? "" : row.text(8),
                    .stage = row.null(5) ? "None" : row.text(5),
                    .deleted = false,
                    .creation_time = row.integer(6) * kUsPerMs,
                    .last_update_time = row.integer(7) * kUsPerMs,
                    .tags = {}};
    if (v.stage == "Deleted_Internal")
      v = {.version = v.version, .source = "deleted", .deleted = true};
    model.versions.push_back(std::move(v));
  }

  Status inputs(ImportRun& out) {
    if (!has("inputs") || !has("datasets")) return {};
    std::vector<std::string> ids;
    auto bad = db_->query(
        "SELECT d.name, d.digest, d.dataset_source_type, d.dataset_source, d.dataset_schema, "
        "d.dataset_profile, i.input_uuid FROM inputs i JOIN datasets d ON d.dataset_uuid = "
        "i.source_id WHERE i.source_type = 'DATASET' AND i.destination_type = 'RUN' AND "
        "i.destination_id = $1 ORDER BY d.name, d.digest",
        {out.run_id}, [&](const DatabaseRow& row) {
          out.datasets.push_back({.name = row.text(0),
                                  .digest = row.text(1),
                                  .source_type = row.text(2),
                                  .source = row.text(3),
                                  .schema = row.text(4),
                                  .profile = row.text(5),
                                  .tags = {}});
          ids.push_back(row.text(6));
        });
    for (std::size_t i = 0; !bad && i < ids.size() && has("input_tags"); ++i)
      bad = texts("SELECT name, value FROM input_tags WHERE input_uuid = $1", ids[i],
                  out.datasets[i].tags);
    for (const auto& [type, role] :
         {std::pair("RUN_INPUT", "input"), std::pair("RUN_OUTPUT", "output")}) {
      if (bad) return bad;
      bad = db_->query("SELECT destination_id, " + pick("inputs", "step") +
                           " FROM inputs WHERE source_type = '" + type +
                           "' AND source_id = $1 ORDER BY destination_id",
                       {out.run_id}, [&](const DatabaseRow& row) {
                         out.models.push_back({row.text(0), role, row.integer(1)});
                       });
    }
    return bad;
  }

  Status points(ImportRun& out) {
    if (auto bad = load_model_points()) return bad;
    std::vector<RunPoint> points;
    auto bad = db_->query("SELECT key, value, timestamp, " + pick("metrics", "step") + ", " +
                              pick("metrics", "is_nan") + " FROM metrics WHERE run_uuid = $1",
                          {out.run_id}, [&](const DatabaseRow& row) {
                            const bool nan = row.integer(4) != 0;
                            points.push_back({row.text(0), row.integer(2), row.integer(3),
                                              nan ? std::nan("") : row.real(1)});
                          });
    if (bad) return bad;
    std::vector<ModelPoint> of_models;
    if (const auto at = model_points_.find(out.run_id); at != model_points_.end())
      of_models = at->second;
    restore_nans(points, of_models);
    out.metrics = series_of(std::move(points), of_models);
    return {};
  }

  // Of logged models a table says 0 for NaN, and has no column that tells the two apart.
  static void restore_nans(const std::vector<RunPoint>& of_run,
                           std::vector<ModelPoint>& of_models) {
    const auto moment = [](const auto& p) { return std::tuple(p.key, p.timestamp, p.step); };
    std::set<std::tuple<std::string, std::int64_t, std::int64_t>> nans;
    for (const auto& point : of_run)
      if (std::isnan(point.value)) nans.insert(moment(point));
    for (const auto& point : of_run)
      if (point.value == 0 && !nans.empty()) nans.erase(moment(point));
    for (auto& point : of_models)
      if (point.value == 0 && nans.contains(moment(point))) point.value = std::nan("");
  }

  // There is no index by run: read once.
  Status load_model_points() {
    if (model_points_loaded_ || !has("logged_model_metrics")) return {};
    model_points_loaded_ = true;
    return db_->query(
        "SELECT run_id, metric_name, model_id, dataset_name, dataset_digest, "
        "metric_timestamp_ms, metric_step, metric_value FROM logged_model_metrics",
        {}, [&](const DatabaseRow& row) {
          model_points_[row.text(0)].push_back({row.text(1), row.text(2), row.text(3), row.text(4),
                                                row.integer(5), row.integer(6),
                                                row.null(7) ? std::nan("") : row.real(7)});
        });
  }

  std::unique_ptr<Database> db_;
  std::string workspace_;
  std::map<std::string, std::set<std::string>> columns_;
  std::map<std::string, std::vector<ModelPoint>> model_points_;
  bool model_points_loaded_ = false;
  Status last_;
};

bool is_sqlite_file(const std::filesystem::path& path) {
  std::error_code ignored;
  return std::filesystem::is_regular_file(path, ignored);
}

Expected<std::unique_ptr<MlflowSource>> open_sql(Expected<std::unique_ptr<Database>> db,
                                                 const std::string& workspace) {
  if (!db) return db.error();
  auto source = std::make_unique<SqlSource>(*std::move(db), workspace);
  if (auto bad = source->prepare()) return *bad;
  return std::unique_ptr<MlflowSource>(std::move(source));
}

Error not_a_source(const std::string& where, const std::string& why) {
  return {ErrorCode::invalid_argument,
          "'" + where + "' " + why +
              ": name a database (sqlite:///mlflow.db, postgresql://user:secret@host/database) or "
              "a folder (./mlruns)",
          "source"};
}

}  // namespace

Expected<std::unique_ptr<MlflowSource>> open_mlflow_source(const std::string& where,
                                                           const std::string& workspace) {
  namespace fs = std::filesystem;
  const auto colon = where.find("://");
  const std::string scheme = colon == where.npos ? "" : where.substr(0, where.find_first_of("+:"));
  if (scheme == "postgresql" || scheme == "postgres")
    return open_sql(open_postgres("postgresql" + where.substr(colon)), workspace);
  std::string path = where;
  if (scheme == "sqlite") {
    // SQLAlchemy's form: three slashes before a relative path, four before an absolute one.
    path = where.substr(colon + 3);
    path = path.substr(0, path.find('?'));
    if (!path.starts_with('/'))
      return not_a_source(where, "has no path (sqlite:/// and then the file)");
    path.erase(0, 1);
  } else if (scheme == "file") {
    path = where.substr(colon + 3);
  } else if (scheme == "http" || scheme == "https") {
    return not_a_source(where, "is a server, and what it keeps is read where it lies");
  } else if (!scheme.empty()) {
    return not_a_source(where, "is nothing that can be read here");
  }
  std::error_code ignored;
  if (fs::is_directory(path, ignored) && scheme != "sqlite") {
    for (const auto& entry : fs::directory_iterator(path, ignored))
      if (fs::exists(entry.path() / "meta.yaml", ignored)) return open_mlflow_folder(path);
    const bool inside = fs::is_directory(fs::path(path) / "mlruns", ignored);
    return not_a_source(where, std::string("holds no experiment (a folder with a meta.yaml)") +
                                   (inside ? "; is it '" + path + "/mlruns'?" : ""));
  }
  if (!is_sqlite_file(path))
    return Error{ErrorCode::not_found, "there is no file or folder '" + path + "'", "source"};
  return open_sql(open_sqlite(path), workspace);
}

std::vector<ImportSeries> series_of(std::vector<RunPoint> points,
                                    const std::vector<ModelPoint>& of_models) {
  const auto order = [](const auto& a, const auto& b) {
    if (a.key != b.key) return a.key < b.key;
    if (a.timestamp != b.timestamp) return a.timestamp < b.timestamp;
    if (a.step != b.step) return a.step < b.step;
    // NaN behind all numbers.
    if (std::isnan(a.value) || std::isnan(b.value))
      return !std::isnan(a.value) && std::isnan(b.value);
    return a.value < b.value;
  };
  const auto same = [&](const auto& a, const auto& b) { return !order(a, b) && !order(b, a); };
  std::sort(points.begin(), points.end(), order);
  points.erase(std::unique(points.begin(), points.end(), same), points.end());
  std::map<std::array<std::string_view, 4>, ImportSeries> all;
  const auto add = [&](const RunPoint& point, const ModelPoint* model) {
    std::array<std::string_view, 4> id{point.key};
    if (model) id = {point.key, model->model_id, model->dataset_name, model->dataset_digest};
    auto& series = all[id];
    if (series.key.empty()) {
      series.key = point.key;
      if (model) series.model_id = model->model_id;
      if (model) series.dataset_name = model->dataset_name;
      if (model) series.dataset_digest = model->dataset_digest;
    }
    series.timestamps.push_back(point.timestamp);
    series.steps.push_back(point.step);
    series.values.push_back(point.value);
  };
  auto models = of_models;
  std::sort(models.begin(), models.end(), order);
  for (const auto& point : points) {
    const auto [from, to] = std::equal_range(models.begin(), models.end(), point, order);
    if (from == to) add(point, nullptr);
    for (auto at = from; at != to; ++at) add(point, &*at);
  }
  std::vector<ImportSeries> out;
  for (auto& [id, series] : all) out.push_back(std::move(series));
  return out;
}

std::string run_status(const std::string& status) {
  static constexpr std::array<const char*, 3> kStatuses[] = {{"RUNNING", "1", "running"},
                                                             {"SCHEDULED", "2", "scheduled"},
                                                             {"FINISHED", "3", "finished"},
                                                             {"FAILED", "4", "failed"},
                                                             {"KILLED", "5", "killed"}};
  for (const auto& [name, number, own] : kStatuses)
    if (status == name || status == number) return own;
  return status.empty() ? "scheduled" : "";
}

std::string logged_model_status(const std::string& status) {
  if (status == "2" || status == "READY") return "ready";
  if (status == "3" || status == "FAILED") return "upload_failed";
  return "pending";
}

}  // namespace mlforge::gateway::cli
