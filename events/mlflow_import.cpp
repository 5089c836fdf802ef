#include "events/mlflow_import.hpp"

#include <algorithm>

#include "events/checks.hpp"

namespace mlforge {
namespace {

constexpr const char* kRunNameTag = "mlflow.runName";
constexpr const char* kImportReason = "imported";
// What a gap in the numbers may be: far more versions than any model has, far less than memory.
constexpr std::uint64_t kMostImportedVersion = 10'000'000;

Texts differing(const Texts& old, const Texts& wanted) {
  Texts changed;
  for (const auto& [key, value] : wanted) {
    const auto at = old.find(key);
    if (at == old.end() || at->second != value) changed.emplace(key, value);
  }
  return changed;
}

Status check_series(const ImportSeries& series) {
  const auto points = series.values.size();
  if (series.key.empty()) return invalid("metrics.key", "must not be empty");
  if (series.timestamps.size() != points || series.steps.size() != points)
    return invalid("metrics." + series.key,
                   "must have as many timestamps and steps as it has values");
  return {};
}

Status check_run(const RunState& state, const ImportRun& c) {
  static constexpr std::string_view kStatuses[] = {"running", "scheduled", "finished", "failed",
                                                   "killed"};
  if (std::find(std::begin(kStatuses), std::end(kStatuses), c.status) == std::end(kStatuses))
    return invalid("status", "must be one of running, scheduled, finished, failed, killed");
  for (const auto& series : c.metrics)
    if (auto bad = check_series(series)) return bad;
  if (!state.exists) return {};
  if (state.experiment_id != c.experiment_id)
    return conflict("run '" + c.run_id + "' is here already, in experiment " + state.experiment_id +
                    ": it is another one");
  for (const auto& [key, value] : state.params)
    if (const auto at = c.params.find(key); at != c.params.end() && at->second != value)
      return conflict("run '" + c.run_id + "' is here already with another value of param '" + key +
                      "': it is another one, for params never change");
  return {};
}

// Whatever of one series comes first: the rows of an event in the order of the command.
template <class E>
void add_rows(E& event, const ImportSeries& series) {
  const auto points = series.values.size();
  event.keys.insert(event.keys.end(), points, series.key);
  event.values.insert(event.values.end(), series.values.begin(), series.values.end());
  event.timestamps.insert(event.timestamps.end(), series.timestamps.begin(),
                          series.timestamps.end());
  event.steps.insert(event.steps.end(), series.steps.begin(), series.steps.end());
  if constexpr (std::is_same_v<E, RunModelMetricsLogged>) {
    event.model_ids.insert(event.model_ids.end(), points, series.model_id);
    event.dataset_names.insert(event.dataset_names.end(), points, series.dataset_name);
    event.dataset_digests.insert(event.dataset_digests.end(), points, series.dataset_digest);
  }
}

void add_metrics(Events& events, const ImportRun& c) {
  RunMetricsLogged plain;
  RunModelMetricsLogged of_models;
  for (const auto& series : c.metrics)
    if (series.model_id.empty())
      add_rows(plain, series);
    else
      add_rows(of_models, series);
  if (!plain.keys.empty()) events.push_back(std::move(plain));
  if (!of_models.keys.empty()) events.push_back(std::move(of_models));
}

void add_links(Events& events, const RunState& state, const ImportRun& c) {
  auto seen = state.datasets;
  RunDatasetsLogged datasets;
  for (const auto& each : c.datasets)
    if (seen.emplace(each.name, each.digest).second) datasets.datasets.push_back(each);
  if (!datasets.datasets.empty()) events.push_back(std::move(datasets));
  RunModelsLinked models;
  for (const auto& each : c.models)
    if (std::find(state.models.begin(), state.models.end(), each) == state.models.end())
      models.models.push_back(each);
  if (!models.models.empty()) events.push_back(std::move(models));
}

void add_status(Events& events, const RunState& state, const ImportRun& c) {
  const std::string now = state.exists ? state.status : "running";
  if (c.end_time != state.end_time ||
      (c.status != now && c.status != "running" && c.status != "scheduled"))
    events.push_back(RunEnded{.status = c.status, .end_time = c.end_time});
  else if (c.status != now)
    events.push_back(RunStatusChanged{.status = c.status});
}

void add_stage(Events& events, const RunState& state, const ImportRun& c) {
  const auto& experiment = c.experiment;
  if (c.deleted && state.deleted != experiment.generation)
    events.push_back(RunDeleted{.generation = experiment.generation});
  if (!c.deleted && is_deleted(state, experiment))
    events.push_back(RunRestored{.generation = experiment.generation, .alone = experiment.deleted});
}

Status check_version(const ModelState& state, const ImportModel& c, const ImportVersion& v) {
  if (v.version == 0 || v.version > kMostImportedVersion)
    return invalid("versions.version", "must be a whole number from 1 to 10000000");
  if (canonical_stage(v.stage) != v.stage)
    return invalid("versions.stage", "must be one of None, Staging, Production, Archived");
  const auto* here = state.version(v.version);
  if (!here || v.deleted) return {};
  if (here->artifacts.empty() && here->source == v.source && here->run_id == v.run_id) return {};
  return conflict("version " + std::to_string(v.version) + " of model '" + c.model +
                  "' is here already, of another source or run: it is another model");
}

void drop_version(Events& events, const ModelState& state, std::uint64_t version) {
  for (const auto& [alias, points_to] : state.aliases)
    if (points_to == version)
      events.push_back(
          ModelAliasRemoved{.alias = alias, .previous = version, .reason = kImportReason});
  events.push_back(ModelVersionDeleted{.version = version, .reason = kImportReason});
}

void add_version(Events& events, const ModelState& state, const ImportVersion& v) {
  const auto* here = state.version(v.version);
  const bool is_new = v.version > state.versions.size();
  if (!is_new && !here) return;  // it was deleted here
  if (is_new)
    events.push_back(ModelVersionCreated{.version = v.version,
                                         .run_id = v.run_id,
                                         .source = v.source,
                                         .run_link = v.run_link,
                                         .description = v.description,
                                         .tags = v.tags,
                                         .model_id = v.model_id,
                                         .storage_location = v.storage_location});
  if (v.deleted) return drop_version(events, state, v.version);
  if (here && here->description != v.description)
    events.push_back(ModelVersionDescribed{.version = v.version, .description = v.description});
  if (auto changed = differing(here ? here->tags : v.tags, v.tags); !changed.empty())
    events.push_back(ModelVersionTagsSet{.version = v.version, .tags = std::move(changed)});
  const std::string from = here ? here->stage : "None";
  if (from != v.stage)
    events.push_back(ModelStageChanged{
        .version = v.version, .from = from, .to = v.stage, .reason = kImportReason});
}

Status add_aliases(Events& events, const ModelState& state, const ImportModel& c) {
  for (const auto& [alias, pointed] : c.aliases) {
    const auto version = pointed;  // clang 14 lets no lambda have a part of a binding
    const auto previous = state.alias(alias);
    if (previous == version) continue;
    const bool comes = std::any_of(c.versions.begin(), c.versions.end(), [&](const auto& v) {
      return v.version == version && !v.deleted;
    });
    if (comes && version <= state.versions.size() && !state.version(version))
      continue;  // it was deleted here
    if (!comes && !state.version(version))
      return invalid("aliases." + alias, "must name a version that is there");
    if (const auto* holder = state.version(previous); holder && !holder->artifacts.empty())
      return conflict("alias '" + alias + "' of model '" + c.model +
                      "' points to a version that is served here");
    events.push_back(ModelAliasSet{
        .alias = alias, .version = version, .previous = previous, .reason = kImportReason});
  }
  return {};
}

// What the events before it say of times is when they came here, so that what they touch has its
// times in this one.
ModelImported times_of(const ModelState& state, const ImportModel& c, const Events& events) {
  std::map<std::uint64_t, VersionTimes> times;
  for (const auto& event : events)
    if (const auto* set = get_if<ModelAliasSet>(&event))
      for (const auto number : {set->version, set->previous})
        if (const auto* here = state.version(number); here && here->created)
          times[number] = {number, here->created, here->updated};
  for (const auto& v : c.versions) {
    const auto* here = state.version(v.version);
    if (v.deleted || (!here && v.version <= state.versions.size())) continue;
    const bool same =
        here && here->created == v.creation_time && here->updated == v.last_update_time;
    if (!same || !events.empty())
      times[v.version] = {v.version, v.creation_time, v.last_update_time};
  }
  ModelImported e{.creation_time = c.creation_time, .last_update_time = c.last_update_time};
  for (const auto& [number, each] : times) e.versions.push_back(each);
  return e;
}

}  // namespace

Expected<Events> decide(const ExperimentsState& state, const ImportExperiment& c) {
  if (c.name.empty()) return invalid("name", "must not be empty");
  const auto id = c.experiment_id.empty() ? std::to_string(state.next_id) : c.experiment_id;
  if (id.size() > 18 + 1 || id.find_first_not_of("0123456789") != id.npos ||
      (id.size() > 1 && id[0] == '0'))
    return invalid("experiment_id", "must be a whole number of at most 19 digits");
  const auto named = state.id_by_name.find(c.name);
  const auto at = state.by_id.find(id);
  const bool there = at != state.by_id.end() && at->second.logged;
  if (there && at->second.name != c.name)
    return conflict("experiment " + id + " is here already, with the name '" + at->second.name +
                    "'");
  if (named != state.id_by_name.end() && named->second != id)
    return conflict("experiment '" + c.name + "' is here already, with the id " + named->second);
  const Experiment now = there ? at->second : Experiment{};
  Events events;
  if (!there)
    events.push_back(ExperimentCreated{.experiment_id = id,
                                       .name = c.name,
                                       .artifact_location = c.artifact_location,
                                       .tags = c.tags});
  else if (auto changed = differing(now.tags, c.tags); !changed.empty())
    events.push_back(ExperimentTagsSet{.experiment_id = id, .tags = std::move(changed)});
  if (c.deleted && !now.deleted) events.push_back(ExperimentDeleted{.experiment_id = id});
  if (!c.deleted && now.deleted) events.push_back(ExperimentRestored{.experiment_id = id});
  if (!events.empty() || now.created != c.creation_time || now.updated != c.last_update_time)
    events.push_back(ExperimentImported{.experiment_id = id,
                                        .creation_time = c.creation_time,
                                        .last_update_time = c.last_update_time});
  return events;
}

Expected<Events> decide(const RunState& state, const ImportRun& c) {
  if (auto bad = check_run(state, c)) return *bad;
  Events events;
  if (!state.exists)
    events.push_back(RunStarted{.run_id = c.run_id,
                                .experiment_id = c.experiment_id,
                                .name = c.name,
                                .start_time = c.start_time,
                                .user_id = c.user_id,
                                .artifact_uri = c.artifact_uri});
  if (auto params = differing(state.params, c.params); !params.empty())
    events.push_back(RunParamsLogged{.params = std::move(params)});
  if (auto tags = differing(state.tags, c.tags); !tags.empty()) {
    const auto name = tags.find(kRunNameTag);
    if (state.exists && name != tags.end() && !name->second.empty())
      events.push_back(RunRenamed{.name = name->second});
    events.push_back(RunTagsSet{.tags = std::move(tags)});
  }
  add_metrics(events, c);
  add_links(events, state, c);
  add_status(events, state, c);
  add_stage(events, state, c);
  return events;
}

Expected<Events> decide(const LoggedModelState& state, const ImportLoggedModel& c) {
  if (c.status != "pending" && c.status != "ready" && c.status != "upload_failed")
    return invalid("status", "must be one of pending, ready, upload_failed");
  if (state.exists && state.experiment_id != c.experiment_id)
    return conflict("logged model '" + c.logged_model_id + "' is here already, in experiment " +
                    state.experiment_id + ": it is another one");
  if (state.deleted) return Events{};
  Events events;
  if (!state.exists) {
    events.push_back(LoggedModelCreated{.model_id = c.logged_model_id,
                                        .experiment_id = c.experiment_id,
                                        .name = c.name,
                                        .source_run_id = c.source_run_id,
                                        .model_type = c.model_type,
                                        .artifact_uri = c.artifact_uri,
                                        .params = c.params,
                                        .tags = c.tags});
  } else {
    if (auto params = differing(state.params, c.params); !params.empty())
      events.push_back(LoggedModelParamsLogged{.params = std::move(params)});
    if (auto tags = differing(state.tags, c.tags); !tags.empty())
      events.push_back(LoggedModelTagsSet{.tags = std::move(tags)});
  }
  if (c.status != (state.status.empty() ? "pending" : state.status))
    events.push_back(LoggedModelStatusChanged{.status = c.status});
  if (c.deleted) events.push_back(LoggedModelDeleted{.model_id = c.logged_model_id});
  if (!events.empty() || state.created != c.creation_time || state.updated != c.last_update_time)
    events.push_back(LoggedModelImported{.creation_time = c.creation_time,
                                         .last_update_time = c.last_update_time});
  return events;
}

Expected<Events> decide(const ModelState& state, const ImportModel& c) {
  std::uint64_t before = 0;
  for (const auto& v : c.versions) {
    if (auto bad = check_version(state, c, v)) return *bad;
    if (v.version <= before) return invalid("versions", "must be in the order of their numbers");
    before = v.version;
  }
  Events events;
  if (!state.exists) {
    events.push_back(
        ModelRegistered{.name = c.model, .description = c.description, .tags = c.tags});
  } else {
    if (state.description != c.description)
      events.push_back(ModelDescribed{.description = c.description});
    if (auto tags = differing(state.tags, c.tags); !tags.empty())
      events.push_back(ModelTagsSet{.tags = std::move(tags)});
  }
  for (const auto& v : c.versions) add_version(events, state, v);
  if (auto bad = add_aliases(events, state, c)) return *bad;
  auto times = times_of(state, c, events);
  if (!events.empty() || !times.versions.empty() || state.created != c.creation_time ||
      state.updated != c.last_update_time)
    events.push_back(std::move(times));
  return events;
}

void evolve(ExperimentsState& state, const ExperimentImported& e) {
  const auto at = state.by_id.find(e.experiment_id);
  if (at == state.by_id.end()) return;
  at->second.created = e.creation_time;
  at->second.updated = e.last_update_time;
}

void evolve(LoggedModelState& state, const LoggedModelImported& e) {
  state.created = e.creation_time;
  state.updated = e.last_update_time;
}

void evolve(ModelState& state, const ModelImported& e) {
  state.created = e.creation_time;
  state.updated = e.last_update_time;
  for (const auto& each : e.versions) {
    if (!state.version(each.version)) continue;
    state.versions[each.version - 1].created = each.creation_time;
    state.versions[each.version - 1].updated = each.last_update_time;
  }
}

}  // namespace mlforge
