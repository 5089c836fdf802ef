#include "events/mlflow_registry.hpp"

#include <algorithm>

#include "events/mlflow_checks.hpp"

namespace mlforge {
namespace {

using mlflow::changes, mlflow::refuse;

constexpr const char* kPromptTag = "mlflow.prompt.is_prompt";

Status check_model(const ModelState& state, const std::string& model) {
  if (auto bad = mlflow::check_model_name(model)) return bad;
  if (state.exists) return {};
  return Error{ErrorCode::not_found, "Registered Model with name=" + model + " not found", "name"};
}

Status check_model_version(const ModelState& state, const std::string& model,
                           std::uint64_t version) {
  if (auto bad = mlflow::check_model_name(model)) return bad;
  if (state.exists && state.version(version)) return {};
  return Error{
      ErrorCode::not_found,
      "Model Version (name=" + model + ", version=" + std::to_string(version) + ") not found",
      "version"};
}

bool servable(const ModelState& state, std::uint64_t version) {
  const auto* found = state.version(version);
  return found && !found->artifacts.empty();
}

Error by_promotion(const std::string& model, std::uint64_t version, const char* what) {
  return {ErrorCode::refused,
          "Version " + std::to_string(version) + " of model '" + model +
              "' can be served, so it reaches " + what +
              " by a promotion only, which weighs it: POST /api/v1/models/" + model + "/versions/" +
              std::to_string(version) + "/promote",
          "version"};
}

// Of a model or a version that goes: who follows the aliases must see them go.
void drop_aliases(Events& events, const ModelState& state, std::uint64_t version,
                  const std::string& reason) {
  for (const auto& [alias, points_to] : state.aliases)
    if (version == 0 || points_to == version)
      events.push_back(ModelAliasRemoved{.alias = alias, .previous = points_to, .reason = reason});
}

Error name_taken(const ModelState& owner, const std::string& name, bool is_prompt) {
  const bool was = owner.tags.contains(kPromptTag);
  std::string message = "Registered Model (name=" + name + ") already exists.";
  if (was && is_prompt) message = "Prompt with name=" + name + " already exists.";
  if (was != is_prompt)
    message = std::string("Tried to create a ") + (is_prompt ? "prompt" : "registered model") +
              " with name '" + name + "', but the name is already taken by a " +
              (was ? "prompt" : "registered model") +
              ". MLflow does not allow creating a model and a prompt with the same name.";
  return {ErrorCode::already_exists, message, "name"};
}

Status check_not_champion(const ModelState& state, const std::string& model,
                          std::uint64_t version) {
  const auto champion = state.alias(kChampion);
  if (champion == 0 || !servable(state, champion) || (version != 0 && version != champion))
    return {};
  return Error{ErrorCode::refused,
               "Version " + std::to_string(champion) + " of model '" + model +
                   "' is its champion, which may be serving: archive it first",
               "version"};
}

}  // namespace

std::string canonical_stage(std::string_view stage) {
  for (const std::string_view each : {"None", "Staging", "Production", "Archived"})
    if (stage.size() == each.size() &&
        std::equal(stage.begin(), stage.end(), each.begin(),
                   [](char a, char b) { return (a | 0x20) == (b | 0x20); }))
      return std::string(each);
  return {};
}

Expected<Events> decide(const ModelState& state, const NewModel& c) {
  if (auto bad = mlflow::check_model_name(c.name)) return *bad;
  if (auto bad = mlflow::check_tags(c.tags, mlflow::kMaxRegistryTagValue)) return *bad;
  if (state.exists) return name_taken(state, c.name, c.tags.contains(kPromptTag));
  return Events{ModelRegistered{.name = c.name, .description = c.description, .tags = c.tags}};
}

Expected<Events> decide(const ModelState& state, const DescribeModel& c) {
  if (auto bad = check_model(state, c.model)) return *bad;
  if (state.description == c.description) return Events{};
  return Events{ModelDescribed{.description = c.description}};
}

Expected<Events> decide(const ModelState& state, const DeleteModel& c) {
  if (auto bad = check_model(state, c.model)) return *bad;
  if (auto bad = check_not_champion(state, c.model, 0)) return *bad;
  Events events;
  drop_aliases(events, state, 0, "the model was deleted");
  events.push_back(ModelDeleted{.reason = c.reason});
  return events;
}

Expected<Events> decide(const ModelState& state, const ModelState& target, const RenameModel& c) {
  if (auto bad = mlflow::check_model_name(c.to)) return *bad;
  if (auto bad = check_model(state, c.model)) return *bad;
  if (c.to == c.model) return Events{};
  if (target.exists) return name_taken(target, c.to, state.tags.contains(kPromptTag));
  ModelTakenOver taken{.from = c.model,
                       .description = state.description,
                       .tags = state.tags,
                       .aliases = state.aliases,
                       .versions = {}};
  for (std::size_t i = 0; i < state.versions.size(); ++i) {
    const auto& v = state.versions[i];
    if (!v.artifacts.empty() && !v.deleted)
      return Error{ErrorCode::refused,
                   "Model '" + c.model + "' has versions that can be served (version " +
                       std::to_string(i + 1) +
                       "), and endpoints know it by this name: it cannot be renamed",
                   "name"};
    taken.versions.push_back({.version = i + 1,
                              .stage = v.stage,
                              .run_id = v.run_id,
                              .description = v.description,
                              .tags = v.tags,
                              .deleted = v.deleted});
  }
  return Events{ModelRenamed{.to = c.to}, std::move(taken)};
}

Expected<Events> decide(const ModelState& state, const TagModel& c) {
  if (auto bad = check_model(state, c.model)) return *bad;
  if (auto bad = mlflow::check_tags(c.tags, mlflow::kMaxRegistryTagValue)) return *bad;
  auto changed = changes(state.tags, c.tags);
  if (changed.empty()) return Events{};
  return Events{ModelTagsSet{.tags = std::move(changed)}};
}

Expected<Events> decide(const ModelState& state, const UntagModel& c) {
  if (auto bad = check_model(state, c.model)) return *bad;
  if (!state.tags.contains(c.key)) return Events{};
  return Events{ModelTagRemoved{.key = c.key}};
}

Expected<Events> decide(const ModelState& state, const NewVersion& c) {
  if (auto bad = check_model(state, c.model)) return *bad;
  if (c.source.empty())
    return refuse(
        "Missing value for required parameter 'source'. See the API docs for more "
        "information about request parameters.",
        "source");
  if (auto bad = mlflow::check_tags(c.tags, mlflow::kMaxRegistryTagValue)) return *bad;
  return Events{ModelVersionCreated{.version = state.versions.size() + 1,
                                    .run_id = c.run_id,
                                    .source = c.source,
                                    .run_link = c.run_link,
                                    .description = c.description,
                                    .tags = c.tags,
                                    .model_id = c.model_id,
                                    .storage_location = c.storage_location}};
}

Expected<Events> decide(const ModelState& state, const DescribeVersion& c) {
  if (auto bad = check_model_version(state, c.model, c.version)) return *bad;
  if (state.version(c.version)->description == c.description) return Events{};
  return Events{ModelVersionDescribed{.version = c.version, .description = c.description}};
}

Expected<Events> decide(const ModelState& state, const TagVersion& c) {
  if (auto bad = check_model_version(state, c.model, c.version)) return *bad;
  if (auto bad = mlflow::check_tags(c.tags, mlflow::kMaxRegistryTagValue)) return *bad;
  auto changed = changes(state.version(c.version)->tags, c.tags);
  if (changed.empty()) return Events{};
  return Events{ModelVersionTagsSet{.version = c.version, .tags = std::move(changed)}};
}

Expected<Events> decide(const ModelState& state, const UntagVersion& c) {
  if (auto bad = check_model_version(state, c.model, c.version)) return *bad;
  if (!state.version(c.version)->tags.contains(c.key)) return Events{};
  return Events{ModelVersionTagRemoved{.version = c.version, .key = c.key}};
}

Expected<Events> decide(const ModelState& state, const DeleteVersion& c) {
  if (auto bad = check_model_version(state, c.model, c.version)) return *bad;
  if (auto bad = check_not_champion(state, c.model, c.version)) return *bad;
  Events events;
  drop_aliases(events, state, c.version, "the version was deleted");
  events.push_back(ModelVersionDeleted{.version = c.version, .reason = c.reason});
  return events;
}

Expected<Events> decide(const ModelState& state, const MoveStage& c) {
  const auto to = canonical_stage(c.stage);
  if (to.empty())
    return refuse("Invalid Model Version stage: " + c.stage +
                      ". Value must be one of None, Staging, Production, Archived.",
                  "stage");
  const bool active = to == "Staging" || to == "Production";
  if (c.archive && !active)
    return refuse("Model version transition cannot archive existing model versions because '" +
                      c.stage +
                      "' is not an Active stage. Valid stages are ['Staging', "
                      "'Production']",
                  "archive_existing_versions");
  if (auto bad = check_model_version(state, c.model, c.version)) return *bad;
  const auto& from = state.version(c.version)->stage;
  if (servable(state, c.version) && to == "Production" && from != to)
    return by_promotion(c.model, c.version, "Production");
  Events events;
  for (std::uint64_t v = 1; c.archive && v <= state.versions.size(); ++v) {
    const auto* other = state.version(v);
    if (v == c.version || !other || other->stage != to) continue;
    if (auto bad = check_not_champion(state, c.model, v)) return *bad;
    events.push_back(ModelStageChanged{
        .version = v, .from = to, .to = "Archived", .reason = "replaced in its stage"});
  }
  if (from != to)
    events.push_back(
        ModelStageChanged{.version = c.version, .from = from, .to = to, .reason = c.reason});
  if (from == to || !servable(state, c.version)) return events;
  if (to == "Staging" && state.alias(kChallenger) != c.version)
    events.push_back(ModelAliasSet{.alias = std::string(kChallenger),
                                   .version = c.version,
                                   .previous = state.alias(kChallenger),
                                   .reason = "entered Staging"});
  if (to != "Staging")
    for (const auto alias : {kChallenger, kChampion})
      if (state.alias(alias) == c.version)
        events.push_back(ModelAliasRemoved{
            .alias = std::string(alias), .previous = c.version, .reason = "left its stage"});
  return events;
}

namespace {

Status check_expected(const std::string& alias, std::uint64_t version,
                      std::optional<std::uint64_t> expected) {
  if (!expected || *expected == version) return {};
  return Error{ErrorCode::conflict,
               "Alias '" + alias + "' points to version " + std::to_string(version) +
                   ", not to the expected " + std::to_string(*expected),
               "X-Mlforge-Expect"};
}

}  // namespace

Expected<Events> decide(const ModelState& state, const PointAlias& c) {
  if (auto bad = mlflow::check_model_name(c.model)) return *bad;
  if (auto bad = mlflow::check_alias(c.alias)) return *bad;
  if (auto bad = check_model_version(state, c.model, c.version)) return *bad;
  const auto previous = state.alias(c.alias);
  if (c.alias == kChampion && previous != c.version &&
      (servable(state, c.version) || servable(state, previous)))
    return by_promotion(c.model, c.version, "the alias champion");
  if (c.alias == kChallenger && servable(state, c.version) &&
      state.version(c.version)->stage != "Staging")
    return Error{ErrorCode::refused,
                 "The alias challenger is served, so its version must be in Staging", "alias"};
  if (auto bad = check_expected(c.alias, previous, c.expected)) return *bad;
  if (previous == c.version) return Events{};
  return Events{ModelAliasSet{
      .alias = c.alias, .version = c.version, .previous = previous, .reason = c.reason}};
}

Expected<Events> decide(const ModelState& state, const DropAlias& c) {
  if (auto bad = check_model(state, c.model)) return *bad;
  const auto previous = state.alias(c.alias);
  if (auto bad = check_expected(c.alias, previous, c.expected)) return *bad;
  if (previous == 0) return Events{};
  if (c.alias == kChampion && servable(state, previous))
    return by_promotion(c.model, previous, "or leaves the alias champion");
  return Events{ModelAliasRemoved{.alias = c.alias, .previous = previous, .reason = c.reason}};
}

void evolve(ModelState& state, const ModelDescribed& e) { state.description = e.description; }
void evolve(ModelState& state, const ModelTagsSet& e) {
  for (const auto& [key, value] : e.tags) state.tags[key] = value;
}
void evolve(ModelState& state, const ModelTagRemoved& e) { state.tags.erase(e.key); }
void evolve(ModelState& state, const ModelDeleted&) { state = ModelState{}; }
void evolve(ModelState& state, const ModelRenamed&) { state = ModelState{}; }
void evolve(ModelState& state, const ModelTakenOver& e) {
  state = ModelState{};
  state.exists = true;
  state.description = e.description;
  state.tags = e.tags;
  state.aliases = e.aliases;
  for (const auto& v : e.versions) {
    ModelVersionState version;
    version.stage = v.stage;
    version.run_id = v.run_id;
    version.description = v.description;
    version.tags = v.tags;
    version.deleted = v.deleted;
    state.versions.push_back(std::move(version));
  }
}
void evolve(ModelState& state, const ModelVersionDescribed& e) {
  if (state.version(e.version)) state.versions[e.version - 1].description = e.description;
}
void evolve(ModelState& state, const ModelVersionTagsSet& e) {
  if (!state.version(e.version)) return;
  for (const auto& [key, value] : e.tags) state.versions[e.version - 1].tags[key] = value;
}
void evolve(ModelState& state, const ModelVersionTagRemoved& e) {
  if (state.version(e.version)) state.versions[e.version - 1].tags.erase(e.key);
}
void evolve(ModelState& state, const ModelVersionDeleted& e) {
  if (state.version(e.version)) state.versions[e.version - 1].deleted = true;
}

}  // namespace mlforge
