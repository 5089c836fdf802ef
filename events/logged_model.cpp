#include "events/logged_model.hpp"

#include <algorithm>
#include <charconv>

#include "events/checks.hpp"
#include "events/mlflow_checks.hpp"

namespace mlforge {
namespace {

using mlflow::changes, mlflow::refuse;

Status check_there(const LoggedModelState& state, const std::string& id) {
  if (state.exists && !state.deleted) return {};
  return Error{ErrorCode::not_found, "Logged model with ID '" + id + "' not found.", "model_id"};
}

Status check_name(const std::string& name) {
  if (name.find_first_of("/:.%\"'") == name.npos) return {};
  return refuse("Invalid model name ('" + name +
                    "') provided. Model name must be a non-empty string and cannot contain the "
                    "following characters: ('/', ':', '.', '%', '\"', \"'\")",
                "name");
}

// The number of the last file of a folder; 0 where none is numbered.
std::uint64_t last_number(const ArtifactsState& state, const std::string& folder, FileRef& last) {
  const auto name = folder + "/" + kNumberMark;
  const auto behind = state.files.lower_bound(folder + "/" + static_cast<char>(kNumberMark + 1));
  if (behind == state.files.begin()) return 0;
  last = std::prev(behind)->second;
  if (!last.path.starts_with(name)) return 0;
  std::uint64_t number = 0;
  std::from_chars(last.path.data() + name.size(), last.path.data() + last.path.size(), number);
  return number;
}

std::string numbered_name(std::uint64_t number) {
  const auto digits = std::to_string(number);
  return kNumberMark + std::string(12 - std::min<std::size_t>(digits.size(), 12), '0') + digits +
         ".json";
}

Expected<Events> store_next(const ArtifactsState& state, const FileRef& file) {
  if (auto bad = check_path("path", file.path)) return *bad;
  if (auto bad = check_digest("digest", file.digest)) return *bad;
  FileRef last;
  const auto number = last_number(state, file.path, last);
  if (number > 0 && last.digest == file.digest) return Events{};
  return Events{ArtifactStored{.path = file.path + "/" + numbered_name(number + 1),
                               .digest = file.digest,
                               .bytes = file.bytes}};
}

}  // namespace

Expected<Events> decide(const LoggedModelState& state, const NewLoggedModel& c) {
  if (state.exists)
    return Error{ErrorCode::already_exists,
                 "Logged model '" + c.logged_model_id + "' already exists", "model_id"};
  if (auto bad = check_name(c.name)) return *bad;
  return Events{LoggedModelCreated{.model_id = c.logged_model_id,
                                   .experiment_id = c.experiment_id,
                                   .name = c.name,
                                   .source_run_id = c.source_run_id,
                                   .model_type = c.model_type,
                                   .artifact_uri = c.artifact_uri,
                                   .params = c.params,
                                   .tags = c.tags}};
}

Expected<Events> decide(const LoggedModelState& state, const SetLoggedModelStatus& c) {
  if (auto bad = check_there(state, c.logged_model_id)) return *bad;
  if (state.status == c.status) return Events{};
  return Events{LoggedModelStatusChanged{.status = c.status}};
}

Expected<Events> decide(const LoggedModelState& state, const LogLoggedModelParams& c) {
  if (auto bad = check_there(state, c.logged_model_id)) return *bad;
  for (const auto& [key, value] : c.params)
    if (const auto at = state.params.find(key); at != state.params.end() && at->second != value)
      return refuse("Param '" + key + "' of logged model '" + c.logged_model_id + "' is already '" +
                        at->second + "': params never change.",
                    "params");
  auto fresh = changes(state.params, c.params);
  if (fresh.empty()) return Events{};
  return Events{LoggedModelParamsLogged{.params = std::move(fresh)}};
}

Expected<Events> decide(const LoggedModelState& state, const TagLoggedModel& c) {
  if (auto bad = check_there(state, c.logged_model_id)) return *bad;
  auto changed = changes(state.tags, c.tags);
  if (changed.empty()) return Events{};
  return Events{LoggedModelTagsSet{.tags = std::move(changed)}};
}

Expected<Events> decide(const LoggedModelState& state, const UntagLoggedModel& c) {
  if (auto bad = check_there(state, c.logged_model_id)) return *bad;
  if (!state.tags.contains(c.key))
    return Error{
        ErrorCode::not_found,
        "No tag with key '" + c.key + "' found for model with ID '" + c.logged_model_id + "'.",
        "key"};
  return Events{LoggedModelTagRemoved{.key = c.key}};
}

Expected<Events> decide(const LoggedModelState& state, const RecordModelVersion& c) {
  constexpr const char* kVersions = "mlflow.modelVersions";
  if (auto bad = check_there(state, c.logged_model_id)) return *bad;
  std::string entry = "{\"name\": ";
  append_json_string(entry, c.model);
  entry += ", \"version\": " + c.version + '}';  // a number, as MLflow has it
  std::string list = "[" + entry + "]";
  if (const auto old = state.tags.find(kVersions);
      old != state.tags.end() && old->second.starts_with('[') && old->second.ends_with(']')) {
    if (old->second.find(entry) != std::string::npos) return Events{};
    list = old->second.substr(0, old->second.size() - 1) + ", " + entry + "]";
  }
  return Events{LoggedModelTagsSet{.tags = {{kVersions, std::move(list)}}}};
}

Expected<Events> decide(const LoggedModelState& state, const DeleteLoggedModel& c) {
  if (state.exists && state.deleted) return Events{};
  if (auto bad = check_there(state, c.logged_model_id)) return *bad;
  return Events{LoggedModelDeleted{.model_id = c.logged_model_id}};
}

void evolve(LoggedModelState& state, const LoggedModelCreated& e) {
  state.exists = true;
  state.experiment_id = e.experiment_id;
  state.params = e.params;
  state.tags = e.tags;
}
void evolve(LoggedModelState& state, const LoggedModelStatusChanged& e) { state.status = e.status; }
void evolve(LoggedModelState& state, const LoggedModelParamsLogged& e) {
  for (const auto& [key, value] : e.params) state.params[key] = value;
}
void evolve(LoggedModelState& state, const LoggedModelTagsSet& e) {
  for (const auto& [key, value] : e.tags) state.tags[key] = value;
}
void evolve(LoggedModelState& state, const LoggedModelTagRemoved& e) { state.tags.erase(e.key); }
void evolve(LoggedModelState& state, const LoggedModelDeleted&) { state.deleted = true; }

Expected<Events> decide(const ArtifactsState& state, const StoreArtifact& c) {
  if (c.numbered) return store_next(state, c.file);
  if (auto bad = check_path("path", c.file.path)) return *bad;
  if (auto bad = check_digest("digest", c.file.digest)) return *bad;
  const auto at = state.files.find(c.file.path);
  if (at != state.files.end() && at->second == c.file) return Events{};
  if (auto bad = check_place("path", c.file.path, state.files)) return *bad;
  return Events{
      ArtifactStored{.path = c.file.path, .digest = c.file.digest, .bytes = c.file.bytes}};
}

Expected<Events> decide(const ArtifactsState& state, const RemoveArtifact& c) {
  Events events;
  for (const auto& [path, file] : state.files)
    if (c.path.empty() || path == c.path || path.starts_with(c.path + "/"))
      events.push_back(ArtifactRemoved{.path = path});
  return events;
}

void evolve(ArtifactsState& state, const ArtifactStored& e) {
  state.files[e.path] = FileRef{e.path, e.digest, e.bytes};
}
void evolve(ArtifactsState& state, const ArtifactRemoved& e) { state.files.erase(e.path); }

}  // namespace mlforge
