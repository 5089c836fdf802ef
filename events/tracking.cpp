#include "events/tracking.hpp"

#include "events/checks.hpp"
#include "events/sealed_text.hpp"

namespace mlforge {
namespace {

constexpr std::size_t kMaxKey = 250, kMaxValue = 8000, kMaxMetrics = 10000;

Status check_run(const RunState& state, const std::string& run_id) {
  if (state.exists) return {};
  return not_found("run", run_id);
}

Status check_key(const std::string& field, const std::string& key) {
  if (key.empty()) return invalid(field, "must not be empty");
  if (key.size() > kMaxKey) return invalid(field, "must have at most 250 bytes");
  if (has_control(key)) return invalid(field, "must not contain control characters");
  return {};
}

Status check_texts(const std::string& field, const Texts& texts) {
  for (const auto& [key, value] : texts) {
    if (auto bad = check_key(field, key)) return bad;
    if (clear_bytes(value) > kMaxValue)
      return invalid(field + "." + key, "must have at most 8,000 bytes");
  }
  return {};
}

// Those of `wanted` that are new; an old key with another value is a conflict, for params never
// change.
Expected<Texts> new_params(const RunState& state, const Texts& wanted) {
  Texts fresh;
  for (const auto& [key, value] : wanted) {
    const auto at = state.params.find(key);
    if (at == state.params.end())
      fresh.emplace(key, value);
    else if (at->second != value)
      return Error{ErrorCode::conflict,
                   "param '" + key + "' is already " +
                       (parse_sealed(at->second) ? "there, encrypted" : "'" + at->second + "'") +
                       ": params of a run never change",
                   "params." + key};
  }
  return fresh;
}

}  // namespace

Expected<Events> decide(const ExperimentsState& state, const CreateExperiment& c) {
  if (auto bad = check_name("name", c.name)) return *bad;
  if (state.id_by_name.contains(c.name))
    return Error{ErrorCode::already_exists, "experiment '" + c.name + "' already exists", "name"};
  return Events{ExperimentCreated{.experiment_id = std::to_string(state.next_id), .name = c.name}};
}

void evolve(ExperimentsState& state, const ExperimentCreated& e) {
  if (const auto old = state.by_id.find(e.experiment_id); old != state.by_id.end())
    state.id_by_name.erase(old->second.name);
  state.id_by_name[e.name] = e.experiment_id;
  state.by_id[e.experiment_id] = {
      .name = e.name, .artifact_location = e.artifact_location, .tags = e.tags};
  // Imported ones have the ids that they had.
  while (state.by_id.contains(std::to_string(state.next_id))) ++state.next_id;
}
void evolve(ExperimentsState& state, const ExperimentRenamed& e) {
  const auto at = state.by_id.find(e.experiment_id);
  if (at == state.by_id.end()) return;
  state.id_by_name.erase(at->second.name);
  state.id_by_name[e.name] = e.experiment_id;
  at->second.name = e.name;
}
void evolve(ExperimentsState& state, const ExperimentDeleted& e) {
  if (const auto at = state.by_id.find(e.experiment_id); at != state.by_id.end())
    at->second.deleted = true;
}
void evolve(ExperimentsState& state, const ExperimentRestored& e) {
  const auto at = state.by_id.find(e.experiment_id);
  if (at == state.by_id.end()) return;
  at->second.deleted = false;
  ++at->second.restored;
}
void evolve(ExperimentsState& state, const ExperimentTagsSet& e) {
  const auto at = state.by_id.find(e.experiment_id);
  if (at == state.by_id.end()) return;
  for (const auto& [key, value] : e.tags) at->second.tags[key] = value;
}
void evolve(ExperimentsState& state, const ExperimentTagRemoved& e) {
  if (const auto at = state.by_id.find(e.experiment_id); at != state.by_id.end())
    at->second.tags.erase(e.key);
}

Expected<Events> decide(const RunState& state, const StartRun& c) {
  if (state.exists)
    return Error{ErrorCode::already_exists, "run '" + c.run_id + "' already exists", "run_id"};
  if (auto bad = check_name("run_id", c.run_id)) return *bad;
  if (auto bad = check_texts("params", c.params)) return *bad;
  if (auto bad = check_texts("tags", c.tags)) return *bad;
  if (clear_bytes(c.name) > kMaxKey) return invalid("name", "must have at most 250 bytes");
  Events events{RunStarted{.run_id = c.run_id,
                           .experiment_id = c.experiment_id,
                           .name = c.name,
                           .pipeline_run_id = c.pipeline_run_id,
                           .step = c.step,
                           .start_time = c.time}};
  if (!c.params.empty()) events.push_back(RunParamsLogged{.params = c.params});
  if (!c.tags.empty()) events.push_back(RunTagsSet{.tags = c.tags});
  return events;
}

Expected<Events> decide(const RunState& state, const LogParams& c) {
  if (auto bad = check_run(state, c.run_id)) return *bad;
  if (c.params.empty()) return invalid("params", "must name at least one param");
  if (auto bad = check_texts("params", c.params)) return *bad;
  auto fresh = new_params(state, c.params);
  if (!fresh) return fresh.error();
  if (fresh->empty()) return Events{};
  return Events{RunParamsLogged{.params = *std::move(fresh)}};
}

Expected<Events> decide(const RunState& state, const SetRunTags& c) {
  if (auto bad = check_run(state, c.run_id)) return *bad;
  if (c.tags.empty()) return invalid("tags", "must name at least one tag");
  if (auto bad = check_texts("tags", c.tags)) return *bad;
  Texts changed;
  for (const auto& [key, value] : c.tags) {
    const auto at = state.tags.find(key);
    if (at == state.tags.end() || at->second != value) changed.emplace(key, value);
  }
  if (changed.empty()) return Events{};
  return Events{RunTagsSet{.tags = std::move(changed)}};
}

Expected<Events> decide(const RunState& state, const LogMetrics& c) {
  if (auto bad = check_run(state, c.run_id)) return *bad;
  if (c.metrics.empty()) return invalid("metrics", "must hold at least one metric");
  if (c.metrics.size() > kMaxMetrics) return invalid("metrics", "must hold at most 10,000 metrics");
  RunMetricsLogged e;
  const std::size_t n = c.metrics.size();
  e.keys.reserve(n), e.values.reserve(n), e.timestamps.reserve(n), e.steps.reserve(n);
  for (const auto& metric : c.metrics) {
    if (metric.key.empty() || metric.key.size() > kMaxKey || has_control(metric.key))
      return *check_key("metrics[" + std::to_string(e.keys.size()) + "].key", metric.key);
    e.keys.push_back(metric.key);
    e.values.push_back(metric.value);
    e.timestamps.push_back(metric.timestamp ? metric.timestamp : c.time / 1000);
    e.steps.push_back(metric.step);
  }
  Events events;
  events.emplace_back(std::move(e));
  return events;
}

Expected<Events> decide(const RunState& state, const LogArtifact& c) {
  if (auto bad = check_run(state, c.run_id)) return *bad;
  if (auto bad = check_path("path", c.file.path)) return *bad;
  if (auto bad = check_digest("digest", c.file.digest)) return *bad;
  const auto at = state.artifacts.find(c.file.path);
  if (at != state.artifacts.end() && at->second == c.file) return Events{};
  if (auto bad = check_place("path", c.file.path, state.artifacts)) return *bad;
  return Events{
      RunArtifactLogged{.path = c.file.path, .digest = c.file.digest, .bytes = c.file.bytes}};
}

Expected<Events> decide(const RunState& state, const LogRunInput& c) {
  if (auto bad = check_run(state, c.run_id)) return *bad;
  for (const auto& input : state.inputs)
    if (input.dataset == c.input.dataset && input.version == c.input.version) return Events{};
  return Events{c.input};
}

Expected<Events> decide(const RunState& state, const EndRun& c) {
  if (auto bad = check_run(state, c.run_id)) return *bad;
  if (c.status != "finished" && c.status != "failed" && c.status != "killed")
    return invalid("status", "must be one of finished, failed, killed");
  if (state.status == c.status) return Events{};
  return Events{RunEnded{.status = c.status, .end_time = c.time}};
}

void evolve(RunState& state, const RunStarted& e) {
  state.exists = true;
  state.experiment_id = e.experiment_id;
  state.status = "running";
}
void evolve(RunState& state, const RunParamsLogged& e) {
  for (const auto& [key, value] : e.params) state.params[key] = value;
}
void evolve(RunState& state, const RunTagsSet& e) {
  for (const auto& [key, value] : e.tags) state.tags[key] = value;
}
void evolve(RunState&, const RunMetricsLogged&) {}  // no decision depends on a metric
void evolve(RunState& state, const RunArtifactLogged& e) {
  state.artifacts[e.path] = FileRef{e.path, e.digest, e.bytes};
}
void evolve(RunState& state, const RunInputLogged& e) { state.inputs.push_back(e); }
void evolve(RunState& state, const RunEnded& e) {
  state.status = e.status;
  state.end_time = e.end_time;
}
void evolve(RunState&, const RunRenamed&) {}  // no decision depends on a name
void evolve(RunState& state, const RunStatusChanged& e) { state.status = e.status; }
void evolve(RunState& state, const RunTagRemoved& e) { state.tags.erase(e.key); }
void evolve(RunState& state, const RunDeleted& e) {
  state.deleted = e.generation;
  state.alone.reset();
}
void evolve(RunState& state, const RunRestored& e) {
  state.deleted.reset();
  if (e.alone) state.alone = e.generation;
}
void evolve(RunState& state, const RunArtifactRemoved& e) { state.artifacts.erase(e.path); }
void evolve(RunState&, const RunModelMetricsLogged&) {}
void evolve(RunState& state, const RunDatasetsLogged& e) {
  for (const auto& each : e.datasets) state.datasets.emplace(each.name, each.digest);
}
void evolve(RunState& state, const RunModelsLinked& e) {
  state.models.insert(state.models.end(), e.models.begin(), e.models.end());
}

}  // namespace mlforge
