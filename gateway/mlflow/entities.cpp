#include "gateway/mlflow/entities.hpp"

#include <algorithm>

#include "gateway/mlflow/message.hpp"
#include "gateway/mlflow/request_names.hpp"

namespace mlforge::gateway::mlflow {
namespace {

constexpr const char* kRunName = "mlflow.runName";

std::string upper(std::string text) {
  for (auto& c : text)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 32);
  return text;
}

// Runs of pipelines have a name and no tag that says it.
Texts tags_of(const RunRow& row) {
  Texts tags = row.tags;
  if (!row.name.empty()) tags.try_emplace(kRunName, row.name);
  return tags;
}

void write_datasets(const QueryContext& q, const RunRow& row, Object& inputs) {
  auto datasets = datasets_of(q, row.run_id);
  for (const auto& input : row.inputs)
    datasets.push_back({.name = input.dataset,
                        .digest = input.digest.substr(0, 36),
                        .source_type = "mlforge",
                        .source = "dataset/" + input.dataset + "/" + std::to_string(input.version),
                        .schema = {},
                        .profile = {},
                        .tags = {}});
  inputs.array("dataset_inputs", datasets, [](std::string& to, const DatasetUse& use) {
    Object(to).pairs("tags", use.tags).raw("dataset", [&](std::string& inner) {
      Object(inner)
          .text("name", use.name)
          .text("digest", use.digest)
          .text("source_type", use.source_type)
          .text("source", use.source)
          .some_text("schema", use.schema)
          .some_text("profile", use.profile);
    });
  });
}

std::vector<ModelLink> links(const RunRow& row, std::string_view role) {
  std::vector<ModelLink> out;
  for (const auto& each : row.models)
    if (each.role == role) out.push_back(each);
  return out;
}

}  // namespace

void write_experiment(std::string& out, const ExperimentRow& row) {
  Object(out)
      .text("experiment_id", row.experiment_id)
      .text("name", row.name)
      .text("artifact_location", row.artifact_location.empty()
                                     ? default_artifact_location(row.experiment_id)
                                     : row.artifact_location)
      .text("lifecycle_stage", row.lifecycle_stage)
      .integer("last_update_time",
               milliseconds(row.updated_time.empty() ? row.created_time : row.updated_time))
      .integer("creation_time", milliseconds(row.created_time))
      .pairs("tags", row.tags)
      .text("workspace", "default");
}

Expected<ExperimentRow> find_experiment(const QueryContext& q, const std::string& id) {
  const auto number = experiment_id_of(id.empty() ? kDefaultExperiment : id);
  if (!number) return number.error();
  const auto& wanted = *number;
  auto row = projections::get_experiment(q.reader, kTenant, wanted, q.as_of);
  if (row) return row;
  if (row.error().code != ErrorCode::not_found) return row.error();
  if (wanted == kDefaultExperiment)
    return ExperimentRow{.experiment_id = kDefaultExperiment, .name = "Default"};
  return Error{ErrorCode::not_found, "No Experiment with id=" + wanted + " exists",
               "experiment_id"};
}

Expected<ExperimentRow> find_experiment_by_name(const QueryContext& q, const std::string& name) {
  auto row = projections::find_experiment(q.reader, kTenant, name, q.as_of);
  if (row || row.error().code != ErrorCode::not_found) return row;
  if (name == "Default")
    if (auto first = find_experiment(q, kDefaultExperiment); first && first->name == name)
      return first;
  return Error{ErrorCode::not_found, "Could not find experiment with name '" + name + "'",
               "experiment_name"};
}

Expected<RunEntity> find_run(const QueryContext& q, const std::string& id) {
  auto row = projections::get_run(q.reader, kTenant, id, q.as_of);
  if (!row && row.error().code == ErrorCode::not_found)
    return Error{ErrorCode::not_found, "Run with id=" + id + " not found", "run_id"};
  if (!row) return row.error();
  const auto experiment = find_experiment(q, row->experiment_id);
  if (!experiment) return experiment.error();
  const bool deleted = projections::is_deleted(*row, *experiment);
  return RunEntity{*std::move(row), deleted};
}

