// What is read of another MLflow server's database and folder.
#include <sqlite3.h>
#include <catch2/catch.hpp>

#include <cmath>

#include "gateway/cli/import_mlflow_report.hpp"
#include "gateway/cli/import_mlflow_source.hpp"
#include "tests/gateway/cli_support.hpp"

using namespace mlforge;
using namespace mlforge::gateway;
using namespace mlforge::gateway::cli;
using test::TempFolder;

namespace {

// The tables of the newest version, as far as they are read.
constexpr const char* kSchema = R"(
CREATE TABLE experiments (experiment_id INTEGER PRIMARY KEY, name TEXT, artifact_location TEXT,
  lifecycle_stage TEXT, creation_time BIGINT, last_update_time BIGINT, workspace TEXT);
CREATE TABLE experiment_tags (key TEXT, value TEXT, experiment_id INTEGER);
CREATE TABLE runs (run_uuid TEXT PRIMARY KEY, name TEXT, user_id TEXT, status TEXT,
  start_time BIGINT, end_time BIGINT, lifecycle_stage TEXT, artifact_uri TEXT,
  experiment_id INTEGER);
CREATE TABLE params (key TEXT, value TEXT, run_uuid TEXT);
CREATE TABLE tags (key TEXT, value TEXT, run_uuid TEXT);
CREATE TABLE metrics (key TEXT, value DOUBLE, timestamp BIGINT, step BIGINT, is_nan BOOLEAN,
  run_uuid TEXT);
CREATE TABLE datasets (dataset_uuid TEXT, experiment_id INTEGER, name TEXT, digest TEXT,
  dataset_source_type TEXT, dataset_source TEXT, dataset_schema TEXT, dataset_profile TEXT);
CREATE TABLE inputs (input_uuid TEXT, source_type TEXT, source_id TEXT, destination_type TEXT,
  destination_id TEXT, step BIGINT);
CREATE TABLE input_tags (input_uuid TEXT, name TEXT, value TEXT);
CREATE TABLE logged_models (model_id TEXT, experiment_id INTEGER, name TEXT,
  artifact_location TEXT, creation_timestamp_ms BIGINT, last_updated_timestamp_ms BIGINT,
  status INTEGER, lifecycle_stage TEXT, model_type TEXT, source_run_id TEXT);
CREATE TABLE logged_model_params (model_id TEXT, param_key TEXT, param_value TEXT);
CREATE TABLE logged_model_tags (model_id TEXT, tag_key TEXT, tag_value TEXT);
CREATE TABLE logged_model_metrics (model_id TEXT, metric_name TEXT, metric_timestamp_ms BIGINT,
  metric_step BIGINT, metric_value DOUBLE, run_id TEXT, dataset_name TEXT, dataset_digest TEXT);
CREATE TABLE registered_models (name TEXT, creation_time BIGINT, last_updated_time BIGINT,
  description TEXT, workspace TEXT);
CREATE TABLE registered_model_tags (key TEXT, value TEXT, name TEXT, workspace TEXT);
CREATE TABLE registered_model_aliases (alias TEXT, version INTEGER, name TEXT, workspace TEXT);
CREATE TABLE model_versions (name TEXT, version INTEGER, creation_time BIGINT,
  last_updated_time BIGINT, description TEXT, current_stage TEXT, source TEXT, run_id TEXT,
  status TEXT, run_link TEXT, workspace TEXT);
CREATE TABLE model_version_tags (key TEXT, value TEXT, name TEXT, version INTEGER, workspace TEXT);
CREATE TABLE trace_info (request_id TEXT);
)";

constexpr const char* kRows = R"(
INSERT INTO experiments VALUES (0, 'Default', 'mlflow-artifacts:/0', 'active', 1, 2, 'default'),
  (4, 'e', '/srv/4', 'deleted', 1000, 2000, 'default'), (5, 'x', '', 'active', 1, 1, 'other');
INSERT INTO experiment_tags VALUES ('team', 'red', 4);
INSERT INTO runs VALUES ('aa', 'first', 'ann', 'FINISHED', 10, 20, 'deleted', '/srv/4/aa', 4),
  ('bb', NULL, NULL, 'RUNNING', 30, NULL, 'active', '/srv/4/bb', 4);
