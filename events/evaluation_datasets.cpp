#include "events/evaluation_datasets.hpp"

#include <algorithm>
#include <unordered_set>

#include "events/compaction.hpp"
#include "events/mlflow_checks.hpp"

namespace mlforge {
namespace {

constexpr std::size_t kEventBytes = 1u << 20;

Error no_evaluation_dataset(std::string message) {
  return {ErrorCode::not_found, std::move(message), "dataset_id"};
}

Status check_evaluation_tags(const Texts& tags) {
  for (const auto& [key, value] : tags) {
    if (auto bad = mlflow::check_length("key", kMaxEvaluationTagKey, key)) return bad;
    if (auto bad = mlflow::check_length("tags." + key, kMaxEvaluationTagValue, value)) return bad;
  }
  return {};
}

std::size_t bytes_of(const EvaluationRecord& r) {
  return r.record_id.size() + r.input_hash.size() + r.inputs.size() + r.outputs.size() +
         r.expectations.size() + r.tags.size() + r.source.size();
}

bool contains(const std::vector<std::string>& all, const std::string& one) {
  return std::find(all.begin(), all.end(), one) != all.end();
}

// What is kept of a record that has come again.
EvaluationRecord merged_into(const std::string& record_id, const EvaluationRecord& given) {
  return {.record_id = record_id,
          .input_hash = {},
          .inputs = {},
          .outputs = given.outputs,
          .expectations = given.expectations,
          .tags = given.tags,
          .source = {}};
}

}  // namespace

Expected<Events> decide(const EvaluationDatasetState&, const NewEvaluationDataset& c) {
  if (auto bad = mlflow::check_length("name", kMaxEvaluationName, c.name)) return *bad;
  if (auto bad = check_evaluation_tags(c.tags)) return *bad;
  EvaluationDatasetCreated e{.dataset_id = c.dataset_id,
                             .name = c.name,
                             .tags = c.tags,
                             .experiment_ids = {},
                             .time_ms = c.time / 1000};
  for (const auto& id : c.experiment_ids)
    if (!contains(e.experiment_ids, id)) e.experiment_ids.push_back(id);
  return Events{std::move(e)};
}

Expected<Events> decide(const EvaluationDatasetState& state, const TagEvaluationDataset& c) {
  if (!state.exists)
    return no_evaluation_dataset("Could not find evaluation dataset with ID " + c.dataset_id);
  if (auto bad = check_evaluation_tags(c.tags)) return *bad;
  auto changed = mlflow::changes(state.tags, c.tags);
  if (changed.empty()) return Events{};
  return Events{EvaluationDatasetTagsSet{.tags = std::move(changed)}};
}

Expected<Events> decide(const EvaluationDatasetState& state, const UntagEvaluationDataset& c) {
  if (!state.exists || !state.tags.contains(c.key)) return Events{};
  return Events{EvaluationDatasetTagRemoved{.key = c.key}};
}

Expected<Events> decide(const EvaluationDatasetState& state, const MergeEvaluationRecords& c) {
  if (!state.exists)
    return no_evaluation_dataset("Evaluation dataset with id '" + c.dataset_id + "' not found");
  Events events;
  EvaluationRecordsMerged part{.records = {}, .updated_by = c.updated_by, .time_ms = c.time / 1000};
  std::size_t bytes = 0;
  std::unordered_map<std::string, std::string> fresh;
  for (const auto& given : c.records) {
    const auto known = state.records.find(given.input_hash);
    const auto now = fresh.find(given.input_hash);
    auto record = known != state.records.end() ? merged_into(known->second, given)
                  : now != fresh.end()         ? merged_into(now->second, given)
                                               : given;
    if (!record.input_hash.empty()) fresh.emplace(record.input_hash, record.record_id);
    const auto size = bytes_of(record);
    if (bytes > 0 && bytes + size > kEventBytes) {
      events.push_back(part);
      part.records.clear();
      bytes = 0;
    }
    bytes += size;
    part.records.push_back(std::move(record));
  }
  events.push_back(std::move(part));
  return events;
}

Expected<Events> decide(const EvaluationDatasetState& state, const RemoveEvaluationRecords& c) {
  EvaluationRecordsRemoved e;
  const std::unordered_set<std::string> wanted(c.record_ids.begin(), c.record_ids.end());
  for (const auto& [hash, id] : state.records)
    if (wanted.contains(id)) e.record_ids.push_back(id);
  if (e.record_ids.empty()) return Events{};
  std::sort(e.record_ids.begin(), e.record_ids.end());
  return Events{std::move(e)};
}

Expected<Events> decide(const EvaluationDatasetState& state, const LinkEvaluationDataset& c) {
  if (!state.exists) return no_evaluation_dataset("Dataset '" + c.dataset_id + "' not found");
  if (!c.unknown_experiment.empty())
    return Error{ErrorCode::not_found, "No Experiment with id=" + c.unknown_experiment,
                 "experiment_ids"};
  EvaluationDatasetLinked e{.experiment_ids = {}, .time_ms = c.time / 1000};
  for (const auto& id : c.experiment_ids)
    if (!contains(state.experiment_ids, id) && !contains(e.experiment_ids, id))
      e.experiment_ids.push_back(id);
  if (e.experiment_ids.empty()) return Events{};
  return Events{std::move(e)};
}

Expected<Events> decide(const EvaluationDatasetState& state, const UnlinkEvaluationDataset& c) {
  if (!state.exists) return no_evaluation_dataset("Dataset '" + c.dataset_id + "' not found");
  EvaluationDatasetUnlinked e{.experiment_ids = {}, .time_ms = c.time / 1000};
  for (const auto& id : state.experiment_ids)
    if (contains(c.experiment_ids, id)) e.experiment_ids.push_back(id);
  if (e.experiment_ids.empty()) return Events{};
  return Events{std::move(e)};
}

Expected<Events> decide(const EvaluationDatasetState& state, const DeleteEvaluationDataset&) {
  if (!state.exists) return Events{};
  return Events{EvaluationDatasetDeleted{.name = state.name}};
}

void evolve(EvaluationDatasetState& state, const EvaluationDatasetCreated& e) {
  state = {.exists = true,
           .name = e.name,
           .tags = e.tags,
           .experiment_ids = e.experiment_ids,
           .records = {}};
}
void evolve(EvaluationDatasetState& state, const EvaluationDatasetTagsSet& e) {
  for (const auto& [key, value] : e.tags) state.tags[key] = value;
}
void evolve(EvaluationDatasetState& state, const EvaluationDatasetTagRemoved& e) {
  state.tags.erase(e.key);
}
void evolve(EvaluationDatasetState& state, const EvaluationRecordsMerged& e) {
  for (const auto& record : e.records)
    if (!record.input_hash.empty()) state.records.emplace(record.input_hash, record.record_id);
}
void evolve(EvaluationDatasetState& state, const EvaluationRecordsRemoved& e) {
  const std::unordered_set<std::string> gone(e.record_ids.begin(), e.record_ids.end());
  std::erase_if(state.records, [&](const auto& each) { return gone.contains(each.second); });
}
void evolve(EvaluationDatasetState& state, const EvaluationDatasetLinked& e) {
  for (const auto& id : e.experiment_ids)
    if (!contains(state.experiment_ids, id)) state.experiment_ids.push_back(id);
}
void evolve(EvaluationDatasetState& state, const EvaluationDatasetUnlinked& e) {
  std::erase_if(state.experiment_ids,
                [&](const auto& id) { return contains(e.experiment_ids, id); });
}
void evolve(EvaluationDatasetState& state, const EvaluationDatasetDeleted&) { state = {}; }

Compacted compact(const EvaluationDatasetState& s) {
  Compacted out;
  if (!s.exists) return out;
  out.events.push_back(
      EvaluationDatasetCreated{.name = s.name, .tags = s.tags, .experiment_ids = s.experiment_ids});
  EvaluationRecordsMerged records;
  for (const auto& [hash, id] : s.records)
    records.records.push_back({.record_id = id,
                               .input_hash = hash,
                               .inputs = {},
                               .outputs = {},
                               .expectations = {},
                               .tags = {},
                               .source = {}});
  std::sort(records.records.begin(), records.records.end(),
            [](const auto& a, const auto& b) { return a.record_id < b.record_id; });
  if (!records.records.empty()) out.events.push_back(std::move(records));
  return out;
}

}  // namespace mlforge