std::vector<DatasetUse> datasets_of(const QueryContext& q, const std::string& run_id) {
  std::vector<DatasetUse> datasets;
  q.reader.scan(
      projections::view_prefix(projections::RunsProjection::kName, kTenant, "dataset", run_id), {},
      q.as_of, SIZE_MAX, [&](std::string_view, std::string_view text) {
        if (auto use = from_json<DatasetUse>(text, Unknown::skip))
          datasets.push_back(*std::move(use));
        return true;
      });
  return datasets;
}

std::string run_artifact_uri(const RunRow& row) {
  if (!row.artifact_uri.empty()) return row.artifact_uri;
  return default_artifact_location(row.experiment_id) + "/" + row.run_id + "/artifacts";
}

void write_run_info(std::string& out, const RunEntity& run) {
  const auto& row = run.row;
  Object info(out);
  info.text("run_uuid", row.run_id)
      .text("experiment_id", row.experiment_id)
      .text("run_name", row.name)
      .text("user_id", row.user_id)
      .text("status", upper(row.status))
      .integer("start_time", milliseconds(row.start_time));
  if (!row.end_time.empty()) info.integer("end_time", milliseconds(row.end_time));
  info.text("artifact_uri", run_artifact_uri(row))
      .text("lifecycle_stage", run.deleted ? "deleted" : "active")
      .text("run_id", row.run_id);
}

void write_metric(std::string& out, const projections::MetricRow& metric, std::string_view run_id) {
  Object(out)
      .text("key", metric.key)
      .number("value", metric.value)
      .integer("timestamp", metric.timestamp)
      .integer("step", metric.step)
      .some_text("run_id", run_id);
}

void write_run(std::string& out, const QueryContext& q, const RunEntity& run) {
  const auto& row = run.row;
  const auto metrics = projections::metrics_of(q.reader, kTenant, row.run_id, q.as_of);
  Object whole(out);
  whole.raw("info", [&](std::string& to) { write_run_info(to, run); });
  whole.raw("data", [&](std::string& to) {
    Object data(to);
    data.array("metrics", metrics, [&](std::string& each, const projections::MetricRow& m) {
      write_metric(each, m, "");
    });
    data.pairs("params", row.params).pairs("tags", tags_of(row));
  });
  whole.raw("inputs", [&](std::string& to) {
    Object inputs(to);
    write_datasets(q, row, inputs);
    inputs.array("model_inputs", links(row, "input"), [](std::string& each, const ModelLink& link) {
      Object(each).text("model_id", link.model_id);
    });
  });
  whole.raw("outputs", [&](std::string& to) {
    Object(to).array("model_outputs", links(row, "output"),
                     [](std::string& each, const ModelLink& link) {
                       Object(each).text("model_id", link.model_id).integer("step", link.step);
                     });
  });
}

void write_new_run(std::string& out, const RunEntity& run) {
  Object whole(out);
  whole.raw("info", [&](std::string& to) { write_run_info(to, run); });
  whole.raw("data", [&](std::string& to) { Object(to).pairs("tags", tags_of(run.row)); });
  whole.raw("inputs", [&](std::string& to) { Object{to}; });
}

Expected<ModelRow> find_model(const QueryContext& q, const std::string& name) {
  auto row = projections::get_model(q.reader, kTenant, name, q.as_of);
  if (row || row.error().code != ErrorCode::not_found) return row;
  return Error{ErrorCode::not_found, "Registered Model with name=" + name + " not found", "name"};
}

Expected<ModelVersionRow> find_version(const QueryContext& q, const std::string& name,
                                       std::uint64_t version) {
  auto row = projections::get_model_version(q.reader, kTenant, name, version, q.as_of);
  if (row || row.error().code != ErrorCode::not_found) return row;
  return Error{
      ErrorCode::not_found,
      "Model Version (name=" + name + ", version=" + std::to_string(version) + ") not found",
      "version"};
}