INSERT INTO params VALUES ('p', '1', 'aa'), ('empty', '', 'aa');
INSERT INTO tags VALUES ('mlflow.runName', 'second', 'bb'), ('none', NULL, 'bb');
INSERT INTO metrics VALUES ('loss', 0.1, 5, 2, 0, 'aa'), ('loss', 0.0, 4, 1, 1, 'aa'),
  ('loss', 1.7976931348623157e308, 6, 3, 0, 'aa'), ('acc', 0.30000000000000004, 7, 0, 0, 'aa');
INSERT INTO datasets VALUES ('d1', 4, 'ds', 'dig', 'local', 'src', NULL, '{}');
INSERT INTO inputs VALUES ('i1', 'DATASET', 'd1', 'RUN', 'aa', 0),
  ('i2', 'RUN_INPUT', 'aa', 'MODEL_INPUT', 'm-1', 0),
  ('i3', 'RUN_OUTPUT', 'aa', 'MODEL_OUTPUT', 'm-1', 9);
INSERT INTO input_tags VALUES ('i1', 'mlflow.data.context', 'training');
INSERT INTO logged_models VALUES ('m-1', 4, 'lm', '/srv/4/models/m-1', 11, 12, 2, 'active', 'agent',
  'aa');
INSERT INTO logged_model_params VALUES ('m-1', 'lp', '2');
INSERT INTO logged_model_tags VALUES ('m-1', 'lt', '3');
INSERT INTO logged_model_metrics VALUES ('m-1', 'acc', 7, 0, 0.30000000000000004, 'aa', 'ds', 'dig');
INSERT INTO registered_models VALUES ('M', 100, 200, 'about', 'default'),
  ('N', 1, 1, NULL, 'other');
INSERT INTO registered_model_tags VALUES ('k', 'v', 'M', 'default');
INSERT INTO registered_model_aliases VALUES ('champion', 3, 'M', 'default');
INSERT INTO model_versions VALUES
  ('M', 1, 110, 120, 'one', 'Production', '/srv/4/aa/model', 'aa', 'READY', 'link', 'default'),
  ('M', 2, 111, 121, NULL, 'Deleted_Internal', 'REDACTED', 'REDACTED', 'READY', NULL, 'default'),
  ('M', 3, 112, 122, NULL, 'None', 'models:/m-1', NULL, 'PENDING_REGISTRATION', NULL, 'default');
INSERT INTO model_version_tags VALUES ('vt', '1', 'M', 1, 'default'), ('gone', '1', 'M', 2, 'default');
INSERT INTO trace_info VALUES ('tr-1');
)";

std::string make_database(const TempFolder& folder, const std::string& sql) {
  const auto file = (folder.path / "mlflow.db").string();
  sqlite3* db = nullptr;
  REQUIRE(sqlite3_open(file.c_str(), &db) == SQLITE_OK);
  char* failed = nullptr;
  const int rc = sqlite3_exec(db, sql.c_str(), nullptr, nullptr, &failed);
  INFO((failed ? failed : ""));
  REQUIRE(rc == SQLITE_OK);
  sqlite3_close(db);
  return file;
}

std::unique_ptr<MlflowSource> open(const std::string& where) {
  auto source = open_mlflow_source(where, "default");
  if (!source) FAIL(source.error().message);
  return *std::move(source);
}

void refuse(const std::string& where, ErrorCode code, const std::string& words) {
  const auto source = open_mlflow_source(where, "default");
  REQUIRE_FALSE(source);
  CAPTURE(source.error().message);
  CHECK(error_row(source.error().code).name == error_row(code).name);
  CHECK(source.error().field == "source");
  CHECK(source.error().message.find(words) != std::string::npos);
}

void write(const std::filesystem::path& file, const std::string& text) {
  std::filesystem::create_directories(file.parent_path());
  std::ofstream(file, std::ios::binary) << text;
}

}  // namespace

