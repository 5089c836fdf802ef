// Label schemas as they are now.
#pragma once
#include <optional>

#include "projections/projection.hpp"
#include "projections/view_reader.hpp"

namespace mlforge::projections {

struct LabelSchemaRow {
  std::string experiment_id;
  LabelSchemaCreated info;  // with what was updated
  std::int64_t updated_ms = 0;
  static constexpr auto fields() {
    using L = LabelSchemaRow;
    return FieldList{field("experiment_id", &L::experiment_id), field("info", &L::info),
                     field("updated_ms", &L::updated_ms)};
  }
};

// Versioned: "schema" by id. Plain: "schemas_of" an experiment -> id.
class LabelSchemasProjection : public Dispatch<LabelSchemasProjection> {
 public:
  static constexpr std::string_view kName = "label_schemas";
  static constexpr std::uint32_t kVersion = 1;
  void on(ViewWriter& view, const EventView& envelope, const LabelSchemaCreated& event);
  void on(ViewWriter& view, const EventView& envelope, const LabelSchemaUpdated& event);
  void on(ViewWriter& view, const EventView& envelope, const LabelSchemaDeleted& event);
};

std::optional<LabelSchemaRow> find_label_schema(ViewReader& view, std::string_view tenant,
                                                std::string_view schema_id,
                                                Position as_of = kLatest);

// Those of an experiment, by id.
std::vector<LabelSchemaRow> label_schemas_of(ViewReader& view, std::string_view tenant,
                                             std::string_view experiment_id,
                                             Position as_of = kLatest);

}  // namespace mlforge::projections
