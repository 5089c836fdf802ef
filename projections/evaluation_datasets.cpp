#include "projections/evaluation_datasets.hpp"

#include <algorithm>

#include "events/json_tree.hpp"

namespace mlforge::projections {
namespace {

constexpr auto kSets = EvaluationDatasetsProjection::kName;
constexpr const char* kUserTag = "mlflow.user";

std::string set_key(const EventView& e) {
  return view_key(kSets, e.tenant, "dataset", entity(e.stream));
}
std::string record_key(const EventView& e, std::string_view record_id) {
  return view_key(kSets, e.tenant, "record", entity(e.stream), record_id);
}

template <class Change>
void update_set(ViewWriter& view, const EventView& e, Change&& change) {
  update_row<EvaluationDatasetRow>(view, set_key(e), e.position, change);
}

// An empty tree where the text is empty, or no JSON: a history may hold anything.
JsonTree tree_of(std::string_view text) {
  if (text.empty()) return {};
  auto tree = parse_tree(text);
  return tree ? *std::move(tree) : JsonTree();
}

std::string user_of(const JsonTree& tags) {
  const auto* user = tags.find(kUserTag);
  return user && user->kind == JsonTree::text ? user->value : std::string();
}

const char* type_of(const JsonTree& tree) {
  switch (tree.kind) {
    case JsonTree::null:
      return "null";
    case JsonTree::boolean:
      return "boolean";
    case JsonTree::number:
      return tree.is_integer() ? "integer" : "float";
    case JsonTree::text:
      return "string";
    case JsonTree::list:
      return "array";
    case JsonTree::object:
      return "object";
  }
  return "unknown";
}

void add_types(Texts& types, const JsonTree& object) {
  for (std::size_t i = 0; i < object.names.size(); ++i)
    types.emplace(object.names[i], type_of(object.items[i]));
}

void add_to_schema(EvaluationSchema& schema, const JsonTree& inputs, const JsonTree& outputs,
                   const JsonTree& expectations) {
  add_types(schema.inputs, inputs);
  if (outputs.kind == JsonTree::object && schema.outputs_type.empty())
    add_types(schema.outputs, outputs);
  else if (outputs.kind != JsonTree::object && outputs.kind != JsonTree::null &&
           schema.outputs.empty() && schema.outputs_type.empty())
    schema.outputs_type = type_of(outputs);
  add_types(schema.expectations, expectations);
}

// The members of `given` over those that the text has.
void merge(std::string& text, JsonTree given) {
  if (given.kind != JsonTree::object || given.items.empty()) return;
  auto whole = tree_of(text);
  for (std::size_t i = 0; i < given.names.size(); ++i)
    whole.set(given.names[i], std::move(given.items[i]));
  text = to_text(whole);
}

void set_profile(EvaluationDatasetRow& row) {
  row.profile = row.records > 0 ? "{\"num_records\": " + std::to_string(row.records) + "}" : "null";
}

EvaluationRecordRow new_record(const EvaluationRecord& r, const std::string& user,
                               std::int64_t time_ms) {
  return {.record_id = r.record_id,
          .inputs = r.inputs,
          .outputs = r.outputs.empty()     ? "{}"
                     : r.outputs == "null" ? ""
                                           : r.outputs,
          .expectations = r.expectations,
          .tags = r.tags,
          .source = r.source,
          .created_ms = time_ms,
          .updated_ms = time_ms,
          .created_by = user,
          .updated_by = user};
}

}  // namespace

void EvaluationDatasetsProjection::on(ViewWriter& view, const EventView& e,
                                      const EvaluationDatasetCreated& event) {
  EvaluationDatasetRow row{.dataset_id = std::string(entity(e.stream)),
                           .name = event.name,
                           .tags = event.tags,
                           .experiment_ids = event.experiment_ids,
                           .created_ms = event.time_ms,
                           .updated_ms = event.time_ms,
                           .digest_ms = event.time_ms,
                           .created_by = {},
                           .updated_by = {},
                           .schema = {},
                           .profile = {}};
  if (const auto user = event.tags.find(kUserTag); user != event.tags.end())
    row.created_by = row.updated_by = user->second;
  store_row(view, set_key(e), row, e.position);
}

void EvaluationDatasetsProjection::on(ViewWriter& view, const EventView& e,
                                      const EvaluationDatasetTagsSet& event) {
  update_set(view, e, [&](EvaluationDatasetRow& row) {
    for (const auto& [key, value] : event.tags) row.tags[key] = value;
  });
}

void EvaluationDatasetsProjection::on(ViewWriter& view, const EventView& e,
                                      const EvaluationDatasetTagRemoved& event) {
  update_set(view, e, [&](EvaluationDatasetRow& row) { row.tags.erase(event.key); });
}

void EvaluationDatasetsProjection::on(ViewWriter& view, const EventView& e,
                                      const EvaluationRecordsMerged& event) {
  EvaluationSchema seen;
  std::uint64_t added = 0;
  for (const auto& record : event.records) {
    const auto key = record_key(e, record.record_id);
    auto outputs = tree_of(record.outputs), expectations = tree_of(record.expectations),
         tags = tree_of(record.tags);
    const auto user = user_of(tags);
    add_to_schema(seen, tree_of(record.inputs), outputs, expectations);
    if (!record.input_hash.empty()) {
      ++added;
      store_row(view, key, new_record(record, user, event.time_ms), e.position);
      continue;
    }
    update_row<EvaluationRecordRow>(view, key, e.position, [&](EvaluationRecordRow& row) {
      if (!record.outputs.empty()) row.outputs = record.outputs == "null" ? "" : record.outputs;
      merge(row.expectations, std::move(expectations));
      merge(row.tags, std::move(tags));
      row.updated_ms = event.time_ms;
      if (!user.empty()) row.updated_by = user;
    });
  }
  update_set(view, e, [&](EvaluationDatasetRow& row) {
    row.schema.known = row.schema.known || !event.records.empty();
    row.schema.inputs.merge(seen.inputs);
    if (row.schema.outputs_type.empty()) row.schema.outputs.merge(seen.outputs);
    if (row.schema.outputs.empty() && row.schema.outputs_type.empty())
      row.schema.outputs_type = seen.outputs_type;
    row.schema.expectations.merge(seen.expectations);
    row.records += added;
    if (row.records > 0) set_profile(row);
    row.updated_ms = row.digest_ms = event.time_ms;
    row.updated_by = event.updated_by;
  });
}

void EvaluationDatasetsProjection::on(ViewWriter& view, const EventView& e,
                                      const EvaluationRecordsRemoved& event) {
  std::uint64_t gone = 0;
  for (const auto& id : event.record_ids) {
    const auto key = record_key(e, id);
    if (!view.get(key)) continue;
    view.erase(key, e.position);
    ++gone;
  }
  update_set(view, e, [&](EvaluationDatasetRow& row) {
    row.records -= std::min(gone, row.records);
    set_profile(row);
  });
}

void EvaluationDatasetsProjection::on(ViewWriter& view, const EventView& e,
                                      const EvaluationDatasetLinked& event) {
  update_set(view, e, [&](EvaluationDatasetRow& row) {
    auto& all = row.experiment_ids;
    for (const auto& id : event.experiment_ids)
      if (std::find(all.begin(), all.end(), id) == all.end()) all.push_back(id);
    row.updated_ms = event.time_ms;
  });
}

void EvaluationDatasetsProjection::on(ViewWriter& view, const EventView& e,
                                      const EvaluationDatasetUnlinked& event) {
  update_set(view, e, [&](EvaluationDatasetRow& row) {
    for (const auto& id : event.experiment_ids) std::erase(row.experiment_ids, id);
    row.updated_ms = event.time_ms;
  });
}

void EvaluationDatasetsProjection::on(ViewWriter& view, const EventView& e,
                                      const EvaluationDatasetDeleted&) {
  view.erase(set_key(e), e.position);
}

std::optional<EvaluationDatasetRow> find_evaluation_dataset(ViewReader& view,
                                                            std::string_view tenant,
                                                            std::string_view dataset_id,
                                                            Position as_of) {
  const auto text = view.get(view_key(kSets, tenant, "dataset", dataset_id), as_of);
  if (!text) return std::nullopt;
  auto row = from_json<EvaluationDatasetRow>(*text, Unknown::skip);
  return row ? std::optional(*std::move(row)) : std::nullopt;
}

void each_evaluation_dataset(ViewReader& view, std::string_view tenant, Position as_of,
                             const std::function<bool(EvaluationDatasetRow)>& visit) {
  view.scan(view_prefix(kSets, tenant, "dataset"), {}, as_of, SIZE_MAX,
            [&](std::string_view, std::string_view text) {
              auto row = from_json<EvaluationDatasetRow>(text, Unknown::skip);
              return row ? visit(*std::move(row)) : true;
            });
}

std::vector<EvaluationRecordRow> evaluation_records(ViewReader& view, std::string_view tenant,
                                                    std::string_view dataset_id,
                                                    std::string_view after, std::size_t limit,
                                                    Position as_of) {
  std::vector<EvaluationRecordRow> out;
  const auto from =
      after.empty() ? std::string() : view_key(kSets, tenant, "record", dataset_id, after);
  view.scan(view_prefix(kSets, tenant, "record", dataset_id), from, as_of, limit,
            [&](std::string_view, std::string_view text) {
              if (auto row = from_json<EvaluationRecordRow>(text, Unknown::skip))
                out.push_back(*std::move(row));
              return true;
            });
  return out;
}

}  // namespace mlforge::projections