TEST_CASE("import: a database of MLflow's, all of it") {
  const TempFolder folder;
  const auto file = make_database(folder, std::string(kSchema) + kRows);
  const auto source = open("sqlite:///" + file);
  const auto counts = source->count();
  REQUIRE(counts);
  CHECK(counts->runs == 2);
  CHECK(counts->points == 4);
  using Left = std::vector<std::pair<std::string, std::uint64_t>>;
  CHECK(counts->left_out == Left{{"traces", 1},
                                 {"states of model versions that are not READY", 1},
                                 {"experiments and models of other workspaces", 2}});
  const auto experiments = source->experiments();
  REQUIRE(experiments);
  REQUIRE(experiments->size() == 2);
  CHECK((*experiments)[1] == ImportExperiment{.experiment_id = "4",
                                              .name = "e",
                                              .artifact_location = "/srv/4",
                                              .deleted = true,
                                              .creation_time = 1000000,
                                              .last_update_time = 2000000,
                                              .tags = {{"team", "red"}}});
  CHECK(*source->run_ids("4") == std::vector<std::string>{"aa", "bb"});
  const auto models = source->logged_models();
  REQUIRE(models);
  CHECK(*models == std::vector<ImportLoggedModel>{{.logged_model_id = "m-1",
                                                   .experiment_id = "4",
                                                   .name = "lm",
                                                   .source_run_id = "aa",
                                                   .model_type = "agent",
                                                   .artifact_uri = "/srv/4/models/m-1",
                                                   .status = "ready",
                                                   .creation_time = 11000,
                                                   .last_update_time = 12000,
                                                   .params = {{"lp", "2"}},
                                                   .tags = {{"lt", "3"}}}});
}

TEST_CASE("import: a run of a database, with its points, datasets and models") {
  const TempFolder folder;
  const auto source = open("sqlite:///" + make_database(folder, std::string(kSchema) + kRows));
  const auto run = source->run("4", "aa");
  REQUIRE(run);
  CHECK(run->name == "first");
  CHECK(run->status == "finished");
  CHECK(run->start_time == 10000);
  CHECK(run->end_time == 20000);
  CHECK(run->deleted);
  CHECK(run->params == Texts{{"p", "1"}, {"empty", ""}});
  REQUIRE(run->datasets.size() == 1);
  CHECK(run->datasets[0].profile == "{}");
  CHECK(run->datasets[0].tags == Texts{{"mlflow.data.context", "training"}});
  CHECK(run->models == std::vector<ModelLink>{{"m-1", "input", 0}, {"m-1", "output", 9}});
  REQUIRE(run->metrics.size() == 2);
  CHECK(run->metrics[0].key == "acc");
  CHECK(run->metrics[0].model_id == "m-1");
  CHECK(run->metrics[0].dataset_digest == "dig");
  CHECK(run->metrics[0].values == std::vector<double>{0.30000000000000004});
  CHECK(run->metrics[1].model_id.empty());
  CHECK(run->metrics[1].timestamps == std::vector<std::int64_t>{4, 5, 6});
  CHECK(std::isnan(run->metrics[1].values[0]));
  CHECK(run->metrics[1].values[2] == std::numeric_limits<double>::max());
  const auto other = source->run("4", "bb");
  REQUIRE(other);
  CHECK(other->name == "second");
  CHECK(other->status == "running");
  CHECK(other->end_time == 0);
  CHECK(other->tags.at("none").empty());
}

TEST_CASE("import: a registered model of a database; a deleted version leaves its number") {
  const TempFolder folder;
  const auto source = open("sqlite:///" + make_database(folder, std::string(kSchema) + kRows));
  CHECK(*source->models() == std::vector<std::string>{"M"});
  const auto model = source->model("M");
  REQUIRE(model);
  CHECK(model->description == "about");
  CHECK(model->last_update_time == 200000);
  CHECK(model->aliases == std::map<std::string, std::uint64_t>{{"champion", 3}});
  REQUIRE(model->versions.size() == 3);
  CHECK(model->versions[0] == ImportVersion{.version = 1,
                                            .source = "/srv/4/aa/model",
                                            .run_id = "aa",
                                            .run_link = "link",
                                            .description = "one",
                                            .stage = "Production",
                                            .creation_time = 110000,
                                            .last_update_time = 120000,
                                            .tags = {{"vt", "1"}}});
  CHECK(model->versions[1].deleted);
  CHECK(model->versions[1].tags.empty());
}

