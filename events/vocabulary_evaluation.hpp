// The part of the vocabulary that is about evaluation as MLflow 3 has it: datasets to evaluate on,
// scorers, issues that were found; vocabulary.hpp lists it.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "events/fields.hpp"
#include "events/json_event.hpp"

namespace mlforge {

// ---------------------------------------------------------------- evaluation datasets,
// stream evaluation_dataset/<id>

// A record that is new, or what a record that is there gets. Texts are JSON.
struct EvaluationRecord {
  std::string record_id;
  std::string input_hash;    // of a new one: its identity, SHA-256 of `inputs` with sorted keys
  std::string inputs;        // of a new one: an object
  std::string outputs;       // any value; empty: none, or as before; null: none from now on
  std::string expectations;  // an object, member by member over the one before; empty: as before
  std::string tags;          // the same
  std::string source;        // of a new one: {"source_type": "HUMAN", "source_data": {..}}
  bool operator==(const EvaluationRecord&) const = default;
  static constexpr auto fields() {
    using R = EvaluationRecord;
    return FieldList{field("record_id", &R::record_id),
                     field("input_hash", &R::input_hash),
                     field("inputs", &R::inputs),
                     field("outputs", &R::outputs),
                     field("expectations", &R::expectations),
                     field("tags", &R::tags),
                     field("source", &R::source)};
  }
};

struct EvaluationDatasetCreated : JsonEvent<1> {
  static constexpr std::string_view type = "evaluation_dataset.created";
  std::string dataset_id;
  std::string name;
  std::map<std::string, std::string> tags;  // mlflow.user: who made it
  std::vector<std::string> experiment_ids;
  std::int64_t time_ms = 0;
  static constexpr auto fields() {
    using D = EvaluationDatasetCreated;
    return FieldList{field("dataset_id", &D::dataset_id), field("name", &D::name),
                     field("tags", &D::tags), field("experiment_ids", &D::experiment_ids),
                     field("time_ms", &D::time_ms)};
  }
};
struct EvaluationDatasetTagsSet : JsonEvent<1> {
  static constexpr std::string_view type = "evaluation_dataset.tags_set";
  std::map<std::string, std::string> tags;
  static constexpr auto fields() {
    return FieldList{field("tags", &EvaluationDatasetTagsSet::tags)};
  }
};
struct EvaluationDatasetTagRemoved : JsonEvent<1> {
  static constexpr std::string_view type = "evaluation_dataset.tag_removed";
  std::string key;
  static constexpr auto fields() {
    return FieldList{field("key", &EvaluationDatasetTagRemoved::key)};
  }
};
// Many records come as several such events of one time.
struct EvaluationRecordsMerged : JsonEvent<1> {
  static constexpr std::string_view type = "evaluation_dataset.records_merged";
  std::vector<EvaluationRecord> records;
  std::string updated_by;  // as the records say it; empty: unknown
  std::int64_t time_ms = 0;
  static constexpr auto fields() {
    using M = EvaluationRecordsMerged;
    return FieldList{field("records", &M::records), field("updated_by", &M::updated_by),
                     field("time_ms", &M::time_ms)};
  }
};
struct EvaluationRecordsRemoved : JsonEvent<1> {
  static constexpr std::string_view type = "evaluation_dataset.records_removed";
  std::vector<std::string> record_ids;
  static constexpr auto fields() {
    return FieldList{field("record_ids", &EvaluationRecordsRemoved::record_ids)};
  }
};
struct EvaluationDatasetLinked : JsonEvent<1> {
  static constexpr std::string_view type = "evaluation_dataset.linked";
  std::vector<std::string> experiment_ids;  // those that are new to it
  std::int64_t time_ms = 0;
  static constexpr auto fields() {
    return FieldList{field("experiment_ids", &EvaluationDatasetLinked::experiment_ids),
                     field("time_ms", &EvaluationDatasetLinked::time_ms)};
  }
};
struct EvaluationDatasetUnlinked : JsonEvent<1> {
  static constexpr std::string_view type = "evaluation_dataset.unlinked";
  std::vector<std::string> experiment_ids;
  std::int64_t time_ms = 0;
  static constexpr auto fields() {
    return FieldList{field("experiment_ids", &EvaluationDatasetUnlinked::experiment_ids),
                     field("time_ms", &EvaluationDatasetUnlinked::time_ms)};
  }
};
struct EvaluationDatasetDeleted : JsonEvent<1> {
  static constexpr std::string_view type = "evaluation_dataset.deleted";
  std::string name;
  static constexpr auto fields() {
    return FieldList{field("name", &EvaluationDatasetDeleted::name)};
  }
};

// ---------------------------------------------------------------- scorers of an experiment,
// stream scorers/<experiment id>

struct ScorerRegistered : JsonEvent<1> {
  static constexpr std::string_view type = "scorer.registered";
  std::string name;
  std::string scorer_id;  // the same for all versions of a name
  std::uint64_t version = 0;
  std::string serialized;  // JSON, as MLflow's client makes it
  std::int64_t time_ms = 0;
  static constexpr auto fields() {
    using S = ScorerRegistered;
    return FieldList{field("name", &S::name), field("scorer_id", &S::scorer_id),
                     field("version", &S::version), field("serialized", &S::serialized),
                     field("time_ms", &S::time_ms)};
  }
};
struct ScorerDeleted : JsonEvent<1> {
  static constexpr std::string_view type = "scorer.deleted";
  std::string name;
  std::uint64_t version = 0;  // 0: all, and the scorer itself
  static constexpr auto fields() {
    return FieldList{field("name", &ScorerDeleted::name),
                     field("version", &ScorerDeleted::version)};
  }
};
// How much of what comes in is to be scored at once; it stands for what was said before.
struct ScorerOnlineConfigured : JsonEvent<1> {
  static constexpr std::string_view type = "scorer.online_configured";
  std::string name;
  std::string scorer_id, config_id;
  double sample_rate = 0;  // 0 to 1
  std::string filter;
  static constexpr auto fields() {
    using C = ScorerOnlineConfigured;
    return FieldList{field("name", &C::name), field("scorer_id", &C::scorer_id),
                     field("config_id", &C::config_id), field("sample_rate", &C::sample_rate),
                     field("filter", &C::filter)};
  }
};

// ---------------------------------------------------------------- issues, stream issue/<id>

struct IssueCreated : JsonEvent<1> {
  static constexpr std::string_view type = "issue.created";
  std::string issue_id;
  std::string experiment_id;
  std::string name, description;
  std::string status;    // pending, rejected, resolved
  std::string severity;  // not_an_issue, low, medium, high; empty: unknown
  std::vector<std::string> root_causes, categories;
  std::string source_run_id, created_by;
  std::int64_t time_ms = 0;
  static constexpr auto fields() {
    using I = IssueCreated;
    return FieldList{field("issue_id", &I::issue_id),
                     field("experiment_id", &I::experiment_id),
                     field("name", &I::name),
                     field("description", &I::description),
                     field("status", &I::status),
                     field("severity", &I::severity),
                     field("root_causes", &I::root_causes),
                     field("categories", &I::categories),
                     field("source_run_id", &I::source_run_id),
                     field("created_by", &I::created_by),
                     field("time_ms", &I::time_ms)};
  }
};
// What is empty stays as it was.
struct IssueUpdated : JsonEvent<1> {
  static constexpr std::string_view type = "issue.updated";
  std::string name, description, status, severity;
  std::int64_t time_ms = 0;
  static constexpr auto fields() {
    using I = IssueUpdated;
    return FieldList{field("name", &I::name), field("description", &I::description),
                     field("status", &I::status), field("severity", &I::severity),
                     field("time_ms", &I::time_ms)};
  }
};

// ---------------------------------------------------------------- what people are asked about
// traces, stream label_schemas/<experiment id>

struct LabelSchemaCreated : JsonEvent<1> {
  static constexpr std::string_view type = "label_schema.created";
  std::string schema_id;
  std::string name;
  std::string kind;   // feedback, expectation
  std::string input;  // JSON: {"pass_fail": {..}}, categorical, numeric, text
  std::string instruction;
  bool enable_comment = false;
  std::int64_t time_ms = 0;
  static constexpr auto fields() {
    using L = LabelSchemaCreated;
    return FieldList{field("schema_id", &L::schema_id),
                     field("name", &L::name),
                     field("kind", &L::kind),
                     field("input", &L::input),
                     field("instruction", &L::instruction),
                     field("enable_comment", &L::enable_comment),
                     field("time_ms", &L::time_ms)};
  }
};
// As it is from now on.
struct LabelSchemaUpdated : JsonEvent<1> {
  static constexpr std::string_view type = "label_schema.updated";
  std::string schema_id;
  std::string name, input, instruction;
  bool enable_comment = false;
  std::int64_t time_ms = 0;
  static constexpr auto fields() {
    using L = LabelSchemaUpdated;
    return FieldList{field("schema_id", &L::schema_id),
                     field("name", &L::name),
                     field("input", &L::input),
                     field("instruction", &L::instruction),
                     field("enable_comment", &L::enable_comment),
                     field("time_ms", &L::time_ms)};
  }
};
struct LabelSchemaDeleted : JsonEvent<1> {
  static constexpr std::string_view type = "label_schema.deleted";
  std::string schema_id;
  static constexpr auto fields() {
    return FieldList{field("schema_id", &LabelSchemaDeleted::schema_id)};
  }
};

}  // namespace mlforge
