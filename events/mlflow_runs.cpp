#include <algorithm>
#include <cmath>
#include <limits>

#include "events/checks.hpp"
#include "events/mlflow_checks.hpp"
#include "events/mlflow_tracking.hpp"
#include "events/sealed_text.hpp"

namespace mlforge {
namespace {

using mlflow::check_key;
using mlflow::check_length;
using mlflow::refuse;

constexpr const char* kRunName = "mlflow.runName";
constexpr std::size_t kMaxMetrics = 1000, kMaxParams = 100, kMaxTags = 100, kMaxEntities = 1000,
                      kMaxDatasets = 1000;

Error no_run(const std::string& run_id) {
  return {ErrorCode::not_found, "Run with id=" + run_id + " not found", "run_id"};
}

Status check_active(const RunState& state, const std::string& run_id,
                    const ExperimentFacts& experiment) {
  if (!state.exists) return no_run(run_id);
  if (!is_deleted(state, experiment)) return {};
  return refuse("The run " + run_id + " must be in the 'active' state. Current state is deleted.",
                "run_id");
}

std::string at(const char* list, std::size_t index, const char* name) {
  return std::string(list) + "[" + std::to_string(index) + "]." + name;
}

Status check_count(const char* what, std::size_t most, std::size_t count) {
  if (count <= most) return {};
  const auto got = std::to_string(count);
  return refuse(std::string("A batch logging request can contain at most ") + std::to_string(most) +
                    " " + what + ". Got " + got + " " + what + ". Please split up " + what +
                    " across multiple requests and try again.",
                what);
}

Status check_counts(const LogBatch& c) {
  if (auto bad = check_count("metrics", kMaxMetrics, c.metrics.size())) return bad;
  if (auto bad = check_count("params", kMaxParams, c.params.size())) return bad;
  if (auto bad = check_count("tags", kMaxTags, c.tags.size())) return bad;
  return check_count("metrics, params, and tags", kMaxEntities,
                     c.metrics.size() + c.params.size() + c.tags.size());
}

Status check_keys(const LogBatch& c) {
  const auto path = [&](const char* list, std::size_t i, const char* name) {
    return c.single ? std::string(name) : at(list, i, name);
  };
  for (std::size_t i = 0; i < c.metrics.size(); ++i) {
    const auto& m = c.metrics[i];
    const bool plain = mlflow::is_plain_key(m.key);
    if (!plain)
      if (auto bad = check_key(path("metrics", i, "name"), m.key)) return bad;
    if (m.timestamp < 0)
      return refuse("Invalid value " + std::to_string(m.timestamp) + " for parameter '" +
                        path("metrics", i, "timestamp") + "' supplied: metric '" + m.key +
                        "'. Timestamp must be a nonnegative long (64-bit integer)",
                    path("metrics", i, "timestamp"));
    if (!plain)
      if (auto bad = check_length("Metric name", mlflow::kMaxKey, m.key)) return bad;
  }
  for (std::size_t i = 0; i < c.params.size(); ++i) {
    if (mlflow::is_plain_key(c.params[i].first)) continue;
    if (auto bad = check_key(path("params", i, "key"), c.params[i].first)) return bad;
    if (auto bad = check_length("Param key", mlflow::kMaxKey, c.params[i].first)) return bad;
  }
  for (std::size_t i = 0; i < c.tags.size(); ++i) {
    if (mlflow::is_plain_key(c.tags[i].first)) continue;
    if (auto bad = check_key(path("tags", i, "key"), c.tags[i].first)) return bad;
    if (auto bad = check_length(path("tags", i, "key"), mlflow::kMaxKey, c.tags[i].first))
      return bad;
  }
  return {};
}

Status check_unique(const LogBatch& c) {
  std::set<std::string_view> seen;
  std::string twice;
  for (const auto& [key, value] : c.params)
    if (!seen.insert(key).second) ((twice += twice.empty() ? "'" : ", '") += key) += '\'';
  if (twice.empty()) return {};
  return refuse("Duplicate parameter keys have been submitted: [" + twice +
                    "]. Please ensure the request contains only one param value per param key.",
                "params");
}

// A text that is encrypted is kept whole: without its end it could not be read.
std::string cut(const std::string& text, std::size_t most) {
  return find_sealed(text).empty() ? std::string(mlflow::first(text, most)) : text;
}

// Those that are new; a known key with another value is refused, for params never change.
Expected<Texts> new_params(const RunState& state, const LogBatch& c) {
  Texts fresh;
  std::string changed;
  for (const auto& [key, given] : c.params) {
    const std::string value = cut(given, mlflow::kMaxParamValue);
    const auto old = state.params.find(key);
    if (old == state.params.end()) {
      fresh.emplace(key, value);
    } else if (old->second != value) {
      if (c.single)
        return refuse("Changing param values is not allowed. Param with key='" + key +
                          "' was already logged with value='" + old->second + "' for run ID='" +
                          c.run_id + "'. Attempted logging new value '" + value + "'.",
                      "key");
      changed += (changed.empty() ? "{'key': '" : ", {'key': '") + key + "', 'old_value': '" +
                 old->second + "', 'new_value': '" + value + "'}";
    }
  }
  if (changed.empty()) return fresh;
  return refuse("Changing param values is not allowed. Params were already logged='[" + changed +
                    "]' for run ID='" + c.run_id + "'.",
                "params");
}

// What no column of numbers can hold elsewhere: infinities become the largest numbers.
double storable(double value) {
  if (std::isinf(value))
    return value > 0 ? std::numeric_limits<double>::max() : std::numeric_limits<double>::lowest();
  return value;
}

void add_metrics(Events& events, const LogBatch& c) {
  if (c.metrics.empty()) return;
  const bool of_models = std::any_of(c.metrics.begin(), c.metrics.end(),
                                     [](const auto& m) { return !m.model_id.empty(); });
  RunModelMetricsLogged e;
  e.keys.reserve(c.metrics.size());
  e.values.reserve(c.metrics.size());
  e.timestamps.reserve(c.metrics.size());
  e.steps.reserve(c.metrics.size());
  for (const auto& m : c.metrics) {
    e.keys.push_back(m.key);
    e.values.push_back(storable(m.value));
    e.timestamps.push_back(m.timestamp);
    e.steps.push_back(m.step);
    if (!of_models) continue;
    e.model_ids.push_back(m.model_id);
    e.dataset_names.push_back(m.dataset_name);
    e.dataset_digests.push_back(m.dataset_digest);
  }
  if (of_models)
    events.push_back(std::move(e));
  else
    events.push_back(RunMetricsLogged{.keys = std::move(e.keys),
                                      .values = std::move(e.values),
                                      .timestamps = std::move(e.timestamps),
                                      .steps = std::move(e.steps)});
}

void add_tags(Events& events, const RunState& state, const Texts& tags) {
  Texts changed;
  for (const auto& [key, value] : tags) {
    const auto old = state.tags.find(key);
    if (old == state.tags.end() || old->second != value) changed.emplace(key, value);
  }
  if (changed.empty()) return;
  // A run keeps its name where it is given none.
  if (const auto name = changed.find(kRunName); name != changed.end() && name->second.empty())
    changed.erase(name);
  if (changed.empty()) return;
  if (const auto name = changed.find(kRunName); name != changed.end())
    events.push_back(RunRenamed{.name = name->second});
  events.push_back(RunTagsSet{.tags = std::move(changed)});
}

Status check_dataset(const DatasetUse& d, std::size_t i) {
  const auto missing = [&](const char* name) {
    return refuse("Missing value for required parameter '" + at("datasets", i, "dataset.") + name +
                      "'. See the API docs for more information about request parameters.",
                  "datasets");
  };
  if (d.name.empty()) return missing("name");
  if (d.digest.empty()) return missing("digest");
  if (d.source_type.empty()) return missing("source_type");
  if (d.source.empty()) return missing("source");
  if (auto bad = check_length("name", 500, d.name)) return bad;
  if (auto bad = check_length("digest", 36, d.digest)) return bad;
  if (auto bad = check_length("source", 65535, d.source)) return bad;
  if (auto bad = check_length("schema", 1048575, d.schema)) return bad;
  if (auto bad = check_length("profile", 16777215, d.profile)) return bad;
  for (const auto& [key, value] : d.tags) {
    if (auto bad = check_length("key", 255, key)) return bad;
    if (auto bad = check_length("value", 500, value)) return bad;
  }
  return {};
}

}  // namespace

bool is_deleted(const RunState& state, const ExperimentFacts& experiment) {
  return (experiment.deleted && state.alone != experiment.generation) ||
         state.deleted == experiment.generation;
}

Expected<Events> decide(const RunState& state, const NewRun& c) {
  if (state.exists)
    return Error{ErrorCode::already_exists, "Run '" + c.run_id + "' already exists", "run_id"};
  Texts tags = c.tags;
  for (auto& [key, value] : tags) {
    if (auto bad = check_length("key", mlflow::kMaxKey, key)) return *bad;
    value = cut(value, mlflow::kMaxTagValue);
  }
  const auto tag = tags.find(kRunName);
  const std::string tagged = tag == tags.end() ? "" : tag->second;
  const bool readable = find_sealed(c.name).empty() && find_sealed(tagged).empty();
  if (readable && !c.name.empty() && !tagged.empty() && c.name != tagged)
    return refuse(
        "Both 'run_name' argument and 'mlflow.runName' tag are specified, but with "
        "different values (run_name='" +
            c.name + "', mlflow.runName='" + tagged + "').",
        "run_name");
  const std::string& name = c.name.empty() ? tagged : c.name;
  tags[kRunName] = name;
  return Events{RunStarted{.run_id = c.run_id,
                           .experiment_id = c.experiment_id,
                           .name = name,
                           .start_time = c.start_time,
                           .user_id = c.user_id,
                           .artifact_uri = c.artifact_uri},
                RunTagsSet{.tags = std::move(tags)}};
}

Expected<Events> decide(const RunState& state, const LogBatch& c) {
  if (auto bad = check_counts(c)) return *bad;
  if (auto bad = check_keys(c)) return *bad;
  if (auto bad = check_unique(c)) return *bad;
  if (auto bad = check_active(state, c.run_id, c.experiment)) return *bad;
  auto params = new_params(state, c);
  if (!params) return params.error();
  Events events;
  if (!params->empty()) events.push_back(RunParamsLogged{.params = *std::move(params)});
  add_metrics(events, c);
  Texts tags;
  for (const auto& [key, value] : c.tags)
    tags.insert_or_assign(key, cut(value, mlflow::kMaxTagValue));
  add_tags(events, state, tags);
  return events;
}

Expected<Events> decide(const RunState& state, const UntagRun& c) {
  if (auto bad = check_active(state, c.run_id, c.experiment)) return *bad;
  if (!state.tags.contains(c.key))
    return Error{ErrorCode::not_found, "No tag with name: " + c.key + " in run with id " + c.run_id,
                 "key"};
  return Events{RunTagRemoved{.key = c.key}};
}

Expected<Events> decide(const RunState& state, const UpdateRun& c) {
  if (auto bad = check_active(state, c.run_id, c.experiment)) return *bad;
  const std::string status = c.status.value_or(state.status);
  const TimeUs end = c.end_time.value_or(state.end_time);
  Events events;
  if (end != state.end_time ||
      (status != state.status && status != "running" && status != "scheduled"))
    events.push_back(RunEnded{.status = status, .end_time = end});
  else if (status != state.status)
    events.push_back(RunStatusChanged{.status = status});
  if (!c.name.empty()) add_tags(events, state, {{kRunName, c.name}});
  return events;
}

Expected<Events> decide(const RunState& state, const DeleteRun& c) {
  if (!state.exists) return no_run(c.run_id);
  if (state.deleted == c.experiment.generation) return Events{};
  return Events{RunDeleted{.generation = c.experiment.generation}};
}

Expected<Events> decide(const RunState& state, const RestoreRun& c) {
  if (!state.exists) return no_run(c.run_id);
  if (!is_deleted(state, c.experiment)) return Events{};
  return Events{RunRestored{.generation = c.experiment.generation, .alone = c.experiment.deleted}};
}

Expected<Events> decide(const RunState& state, const LogInputs& c) {
  if (c.datasets.size() > kMaxDatasets)
    return refuse("A log-inputs request can hold at most 1000 datasets, got " +
                      std::to_string(c.datasets.size()),
                  "datasets");
  for (std::size_t i = 0; i < c.datasets.size(); ++i)
    if (auto bad = check_dataset(c.datasets[i], i)) return *bad;
  if (auto bad = check_active(state, c.run_id, c.experiment)) return *bad;
  auto seen = state.datasets;
  RunDatasetsLogged datasets;
  for (const auto& each : c.datasets)
    if (seen.emplace(each.name, each.digest).second) datasets.datasets.push_back(each);
  RunModelsLinked models;
  for (const auto& each : c.models)
    if (std::find(state.models.begin(), state.models.end(), each) == state.models.end())
      models.models.push_back(each);
  Events events;
  if (!datasets.datasets.empty()) events.push_back(std::move(datasets));
  if (!models.models.empty()) events.push_back(std::move(models));
  return events;
}

Expected<Events> decide(const RunState& state, const RecordModel& c) {
  constexpr const char* kModels = "mlflow.log-model.history";
  if (auto bad = check_active(state, c.run_id, c.experiment)) return *bad;
  std::string list = "[" + c.model + "]";
  if (const auto old = state.tags.find(kModels); old != state.tags.end()) {
    if (!old->second.starts_with('[') || !old->second.ends_with(']'))
      return refuse(
          std::string("The tag ") + kModels + " of run " + c.run_id + " is no list of models.",
          "run_id");
    list = old->second.substr(0, old->second.size() - 1) + ", " + c.model + "]";
  }
  // MLflow would cut the list, which no client could read then.
  if (auto bad = check_length("value", mlflow::kMaxTagValue, list)) return *bad;
  return Events{RunTagsSet{.tags = {{kModels, std::move(list)}}}};
}

Expected<Events> decide(const RunState& state, const RemoveRunArtifact& c) {
  if (!state.exists) return no_run(c.run_id);
  Events events;
  for (const auto& [path, file] : state.artifacts)
    if (c.path.empty() || path == c.path || path.starts_with(c.path + "/"))
      events.push_back(RunArtifactRemoved{.path = path});
  return events;
}

}  // namespace mlforge
