#include "gateway/cli/import_mlflow_copy.hpp"

#include <algorithm>
#include <chrono>

namespace mlforge::gateway::cli {
namespace {

using mlflow::ImportItem;
using mlflow::ImportRead;
using mlflow::ImportResult;
using mlflow::ImportResults;
using mlflow::ImportState;

constexpr std::size_t kModelsAtOnce = 100;    // of logged models
constexpr std::size_t kVersionsAtOnce = 500;  // of a model

const char* kImportRoute = "/api/v1/import/mlflow";
const char* kImportReadRoute = "/api/v1/import/mlflow/read";

bool is_experiment_id(const std::string& id) {
  return !id.empty() && id.size() < 20 && id.find_first_not_of("0123456789") == id.npos &&
         (id == "0" || id[0] != '0');
}

void count_as(ImportTally& tally, bool exists, bool changed) {
  ++(!changed ? tally.unchanged : exists ? tally.updated : tally.imported);
}

template <class All, class Id>
auto find_member(const All& all, Id id, const std::string& wanted) {
  return std::find_if(all.begin(), all.end(), [&](const auto& each) { return each.*id == wanted; });
}

}  // namespace

MlflowImporter::MlflowImporter(const Session& s, MlflowSource& source, Api& api,
                               ImportChoices choices)
    : s_(s), source_(source), api_(api), choices_(std::move(choices)), bar_(s.io, "importing") {}

Expected<ImportReport> MlflowImporter::run() {
  const auto begin = std::chrono::steady_clock::now();
  report_.dry_run = choices_.dry_run;
  report_.server = api_.url();
  const auto counts = source_.count();
  if (!counts) return counts.error();
  total_ = counts->runs + counts->points;
  for (const auto& [what, n] : counts->left_out) report_.left_out.push_back({what, n});
  for (const auto step : {&MlflowImporter::import_experiments, &MlflowImporter::import_runs,
                          &MlflowImporter::import_models}) {
    auto bad = (this->*step)();
    if (!bad) continue;
    bar_.clear();
    if (!choices_.dry_run)
      bad->message += " (what came before it is here: the same command goes on from there)";
    return *std::move(bad);
  }
  bar_.clear();
  if (behind_server_)
    report_.left_out.push_back(
        {"artifacts (of runs and models) that only the old server gives: --artifacts copy with "
         "--artifacts-from brings them",
         behind_server_});
  report_.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return std::move(report_);
}

// ---------------------------------------------------------------- experiments

// One with the same name is the same experiment; where only the id is taken it gets another.
Status MlflowImporter::import_experiments() {
  auto there = source_.experiments();
  if (!there) return there.error();
  auto here = read({.experiments = true});
  if (!here) return here.error();
  std::vector<ImportItem> items;
  std::vector<std::string> ids;  // at the source
  for (auto& each : *there) {
    ++report_.experiments.found;
    const auto id = each.experiment_id;
    const auto named = find_member(here->experiments, &ImportExperiment::name, each.name);
    const bool exists = named != here->experiments.end();
    const bool taken = !exists && (!is_experiment_id(id) ||
                                   find_member(here->experiments, &ImportExperiment::experiment_id,
                                               id) != here->experiments.end());
    each.experiment_id = exists ? named->experiment_id : taken ? "" : id;
    if (!exists && each.name == "Default") each.experiment_id = "0";
    if (choices_.copy_artifacts && !local_folder(each.artifact_location).empty())
      each.artifact_location.clear();
    if (exists) experiment_ids_[id] = each.experiment_id;
    if (exists && compare(each, *named).empty()) {
      ++report_.experiments.unchanged;
      continue;
    }
    if (choices_.dry_run) {
      experiment_ids_[id] = each.experiment_id.empty() ? "(the next)" : each.experiment_id;
      count_as(report_.experiments, exists, !exists || names_any(compare(each, *named)));
      continue;
    }
    items.push_back({.experiment = std::move(each)});
    ids.push_back(id);
  }
  const auto sent = items;
  if (!items.empty()) {
    const auto results = send(std::move(items));
    if (!results) return results.error();
    for (std::size_t i = 0; i < ids.size(); ++i) {
      const auto& result = (*results)[i];
      const auto& mine = *sent[i].experiment;
      if (!result.error.empty()) {
        refuse(report_.experiments, "experiment " + ids[i] + " (" + mine.name + ")", result.error);
        continue;
      }
      count_as(report_.experiments, experiment_ids_.contains(ids[i]), result.events > 0);
      experiment_ids_[ids[i]] =
          mine.experiment_id.empty() ? result.experiment_id : mine.experiment_id;
    }
    here = read({.experiments = true});
    if (!here) return here.error();
  }
  for (const auto& item : sent) {
    const auto at = find_member(here->experiments, &ImportExperiment::name, item.experiment->name);
    if (at == here->experiments.end()) continue;
    auto mine = *item.experiment;
    mine.experiment_id = at->experiment_id;
    keep(compare(mine, *at));
  }
  for (const auto& [from, to] : experiment_ids_) {
    if (from == to) continue;
    const auto at = find_member(here->experiments, &ImportExperiment::experiment_id, to);
    report_.mapped.push_back({at == here->experiments.end() ? "" : at->name, from, to});
  }
  return {};
}

// ---------------------------------------------------------------- logged models

Status MlflowImporter::import_logged_models() {
  auto all = source_.logged_models();
  if (!all) return all.error();
  report_.logged_models.found = all->size();
  std::vector<ImportLoggedModel> page;
  for (auto& each : *all) {
    const auto experiment = experiment_ids_.find(each.experiment_id);
    if (experiment == experiment_ids_.end()) {
      refuse(report_.logged_models, "logged model " + each.logged_model_id,
             "its experiment " + each.experiment_id + " was refused");
      continue;
    }
    each.experiment_id = experiment->second;
    logged_models_.insert(each.logged_model_id);
    page.push_back(std::move(each));
    if (page.size() < kModelsAtOnce) continue;
    if (auto bad = import_logged_models(std::exchange(page, {}))) return bad;
  }
  return import_logged_models(std::move(page));
}

Status MlflowImporter::import_logged_models(std::vector<ImportLoggedModel> page) {
  if (page.empty()) return {};
  std::vector<std::filesystem::path> folders;
  ImportRead wanted;
  for (auto& each : page) {
    wanted.logged_models.push_back(each.logged_model_id);
    folders.push_back(place(each.artifact_uri,
                            each.experiment_id + "/models/" + each.logged_model_id + "/artifacts",
                            {}));
  }
  auto here = read(wanted);
  if (!here) return here.error();
  std::vector<ImportItem> items;
  for (const auto& each : page) {
    const auto at =
        find_member(here->logged_models, &ImportLoggedModel::logged_model_id, each.logged_model_id);
    const bool exists = at != here->logged_models.end();
    if (exists && compare(each, *at).empty())
      ++report_.logged_models.unchanged;
    else if (choices_.dry_run)
      count_as(report_.logged_models, exists, !exists || names_any(compare(each, *at)));
    else
      items.push_back({.logged_model = each});
  }
  if (!choices_.dry_run && !items.empty()) {
    const auto sent = items;
    const auto results = send(std::move(items));
    if (!results) return results.error();
    auto after = read(wanted);
    if (!after) return after.error();
    for (std::size_t i = 0; i < sent.size(); ++i) {
      const auto& mine = *sent[i].logged_model;
      const auto& id = mine.logged_model_id;
      if (!(*results)[i].error.empty()) {
        refuse(report_.logged_models, "logged model " + id, (*results)[i].error);
        continue;
      }
      const bool known = find_member(here->logged_models, &ImportLoggedModel::logged_model_id,
                                     id) != here->logged_models.end();
      count_as(report_.logged_models, known, (*results)[i].events > 0);
      const auto at = find_member(after->logged_models, &ImportLoggedModel::logged_model_id, id);
      keep(at == after->logged_models.end()
               ? Differences{{"logged model " + id, "model_id", id, "(absent)"}}
               : compare(mine, *at));
    }
  }
  if (choices_.dry_run) return {};
  for (std::size_t i = 0; i < page.size(); ++i)
    if (!folders[i].empty())
      if (auto bad = copy_files(
              "logged model " + page[i].logged_model_id, folders[i],
              page[i].experiment_id + "/models/" + page[i].logged_model_id + "/artifacts"))
        return bad;
  return {};
}

// ---------------------------------------------------------------- registered models

Status MlflowImporter::import_models() {
  const auto names = source_.models();
  if (!names) return names.error();
  for (const auto& name : *names)
    if (auto bad = import_model(name)) return bad;
  return {};
}

// Versions of a run or a logged model are where its artifacts are.
void MlflowImporter::follow_moved(std::string& uri) const {
  for (auto slash = uri.size(); !moved_.empty() && slash != std::string::npos;
       slash = slash == 0 ? std::string::npos : uri.rfind('/', slash - 1))
    if (const auto at = moved_.find(uri.substr(0, slash)); at != moved_.end()) {
      uri = at->second + uri.substr(slash);
      return;
    }
}

Status MlflowImporter::import_model(const std::string& name) {
  auto model = source_.model(name);
  if (!model) return model.error();
  for (auto& version : model->versions) {
    follow_moved(version.source);
    follow_moved(version.storage_location);
  }
  ++report_.models.found;
  report_.versions.found += model->versions.size();
  auto here = read({.models = {name}});
  if (!here) return here.error();
  const bool exists = !here->models.empty();
  if (exists && compare(*model, here->models[0]).empty()) {
    ++report_.models.unchanged;
    report_.versions.unchanged += model->versions.size();
    return {};
  }
  const auto latest = here->latest_versions[name];
  const auto settle = [&](bool changed) {
    count_as(report_.models, exists, changed);
    for (const auto& each : model->versions)
      ++(each.version > latest ? report_.versions.imported : report_.versions.unchanged);
  };
  if (choices_.dry_run) {
    settle(!exists || names_any(compare(*model, here->models[0])));
    return {};
  }
  std::uint64_t events = 0;
  for (std::size_t at = 0; at == 0 || at < model->versions.size(); at += kVersionsAtOnce) {
    auto part = *model;
    const auto to = std::min(at + kVersionsAtOnce, model->versions.size());
    part.versions.assign(model->versions.begin() + static_cast<std::ptrdiff_t>(at),
                         model->versions.begin() + static_cast<std::ptrdiff_t>(to));
    if (to < model->versions.size()) part.aliases.clear();
    const auto results = send({{.model = std::move(part)}});
    if (!results) return results.error();
    if (const auto& error = (*results)[0].error; !error.empty()) {
      refuse(report_.models, "model " + name, error);
      report_.versions.refused += model->versions.size() - at;
      return {};
    }
    events += (*results)[0].events;
  }
  settle(events > 0);
  here = read({.models = {name}});
  if (!here) return here.error();
  keep(here->models.empty() ? Differences{{"model " + name, "name", name, "(absent)"}}
                            : compare(*model, here->models[0]));
  return {};
}

// ---------------------------------------------------------------- the server

Expected<ImportState> MlflowImporter::read(const ImportRead& wanted) {
  auto answer = api_.post_as<ImportState>(kImportReadRoute, to_json(wanted));
  if (!answer) return answer.error();
  return std::move(answer->value);
}

Expected<std::vector<ImportResult>> MlflowImporter::send(std::vector<ImportItem> items) {
  constexpr std::size_t kMostAtOnce = 500;
  std::vector<ImportResult> out;
  for (std::size_t at = 0; at < items.size(); at += kMostAtOnce) {
    mlflow::ImportBatch batch;
    const auto to = std::min(at + kMostAtOnce, items.size());
    for (auto i = at; i < to; ++i) batch.items.push_back(std::move(items[i]));
    auto answer = api_.post_as<ImportResults>(kImportRoute, to_json(batch));
    if (!answer) return answer.error();
    if (answer->value.results.size() != to - at)
      return Error{ErrorCode::internal, "the server answered other items than were sent", ""};
    for (auto& result : answer->value.results) {
      // What is wrong with the server, and not with the item, ends the import.
      if (result.code == "read_only" || result.code == "unavailable" || result.code == "internal" ||
          result.code == "corrupt")
        return Error{ErrorCode::unavailable, result.error, ""};
      out.push_back(std::move(result));
    }
  }
  return out;
}

void MlflowImporter::refuse(ImportTally& tally, const std::string& what, const std::string& why) {
  ++tally.refused;
  report_.refused.push_back({what, why});
}

void MlflowImporter::keep(const Differences& found) {
  report_.differences.insert(report_.differences.end(), found.begin(), found.end());
}

void MlflowImporter::progress(std::uint64_t more) {
  done_ += more;
  bar_.update(std::min(done_, total_), total_);
}

}  // namespace mlforge::gateway::cli
