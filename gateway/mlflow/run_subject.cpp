#include "gateway/mlflow/run_subject.hpp"

#include "gateway/mlflow/message.hpp"

namespace mlforge::gateway::mlflow {
namespace {

Value found(const Texts& texts, const std::string& key) {
  const auto at = texts.find(key);
  return at == texts.end() ? Value() : Value(at->second);
}

}  // namespace

const Dialect& run_dialect() {
  static const Dialect kDialect{{{.name = "run_id", .lists = true},
                                 {.name = "run_uuid", .lists = true, .stands_for = "run_id"},
                                 {"run_name"},
                                 {"user_id"},
                                 {"status"},
                                 {"artifact_uri"},
                                 {"start_time", true},
                                 {"end_time", true},
                                 {.name = "experiment_id", .order_only = true},
                                 {.name = "lifecycle_stage", .order_only = true},
                                 {.name = "created", .numeric = true, .stands_for = "start_time"},
                                 {.name = "Created", .numeric = true, .stands_for = "start_time"},
                                 {.name = "run name", .stands_for = "run_name"},
                                 {.name = "Run name", .stands_for = "run_name"},
                                 {.name = "Run Name", .stands_for = "run_name"}},
                                {Entity::metric, Entity::param, Entity::tag, Entity::dataset}};
  return kDialect;
}

Value RunSubject::value(const Key& key) const {
  const auto& row = row_;
  switch (key.entity) {
    case Entity::metric:
      return metric(key.name);
    case Entity::param:
      return found(row.params, key.name);
    case Entity::tag:
      if (key.name == "mlflow.runName" && !row.tags.contains(key.name)) return row.name;
      return found(row.tags, key.name);
    case Entity::dataset:
      return datasets(key.name);
    default:
      return attribute(key.name);
  }
}

Value RunSubject::attribute(const std::string& name) const {
  const auto& row = row_;
  if (name == "run_id") return row.run_id;
  if (name == "run_name") return row.name;
  if (name == "user_id") return row.user_id;
  if (name == "experiment_id") return row.experiment_id;
  if (name == "artifact_uri") return run_artifact_uri(row);
  if (name == "lifecycle_stage") return std::string(deleted_ ? "deleted" : "active");
  if (name == "start_time") return static_cast<double>(milliseconds(row.start_time));
  if (name == "end_time")
    return row.end_time.empty() ? Value() : Value(static_cast<double>(milliseconds(row.end_time)));
  std::string status = row.status;
  for (auto& c : status) c = static_cast<char>(c >= 'a' && c <= 'z' ? c - 32 : c);
  return status;
}

Value RunSubject::metric(const std::string& name) const {
  const auto point = projections::latest_metric(q_.reader, kTenant, row_.run_id, name, q_.as_of);
  return point ? Value(point->value) : Value();
}

Value RunSubject::datasets(const std::string& name) const {
  std::vector<std::string> out;
  for (const auto& use : datasets_of(q_, row_.run_id)) {
    if (name == "name") out.push_back(use.name);
    if (name == "digest") out.push_back(use.digest);
    if (const auto at = use.tags.find("mlflow.data.context");
        name == "context" && at != use.tags.end())
      out.push_back(at->second);
  }
  return out.empty() ? Value() : Value(std::move(out));
}

}  // namespace mlforge::gateway::mlflow
