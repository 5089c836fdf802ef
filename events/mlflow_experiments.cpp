#include <algorithm>

#include "events/mlflow_checks.hpp"
#include "events/mlflow_tracking.hpp"

namespace mlforge {
namespace {

using mlflow::refuse;

Error no_experiment(const std::string& id) {
  return {ErrorCode::not_found, "No Experiment with id=" + id + " exists", "experiment_id"};
}

Error name_taken(const std::string& name) {
  return {ErrorCode::already_exists,
          "Experiment(name=" + name +
              ") already exists. Names stay taken while an experiment is "
              "deleted: restore it, or rename it.",
          "name"};
}

// The experiment that a command is about, whatever its lifecycle stage.
Expected<const Experiment*> find(const ExperimentsState& state, const std::string& id) {
  const auto digits = std::string_view(id).substr(id.starts_with('-') ? 1 : 0);
  const bool number = !digits.empty() && digits.find_first_not_of("0123456789") == digits.npos;
  if (!number)
    return refuse("Invalid experiment ID '" + id + "'. Experiment ID must be a valid integer.",
                  "experiment_id");
  const auto at = state.by_id.find(id);
  if (at == state.by_id.end()) return no_experiment(id);
  return &at->second;
}

// The events, after the one that names the default experiment where no event has yet.
Events with_default(const ExperimentsState& state, const std::string& id, Event event) {
  Events events;
  if (const auto& experiment = state.by_id.at(id); !experiment.logged)
    events.push_back(ExperimentCreated{.experiment_id = id, .name = experiment.name});
  events.push_back(std::move(event));
  return events;
}

Status check_active(const Experiment& experiment, const std::string& id) {
  if (!experiment.deleted) return {};
  return refuse(
      "The experiment " + id + " must be in the 'active' state. Current state is deleted.",
      "experiment_id");
}

Status check_location(const std::string& location) {
  if (location.size() > 2048)
    return refuse(
        "Invalid artifact path length. The length of the artifact path cannot be greater "
        "than 2048 characters.",
        "artifact_location");
  if (location.find('#') != location.npos)
    return refuse("'artifact_location' URL can't include fragments or params.",
                  "artifact_location");
  if (location.find('?') != location.npos && location.find("://") == location.npos)
    return refuse(
        "Invalid value for parameter 'artifact_location': it must be a URI or a path "
        "without '?'.",
        "artifact_location");
  if (location.starts_with("runs:"))
    return refuse("Artifact location cannot be a runs:/ URI. Given: '" + location + "'",
                  "artifact_location");
  return {};
}

std::string location_of(const std::string& given, std::string root, const std::string& id) {
  if (!given.empty() || root.empty()) return given;
  if (!root.ends_with('/')) root += '/';
  return root + id;
}

}  // namespace

std::string default_artifact_location(std::string_view experiment_id) {
  return "mlflow-artifacts:/" + std::string(experiment_id);
}

Expected<Events> decide(const ExperimentsState& state, const NewExperiment& c) {
  if (auto bad = mlflow::check_experiment_name(c.name)) return *bad;
  if (auto bad = check_location(c.artifact_location)) return *bad;
  if (auto bad = mlflow::check_tags(c.tags, mlflow::kMaxExperimentTagValue)) return *bad;
  if (state.id_by_name.contains(c.name)) return name_taken(c.name);
  const auto id = std::to_string(state.next_id);
  return Events{
      ExperimentCreated{.experiment_id = id,
                        .name = c.name,
                        .artifact_location = location_of(c.artifact_location, c.artifact_root, id),
                        .tags = c.tags}};
}

Expected<Events> decide(const ExperimentsState& state, const RenameExperiment& c) {
  if (auto bad = mlflow::check_experiment_name(c.name)) return *bad;
  const auto experiment = find(state, c.experiment_id);
  if (!experiment) return experiment.error();
  if ((*experiment)->deleted)
    return Error{ErrorCode::conflict, "Cannot rename a non-active experiment.", "experiment_id"};
  if ((*experiment)->name == c.name) return Events{};
  if (state.id_by_name.contains(c.name)) return name_taken(c.name);
  return with_default(state, c.experiment_id,
                      ExperimentRenamed{.experiment_id = c.experiment_id, .name = c.name});
}

Expected<Events> decide(const ExperimentsState& state, const DeleteExperiment& c) {
  const auto experiment = find(state, c.experiment_id);
  if (!experiment) return experiment.error();
  if ((*experiment)->deleted) return no_experiment(c.experiment_id);
  return with_default(state, c.experiment_id, ExperimentDeleted{.experiment_id = c.experiment_id});
}

Expected<Events> decide(const ExperimentsState& state, const RestoreExperiment& c) {
  const auto experiment = find(state, c.experiment_id);
  if (!experiment) return experiment.error();
  if (!(*experiment)->deleted) return no_experiment(c.experiment_id);
  return Events{ExperimentRestored{.experiment_id = c.experiment_id}};
}

Expected<Events> decide(const ExperimentsState& state, const TagExperiment& c) {
  if (auto bad = mlflow::check_tags(c.tags, mlflow::kMaxExperimentTagValue)) return *bad;
  const auto experiment = find(state, c.experiment_id);
  if (!experiment) return experiment.error();
  if (auto bad = check_active(**experiment, c.experiment_id)) return *bad;
  const auto& tags = (*experiment)->tags;
  const bool same = std::all_of(c.tags.begin(), c.tags.end(), [&](const auto& tag) {
    const auto at = tags.find(tag.first);
    return at != tags.end() && at->second == tag.second;
  });
  if (same) return Events{};
  return with_default(state, c.experiment_id,
                      ExperimentTagsSet{.experiment_id = c.experiment_id, .tags = c.tags});
}

Expected<Events> decide(const ExperimentsState& state, const UntagExperiment& c) {
  const auto experiment = find(state, c.experiment_id);
  if (!experiment) return experiment.error();
  if (auto bad = check_active(**experiment, c.experiment_id)) return *bad;
  if (!(*experiment)->tags.contains(c.key))
    return Error{ErrorCode::not_found,
                 "No tag with name: " + c.key + " in experiment with id " + c.experiment_id, "key"};
  return Events{ExperimentTagRemoved{.experiment_id = c.experiment_id, .key = c.key}};
}

Expected<Events> decide(const ExperimentsState& state, const EnsureDefaultExperiment& c) {
  const auto& experiment = state.by_id.at(kDefaultExperiment);
  if (experiment.logged) return Events{};
  return Events{
      ExperimentCreated{.experiment_id = kDefaultExperiment,
                        .name = experiment.name,
                        .artifact_location = location_of("", c.artifact_root, kDefaultExperiment)}};
}

}  // namespace mlforge
