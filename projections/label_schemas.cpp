#include "projections/label_schemas.hpp"

namespace mlforge::projections {
namespace {

constexpr auto kLabels = LabelSchemasProjection::kName;

std::string label_key(std::string_view tenant, std::string_view schema_id) {
  return view_key(kLabels, tenant, "schema", schema_id);
}

}  // namespace

void LabelSchemasProjection::on(ViewWriter& view, const EventView& e,
                                const LabelSchemaCreated& event) {
  const std::string experiment(entity(e.stream));
  store_row(view, label_key(e.tenant, event.schema_id),
            LabelSchemaRow{.experiment_id = experiment, .info = event, .updated_ms = event.time_ms},
            e.position);
  view.put_plain(view_key(kLabels, e.tenant, "schemas_of", experiment, event.schema_id),
                 event.schema_id);
}

void LabelSchemasProjection::on(ViewWriter& view, const EventView& e,
                                const LabelSchemaUpdated& event) {
  update_row<LabelSchemaRow>(view, label_key(e.tenant, event.schema_id), e.position,
                             [&](LabelSchemaRow& row) {
                               row.info.name = event.name;
                               row.info.input = event.input;
                               row.info.instruction = event.instruction;
                               row.info.enable_comment = event.enable_comment;
                               row.updated_ms = event.time_ms;
                             });
}

void LabelSchemasProjection::on(ViewWriter& view, const EventView& e,
                                const LabelSchemaDeleted& event) {
  view.erase(label_key(e.tenant, event.schema_id), e.position);
}

std::optional<LabelSchemaRow> find_label_schema(ViewReader& view, std::string_view tenant,
                                                std::string_view schema_id, Position as_of) {
  const auto text = view.get(label_key(tenant, schema_id), as_of);
  if (!text) return std::nullopt;
  auto row = from_json<LabelSchemaRow>(*text, Unknown::skip);
  return row ? std::optional(*std::move(row)) : std::nullopt;
}

std::vector<LabelSchemaRow> label_schemas_of(ViewReader& view, std::string_view tenant,
                                             std::string_view experiment_id, Position as_of) {
  std::vector<LabelSchemaRow> out;
  view.scan_plain(view_prefix(kLabels, tenant, "schemas_of", experiment_id), {}, SIZE_MAX,
                  [&](std::string_view, std::string_view id) {
                    auto row = find_label_schema(view, tenant, id, as_of);
                    if (row && row->experiment_id == experiment_id) out.push_back(*std::move(row));
                    return true;
                  });
  return out;
}

}  // namespace mlforge::projections