std::vector<ModelVersionRow> versions_of(const QueryContext& q, const std::string& name) {
  std::vector<ModelVersionRow> out;
  projections::PageRequest page{1000, "", q.as_of};
  do {
    auto rows = projections::list_model_versions(q.reader, kTenant, name, page);
    if (!rows) break;
    for (auto& row : rows->items) out.push_back(std::move(row));
    page.page_token = rows->next_page_token;
  } while (!page.page_token.empty());
  return out;
}

std::vector<ModelVersionRow> latest_versions(const QueryContext& q, const std::string& name) {
  auto all = versions_of(q, name);
  std::sort(all.begin(), all.end(),
            [](const auto& a, const auto& b) { return a.version < b.version; });
  std::vector<ModelVersionRow> latest;  // in the order of each stage's first version
  for (auto& row : all) {
    const auto before = std::find_if(latest.begin(), latest.end(),
                                     [&](const auto& each) { return each.stage == row.stage; });
    if (before == latest.end())
      latest.push_back(std::move(row));
    else
      *before = std::move(row);
  }
  return latest;
}

void write_model(std::string& out, const QueryContext& q, const ModelRow& row) {
  Object(out)
      .text("name", row.name)
      .integer("creation_timestamp", milliseconds(row.created_time))
      .integer("last_updated_timestamp",
               milliseconds(row.updated_time.empty() ? row.created_time : row.updated_time))
      .some_text("description", row.description)
      .array("latest_versions", latest_versions(q, row.name), write_version)
      .pairs("tags", row.tags)
      .array("aliases", row.aliases, [](std::string& to, const auto& each) {
        Object(to).text("alias", each.first).text("version", std::to_string(each.second));
      });
}

void write_version(std::string& out, const ModelVersionRow& row) {
  const std::string bundle = "mlforge:/models/" + row.model + "/" + std::to_string(row.version);
  Object version(out);
  version.text("name", row.model)
      .text("version", std::to_string(row.version))
      .integer("creation_timestamp", milliseconds(row.created_time))
      .integer("last_updated_timestamp",
               milliseconds(row.updated_time.empty() ? row.created_time : row.updated_time))
      .text("current_stage", row.stage)
      .text("description", row.description)
      .text("source", row.source.empty() ? bundle : row.source)
      .text("run_id", row.run_id)
      .text("status", "READY")
      .pairs("tags", row.tags)
      .text("run_link", row.run_link)
      .array("aliases", row.aliases,
             [](std::string& to, const std::string& alias) { append_json_string(to, alias); })
      .some_text("model_id", row.model_id);
}

void write_logged_model(std::string& out, const QueryContext& q, const LoggedModelRow& row) {
  Object whole(out);
  whole.raw("info", [&](std::string& to) {
    Object(to)
        .text("model_id", row.model_id)
        .text("experiment_id", row.experiment_id)
        .text("name", row.name)
        .integer("creation_timestamp_ms", milliseconds(row.created_time))
        .integer("last_updated_timestamp_ms", milliseconds(row.updated_time))
        .text("artifact_uri", row.artifact_uri)
        .text("status", "LOGGED_MODEL_" + upper(row.status))
        .text("model_type", row.model_type)
        .text("source_run_id", row.source_run_id)
        .pairs("tags", row.tags);
  });
  const auto metrics = projections::logged_model_metrics(q.reader, kTenant, row.model_id, q.as_of);
  whole.raw("data", [&](std::string& to) {
    Object(to)
        .pairs("params", row.params)
        .array("metrics", metrics, [&](std::string& each, const auto& metric) {
          Object(each)
              .text("key", metric.key)
              .number("value", metric.value)
              .integer("timestamp", metric.timestamp)
              .integer("step", metric.step)
              .text("model_id", row.model_id)
              .some_text("dataset_name", metric.dataset_name)
              .some_text("dataset_digest", metric.dataset_digest)
              .text("run_id", metric.run_id);
        });
  });
}

}  // namespace mlforge::gateway::mlflow
