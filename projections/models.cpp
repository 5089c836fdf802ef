#include "projections/models.hpp"

#include <algorithm>

namespace mlforge::projections {
namespace {

template <class Change>
void update_model(ViewWriter& view, const EventView& e, Change&& change) {
  update_row<ModelRow>(view, view_key(ModelsProjection::kName, e.tenant, "model", entity(e.stream)),
                       e.position, [&](ModelRow& row) {
                         row.updated_time = format_time(e.time);
                         change(row);
                       });
}

std::string version_row_key(const EventView& e, std::uint64_t version) {
  return view_key(ModelsProjection::kName, e.tenant, "version", entity(e.stream),
                  ascending(version));
}

template <class Change>
void update_version(ViewWriter& view, const EventView& e, std::uint64_t version, Change&& change) {
  update_row<ModelVersionRow>(view, version_row_key(e, version), e.position,
                              [&](ModelVersionRow& row) {
                                row.updated_time = format_time(e.time);
                                change(row);
                              });
}

void drop_alias(ViewWriter& view, const EventView& e, std::uint64_t version,
                const std::string& alias) {
  if (version == 0) return;
  update_version(view, e, version, [&](ModelVersionRow& row) { std::erase(row.aliases, alias); });
}

}  // namespace

void ModelsProjection::on(ViewWriter& view, const EventView& e, const ModelRegistered& event) {
  store_row(view, view_key(kName, e.tenant, "model", entity(e.stream)),
            ModelRow{.name = event.name,
                     .description = event.description,
                     .created_time = format_time(e.time),
                     .actor = std::string(e.actor),
                     .updated_time = format_time(e.time),
                     .tags = event.tags},
            e.position);
}

void ModelsProjection::on(ViewWriter& view, const EventView& e, const ModelVersionCreated& event) {
  update_model(view, e, [&](ModelRow& row) { row.latest_version = event.version; });
  store_row(view, version_row_key(e, event.version),
            ModelVersionRow{.model = std::string(entity(e.stream)),
                            .version = event.version,
                            .stage = "None",
                            .run_id = event.run_id,
                            .pipeline_run_id = event.pipeline_run_id,
                            .dataset = event.dataset,
                            .dataset_version = event.dataset_version,
                            .artifacts = event.artifacts,
                            .metrics = event.metrics,
                            .params = event.params,
                            .created_time = format_time(e.time),
                            .actor = std::string(e.actor),
                            .updated_time = format_time(e.time),
                            .source = event.source,
                            .run_link = event.run_link,
                            .description = event.description,
                            .model_id = event.model_id,
                            .storage_location = event.storage_location,
                            .tags = event.tags},
            e.position);
}

void ModelsProjection::on(ViewWriter& view, const EventView& e, const ModelGateEvaluated& event) {
  update_version(view, e, event.version, [&](ModelVersionRow& row) {
    row.gate = GateRow{event.passed, event.checks, format_time(e.time)};
  });
}

void ModelsProjection::on(ViewWriter& view, const EventView& e, const ModelStageChanged& event) {
  update_model(view, e, [](ModelRow&) {});  // changed by that too, as MLflow has it
  update_version(view, e, event.version, [&](ModelVersionRow& row) { row.stage = event.to; });
}

void ModelsProjection::on(ViewWriter& view, const EventView& e, const ModelAliasSet& event) {
  update_model(view, e, [&](ModelRow& row) { row.aliases[event.alias] = event.version; });
  drop_alias(view, e, event.previous, event.alias);
  update_version(view, e, event.version, [&](ModelVersionRow& row) {
    const auto at = std::lower_bound(row.aliases.begin(), row.aliases.end(), event.alias);
    if (at == row.aliases.end() || *at != event.alias) row.aliases.insert(at, event.alias);
  });
}

void ModelsProjection::on(ViewWriter& view, const EventView& e, const ModelAliasRemoved& event) {
  update_model(view, e, [&](ModelRow& row) { row.aliases.erase(event.alias); });
  drop_alias(view, e, event.previous, event.alias);
}

void ModelsProjection::on(ViewWriter& view, const EventView& e,
                          const ModelPromotionDecided& event) {
  update_version(view, e, event.version, [&](ModelVersionRow& row) { row.decision = event; });
}

void ModelsProjection::on(ViewWriter& view, const EventView& e, const ModelDescribed& event) {
  update_model(view, e, [&](ModelRow& row) { row.description = event.description; });
}

void ModelsProjection::on(ViewWriter& view, const EventView& e, const ModelTagsSet& event) {
  update_model(view, e, [&](ModelRow& row) {
    for (const auto& [key, value] : event.tags) row.tags[key] = value;
  });
}

void ModelsProjection::on(ViewWriter& view, const EventView& e, const ModelTagRemoved& event) {
  update_model(view, e, [&](ModelRow& row) { row.tags.erase(event.key); });
}

void ModelsProjection::on(ViewWriter& view, const EventView& e, const ModelDeleted&) {
  const auto key = view_key(kName, e.tenant, "model", entity(e.stream));
  const auto* row = find_row<ModelRow>(view, key);
  const std::uint64_t latest = row ? row->latest_version : 0;
  for (std::uint64_t version = 1; version <= latest; ++version)
    view.erase(version_row_key(e, version), e.position);
  view.erase(key, e.position);
}

// All that is known of the model goes to its new name; model.taken_over, which stands in the other
// stream, says nothing more.
void ModelsProjection::on(ViewWriter& view, const EventView& e, const ModelRenamed& event) {
  const auto old_key = view_key(kName, e.tenant, "model", entity(e.stream));
  const auto* found = find_row<ModelRow>(view, old_key);
  if (!found) return;
  ModelRow model = *found;
  for (std::uint64_t version = 1; version <= model.latest_version; ++version) {
    const auto old = version_row_key(e, version);
    const auto* row = find_row<ModelVersionRow>(view, old);
    if (!row) continue;
    ModelVersionRow moved = *row;
    moved.model = event.to;
    moved.updated_time = format_time(e.time);
    view.erase(old, e.position);
    store_row(view, view_key(kName, e.tenant, "version", event.to, ascending(version)), moved,
              e.position);
  }
  model.name = event.to;
  model.updated_time = format_time(e.time);
  view.erase(old_key, e.position);
  store_row(view, view_key(kName, e.tenant, "model", event.to), model, e.position);
}

void ModelsProjection::on(ViewWriter& view, const EventView& e,
                          const ModelVersionDescribed& event) {
  update_version(view, e, event.version,
                 [&](ModelVersionRow& row) { row.description = event.description; });
}

void ModelsProjection::on(ViewWriter& view, const EventView& e, const ModelVersionTagsSet& event) {
  update_version(view, e, event.version, [&](ModelVersionRow& row) {
    for (const auto& [key, value] : event.tags) row.tags[key] = value;
  });
}

void ModelsProjection::on(ViewWriter& view, const EventView& e,
                          const ModelVersionTagRemoved& event) {
  update_version(view, e, event.version, [&](ModelVersionRow& row) { row.tags.erase(event.key); });
}

void ModelsProjection::on(ViewWriter& view, const EventView& e, const ModelVersionDeleted& event) {
  update_model(view, e, [](ModelRow&) {});
  view.erase(version_row_key(e, event.version), e.position);
}

void ModelsProjection::on(ViewWriter& view, const EventView& e, const ModelImported& event) {
  const auto take = [](auto& row, TimeUs created, TimeUs updated) {
    if (created) row.created_time = format_time(created);
    if (updated) row.updated_time = format_time(updated);
  };
  update_model(view, e,
               [&](ModelRow& row) { take(row, event.creation_time, event.last_update_time); });
  for (const auto& each : event.versions)
    update_version(view, e, each.version, [&](ModelVersionRow& row) {
      take(row, each.creation_time, each.last_update_time);
    });
}

}  // namespace mlforge::projections
