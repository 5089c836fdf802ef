#include "events/dataset.hpp"

#include "events/checks.hpp"

namespace mlforge {
namespace {

const FileRef* committed_file(const DatasetState& state, const std::string& path) {
  if (state.versions.empty()) return nullptr;
  for (const auto& file : state.versions.back().files)
    if (file.path == path) return &file;
  return nullptr;
}

bool already_there(const DatasetState& state, const FileRef& file) {
  if (const auto at = state.staged.find(file.path); at != state.staged.end())
    return at->second.digest == file.digest;
  const FileRef* committed = committed_file(state, file.path);
  return committed && committed->digest == file.digest && !state.staged_removal.contains(file.path);
}

Status check_exists(const DatasetState& state, const std::string& name) {
  if (state.exists) return {};
  return not_found("dataset", name);
}

DatasetValidated validated(const RecordValidation& c, std::uint64_t version) {
  bool passed = true;
  for (const auto& check : c.checks) passed = passed && check.passed;
  return {.version = version,
          .rows = c.rows,
          .columns = c.columns,
          .passed = passed,
          .checks = c.checks};
}

}  // namespace

Expected<Events> decide(const DatasetState& state, const StageFiles& c) {
  if (auto bad = check_name("dataset", c.dataset)) return *bad;
  if (c.files.empty()) return invalid("files", "must name at least one file");
  Events events;
  if (!state.exists) events.push_back(DatasetCreated{.name = c.dataset, .source = c.source});
  std::map<std::string, bool> seen;
  for (const auto& file : c.files) {
    if (auto bad = check_path("files.path", file.path)) return *bad;
    if (auto bad = check_digest("files.digest", file.digest)) return *bad;
    if (!seen.emplace(file.path, true).second)
      return invalid("files.path", "names '" + file.path + "' twice");
    if (!already_there(state, file))
      events.push_back(
          DatasetFileStaged{.path = file.path, .digest = file.digest, .bytes = file.bytes});
  }
  return events;
}

Expected<Events> decide(const DatasetState& state, const UnstageFile& c) {
  if (auto bad = check_exists(state, c.dataset)) return *bad;
  if (!state.staged.contains(c.path) && !committed_file(state, c.path))
    return not_found("file in the dataset", c.path);
  if (state.staged_removal.contains(c.path)) return Events{};
  return Events{DatasetFileUnstaged{.path = c.path}};
}

Expected<Events> decide(const DatasetState& state, const CommitDataset& c) {
  if (auto bad = check_exists(state, c.dataset)) return *bad;
  if (state.staged.empty() && state.staged_removal.empty())
    return conflict("nothing is staged in dataset '" + c.dataset + "': add files first");
  if (files_to_commit(state) != c.files)
    return conflict("the staged files of dataset '" + c.dataset +
                    "' changed during the commit: try again");
  if (!state.versions.empty() && state.versions.back().digest == c.digest)
    return conflict("the staged files equal version " + std::to_string(state.versions.size()));
  const std::uint64_t version = state.versions.size() + 1;
  Events events{DatasetCommitted{.version = version,
                                 .digest = c.digest,
                                 .message = c.message,
                                 .files = files_to_commit(state)}};
  if (c.validation) events.push_back(validated(*c.validation, version));
  return events;
}

Expected<Events> decide(const DatasetState& state, const RecordValidation& c) {
  if (auto bad = check_exists(state, c.dataset)) return *bad;
  if (c.version == 0 || c.version > state.versions.size())
    return not_found("version of dataset '" + c.dataset + "'", std::to_string(c.version));
  return Events{validated(c, c.version)};
}

void evolve(DatasetState& state, const DatasetCreated& e) {
  state.exists = true;
  state.name = e.name;
}

void evolve(DatasetState& state, const DatasetFileStaged& e) {
  state.staged[e.path] = FileRef{e.path, e.digest, e.bytes};
  state.staged_removal.erase(e.path);
}

void evolve(DatasetState& state, const DatasetFileUnstaged& e) {
  const bool was_staged = state.staged.erase(e.path) > 0;
  if (!was_staged) state.staged_removal[e.path] = true;
}

void evolve(DatasetState& state, const DatasetCommitted& e) {
  state.versions.push_back({e.digest, e.files, std::nullopt});
  state.staged.clear();
  state.staged_removal.clear();
}

void evolve(DatasetState& state, const DatasetValidated& e) {
  if (e.version >= 1 && e.version <= state.versions.size())
    state.versions[e.version - 1].valid = e.passed;
}

std::vector<FileRef> files_to_commit(const DatasetState& state) {
  std::map<std::string, FileRef> files;
  if (!state.versions.empty())
    for (const auto& file : state.versions.back().files) files[file.path] = file;
  for (const auto& [path, removed] : state.staged_removal) files.erase(path);
  for (const auto& [path, file] : state.staged) files[path] = file;
  std::vector<FileRef> out;
  for (auto& [path, file] : files) out.push_back(std::move(file));
  return out;
}

std::string digest_text(const std::vector<FileRef>& files) {
  std::string text;
  for (const auto& file : files) text += file.digest + "  " + file.path + "\n";
  return text;
}

}  // namespace mlforge