TEST_CASE("import: a database from before there were names, steps and models") {
  const TempFolder folder;
  const auto file = make_database(folder, R"(
CREATE TABLE experiments (experiment_id INTEGER, name TEXT, artifact_location TEXT,
  lifecycle_stage TEXT);
CREATE TABLE runs (run_uuid TEXT, user_id TEXT, status TEXT, start_time BIGINT, end_time BIGINT,
  lifecycle_stage TEXT, artifact_uri TEXT, experiment_id INTEGER);
CREATE TABLE params (key TEXT, value TEXT, run_uuid TEXT);
CREATE TABLE tags (key TEXT, value TEXT, run_uuid TEXT);
CREATE TABLE metrics (key TEXT, value FLOAT, timestamp BIGINT, run_uuid TEXT);
INSERT INTO experiments VALUES (1, 'old', '/x', 'active');
INSERT INTO runs VALUES ('aa', 'ann', 'FAILED', 1, 2, 'active', '/x/aa', 1);
INSERT INTO metrics VALUES ('m', 0.5, 3, 'aa');
)");
  const auto source = open(file);
  REQUIRE(source->experiments()->size() == 1);
  CHECK((*source->experiments())[0].creation_time == 0);
  const auto run = source->run("1", "aa");
  REQUIRE(run);
  CHECK(run->metrics[0].steps == std::vector<std::int64_t>{0});
  CHECK(source->models()->empty());
  CHECK(source->logged_models()->empty());
}

TEST_CASE("import: a folder of the file store") {
  const TempFolder folder;
  const auto root = folder.path / "mlruns";
  write(root / "0/meta.yaml",
        "artifact_location: /x/0\ncreation_time: 7\nexperiment_id: '0'\n"
        "last_update_time: 8\nlifecycle_stage: active\nname: Default\n");
  write(root / "0/tags/team", "red");
  write(root / "0/aa/meta.yaml",
        "artifact_uri: /x/0/aa/artifacts\nend_time: null\nlifecycle_stage: active\nrun_id: aa\n"
        "run_name: 'it''s'\nstart_time: 9\nstatus: 4\nuser_id: ann\n");
  write(root / "0/aa/params/a/b", "line\nline");
  write(root / "0/aa/metrics/m/x", "5 0.5 1\n6 nan 2\n7 -inf 3\n");
  write(root / "0/aa/metrics/old", "5 0.25\n");
  write(root / "0/aa/inputs/i/meta.yaml",
        "source_id: d\nsource_type: DATASET\ntags:\n  context: training\n");
  write(root / "0/aa/outputs/m-1/meta.yaml", "source_id: m-1\nstep: 4\n");
  write(root / "0/datasets/d/meta.yaml",
        "digest: dig\nname: ds\nprofile: null\nsource: s\nsource_type: local\n");
  write(root / "0/models/m-1/meta.yaml",
        "artifact_location: /x/0/models/m-1\ncreation_timestamp: 1\nlast_updated_timestamp: 2\n"
        "model_id: m-1\nmodel_type: null\nname: lm\nsource_run_id: aa\nstatus: 3\n");
  write(root / "0/models/m-1/metrics/m/x", "5 0.5 1 aa ds dig\n");
  write(root / ".trash/12/meta.yaml",
        "experiment_id: '12'\nlifecycle_stage: deleted\nname: gone\n");
  write(root / "models/M/meta.yaml", "creation_timestamp: 1\ndescription: d\nname: M\n");
  write(root / "models/M/aliases/best", "10");
  write(root / "models/M/version-10/meta.yaml", "current_stage: None\nsource: s\nversion: 10\n");
  write(root / "models/M/version-2/meta.yaml",
        "current_stage: Deleted_Internal\nsource: s\nversion: 2\n");
  const auto source = open(root.string());
  const auto experiments = source->experiments();
  REQUIRE(experiments);
  REQUIRE(experiments->size() == 2);
  CHECK((*experiments)[0].tags == Texts{{"team", "red"}});
  CHECK((*experiments)[1].deleted);
  CHECK(source->count()->runs == 1);
  const auto run = source->run("0", "aa");
  REQUIRE(run);
  CHECK(run->name == "it's");
  CHECK(run->status == "failed");
  CHECK(run->params == Texts{{"a/b", "line\nline"}});
  CHECK(run->datasets.at(0).tags == Texts{{"context", "training"}});
  CHECK(run->models == std::vector<ModelLink>{{"m-1", "output", 4}});
  REQUIRE(run->metrics.size() == 3);
  CHECK(run->metrics[0].key == "m/x");
  CHECK(run->metrics[0].model_id.empty());
  CHECK(std::isnan(run->metrics[0].values[0]));
  CHECK(run->metrics[0].values[1] == -std::numeric_limits<double>::infinity());
  CHECK(run->metrics[1].model_id == "m-1");
  CHECK(run->metrics[1].dataset_name == "ds");
  CHECK(run->metrics[2].key == "old");
  CHECK(source->logged_models()->at(0).status == "upload_failed");
  const auto model = source->model("M");
  REQUIRE(model);
  CHECK(model->aliases.at("best") == 10);
  CHECK(model->versions.at(0).deleted);
  CHECK(model->versions.at(1).version == 10);
  write(root / "0/aa/metrics/bad", "5 much\n");
  const auto bad = source->run("0", "aa");
  REQUIRE_FALSE(bad);
  CHECK(bad.error().message.find("metrics/bad has no 'time value step' in line 1") !=
        std::string::npos);
}

