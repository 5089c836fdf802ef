// Evaluation datasets as they are now: what they are called, where they belong, and a row for each
// of their records.
#pragma once
#include <functional>
#include <optional>

#include "projections/projection.hpp"
#include "projections/view_reader.hpp"

namespace mlforge::projections {

// Which fields records have, and of which types: the first that was seen of each. Once seen, a
// field stays.
struct EvaluationSchema {
  bool known = false;
  Texts inputs, outputs, expectations;
  std::string outputs_type;  // of outputs that are no object; then `outputs` is empty
  static constexpr auto fields() {
    using S = EvaluationSchema;
    return FieldList{field("known", &S::known), field("inputs", &S::inputs),
                     field("outputs", &S::outputs), field("expectations", &S::expectations),
                     field("outputs_type", &S::outputs_type)};
  }
};

struct EvaluationDatasetRow {
  std::string dataset_id, name;
  Texts tags;
  std::vector<std::string> experiment_ids;
  std::int64_t created_ms = 0, updated_ms = 0;
  std::int64_t digest_ms = 0;  // when its records last changed by merging; of the digest
  std::string created_by, updated_by;
  EvaluationSchema schema;
  std::uint64_t records = 0;
  std::string profile;  // JSON, as MLflow has it; empty: there never was a record
  static constexpr auto fields() {
    using D = EvaluationDatasetRow;
    return FieldList{field("dataset_id", &D::dataset_id),
                     field("name", &D::name),
                     field("tags", &D::tags),
                     field("experiment_ids", &D::experiment_ids),
                     field("created_ms", &D::created_ms),
                     field("updated_ms", &D::updated_ms),
                     field("digest_ms", &D::digest_ms),
                     field("created_by", &D::created_by),
                     field("updated_by", &D::updated_by),
                     field("schema", &D::schema),
                     field("records", &D::records),
                     field("profile", &D::profile)};
  }
};

// Texts are JSON; empty: absent.
struct EvaluationRecordRow {
  std::string record_id;
  std::string inputs, outputs, expectations, tags, source;
  std::int64_t created_ms = 0, updated_ms = 0;
  std::string created_by, updated_by;
  static constexpr auto fields() {
    using R = EvaluationRecordRow;
    return FieldList{field("record_id", &R::record_id),
                     field("inputs", &R::inputs),
                     field("outputs", &R::outputs),
                     field("expectations", &R::expectations),
                     field("tags", &R::tags),
                     field("source", &R::source),
                     field("created_ms", &R::created_ms),
                     field("updated_ms", &R::updated_ms),
                     field("created_by", &R::created_by),
                     field("updated_by", &R::updated_by)};
  }
};

// Versioned: "dataset" by id; "record" by id of the dataset and of the record. The records of a
// deleted dataset stay, for who asks as of before, and are not shown.
class EvaluationDatasetsProjection : public Dispatch<EvaluationDatasetsProjection> {
 public:
  static constexpr std::string_view kName = "evaluation_datasets";
  static constexpr std::uint32_t kVersion = 1;
  void on(ViewWriter& view, const EventView& envelope, const EvaluationDatasetCreated& event);
  void on(ViewWriter& view, const EventView& envelope, const EvaluationDatasetTagsSet& event);
  void on(ViewWriter& view, const EventView& envelope, const EvaluationDatasetTagRemoved& event);
  void on(ViewWriter& view, const EventView& envelope, const EvaluationRecordsMerged& event);
  void on(ViewWriter& view, const EventView& envelope, const EvaluationRecordsRemoved& event);
  void on(ViewWriter& view, const EventView& envelope, const EvaluationDatasetLinked& event);
  void on(ViewWriter& view, const EventView& envelope, const EvaluationDatasetUnlinked& event);
  void on(ViewWriter& view, const EventView& envelope, const EvaluationDatasetDeleted& event);
};

// Nothing where there is none, or it was deleted.
std::optional<EvaluationDatasetRow> find_evaluation_dataset(ViewReader& view,
                                                            std::string_view tenant,
                                                            std::string_view dataset_id,
                                                            Position as_of = kLatest);

// All of a tenant, by id; `visit` answers whether it wants more.
void each_evaluation_dataset(ViewReader& view, std::string_view tenant, Position as_of,
                             const std::function<bool(EvaluationDatasetRow)>& visit);

// At most `limit` records of a dataset that is there, in the order of their making, which is that
// of their ids; behind `after` (an id; empty: from the first).
std::vector<EvaluationRecordRow> evaluation_records(ViewReader& view, std::string_view tenant,
                                                    std::string_view dataset_id,
                                                    std::string_view after, std::size_t limit,
                                                    Position as_of = kLatest);

}  // namespace mlforge::projections