TEST_CASE("import: what is no source says what would be one") {
  const TempFolder folder;
  refuse("sqlite:///" + (folder.path / "none.db").string(), ErrorCode::not_found, "no file");
  refuse((folder.path / "nothing").string(), ErrorCode::not_found, "no file or folder");
  refuse("http://127.0.0.1:5000", ErrorCode::invalid_argument, "is a server");
  refuse("mysql://x@y/z", ErrorCode::invalid_argument, "nothing that can be read here");
  refuse(folder.path.string(), ErrorCode::invalid_argument, "holds no experiment");
  std::filesystem::create_directories(folder.path / "mlruns");
  refuse(folder.path.string(), ErrorCode::invalid_argument, "/mlruns'?");
  refuse(folder.write("text", "this is no database, and it is long enough to look like one"),
         ErrorCode::internal, "cannot be read");
  const TempFolder other;
  refuse("sqlite:///" + make_database(other, "CREATE TABLE t (x)"), ErrorCode::invalid_argument,
         "is not MLflow's");
  refuse("postgresql://u:p@127.0.0.1:1/db", ErrorCode::unavailable, "does not answer");
}

TEST_CASE("import: differences name the thing, the field and both values") {
  ImportRun source;
  source.run_id = "r";
  source.status = "finished";
  source.tags = {{"a", "1"}, {"b", "2"}};
  source.datasets = {{.name = "y", .digest = "1"}, {.name = "x", .digest = "1"}};
  auto stored = source;
  std::swap(stored.datasets[0], stored.datasets[1]);
  CHECK(compare(source, stored).empty());
  stored.tags = {{"a", "other"}, {"c", "3"}};
  stored.status = "running";
  const auto found = compare(source, stored);
  REQUIRE(found.size() == 4);
  CHECK(found[0].what == "run r");
  CHECK(found[0].field_name == "status");
  CHECK(found[1].field_name == "tags.a");
  CHECK(found[1].source == "\"1\"");
  CHECK(found[1].stored == "\"other\"");
  CHECK(found[2].stored == "(absent)");
  CHECK(found[3].source == "(absent)");
  CHECK(names_any(found));
  CHECK_FALSE(names_any({found[3]}));
  CHECK_FALSE(names_any({{"experiment 1", "last_update_time", "1", "2"}}));
  ImportModel model{.model = "M", .description = "d"};
  model.versions.push_back({.version = 1, .source = "s"});
  model.versions.push_back({.version = 2, .deleted = true});
  auto here = model;
  here.versions.pop_back();
  CHECK(compare(model, here).empty());
  here.versions[0].stage = "Staging";
  here.versions.push_back({.version = 2});
  CHECK(compare(model, here).size() == 2);
  CHECK(compare(ImportExperiment{.name = "e"}, ImportExperiment{.name = "e", .creation_time = 5})
            .empty());
}
