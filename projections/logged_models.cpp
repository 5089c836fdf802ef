#include "projections/logged_models.hpp"

#include <algorithm>

namespace mlforge::projections {
namespace {

// Of the order of the numbers, negative ones too.
std::string in_order(std::int64_t number) {
  return ascending(static_cast<std::uint64_t>(number) ^ (std::uint64_t{1} << 63));
}

constexpr auto kLoggedModels = LoggedModelsProjection::kName;

template <class Change>
void update_logged_model(ViewWriter& view, const EventView& e, Change&& change) {
  update_row<LoggedModelRow>(view, view_key(kLoggedModels, e.tenant, "model", entity(e.stream)),
                             e.position, [&](LoggedModelRow& row) {
                               row.updated_time = format_time(e.time);
                               change(row);
                             });
}

}  // namespace

void LoggedModelsProjection::on(ViewWriter& view, const EventView& e,
                                const LoggedModelCreated& event) {
  const std::string id(entity(e.stream));
  store_row(view, view_key(kLoggedModels, e.tenant, "model", id),
            LoggedModelRow{.model_id = id,
                           .experiment_id = event.experiment_id,
                           .name = event.name,
                           .source_run_id = event.source_run_id,
                           .model_type = event.model_type,
                           .artifact_uri = event.artifact_uri,
                           .created_time = format_time(e.time),
                           .updated_time = format_time(e.time),
                           .actor = std::string(e.actor),
                           .params = event.params,
                           .tags = event.tags},
            e.position);
  view.add_plain(
      view_key(kLoggedModels, e.tenant, "models_of", event.experiment_id, descending(e.position)),
      id);
}

void LoggedModelsProjection::on(ViewWriter& view, const EventView& e,
                                const LoggedModelStatusChanged& event) {
  update_logged_model(view, e, [&](LoggedModelRow& row) { row.status = event.status; });
}

void LoggedModelsProjection::on(ViewWriter& view, const EventView& e,
                                const LoggedModelParamsLogged& event) {
  update_logged_model(view, e, [&](LoggedModelRow& row) {
    for (const auto& [key, value] : event.params) row.params[key] = value;
  });
}

void LoggedModelsProjection::on(ViewWriter& view, const EventView& e,
                                const LoggedModelTagsSet& event) {
  update_logged_model(view, e, [&](LoggedModelRow& row) {
    for (const auto& [key, value] : event.tags) row.tags[key] = value;
  });
}

void LoggedModelsProjection::on(ViewWriter& view, const EventView& e,
                                const LoggedModelTagRemoved& event) {
  update_logged_model(view, e, [&](LoggedModelRow& row) { row.tags.erase(event.key); });
}

void LoggedModelsProjection::on(ViewWriter& view, const EventView& e, const LoggedModelDeleted&) {
  update_logged_model(view, e, [](LoggedModelRow& row) { row.deleted = true; });
}

void LoggedModelsProjection::on(ViewWriter& view, const EventView& e,
                                const LoggedModelImported& event) {
  update_logged_model(view, e, [&](LoggedModelRow& row) {
    if (event.creation_time) row.created_time = format_time(event.creation_time);
    if (event.last_update_time) row.updated_time = format_time(event.last_update_time);
  });
}

void LoggedModelsProjection::on(ViewWriter& view, const EventView& e,
                                const RunModelMetricsLogged& event) {
  const auto count =
      std::min({event.keys.size(), event.values.size(), event.timestamps.size(), event.steps.size(),
                event.model_ids.size(), event.dataset_names.size(), event.dataset_digests.size()});
  for (std::size_t i = 0; i < count; ++i) {
    if (event.model_ids[i].empty()) continue;
    const LoggedModelMetric row{.key = event.keys[i],
                                .run_id = std::string(entity(e.stream)),
                                .dataset_name = event.dataset_names[i],
                                .dataset_digest = event.dataset_digests[i],
                                .value = event.values[i],
                                .timestamp = event.timestamps[i],
                                .step = event.steps[i]};
    const auto of =
        row.key + '\n' + row.dataset_name + '\n' + row.dataset_digest + '\n' + row.run_id;
    const auto at = in_order(row.step) + in_order(row.timestamp);
    store_row(view, view_key(kLoggedModels, e.tenant, "metric", event.model_ids[i], of, at), row,
              e.position);
  }
}

std::optional<LoggedModelRow> find_logged_model(ViewReader& view, std::string_view tenant,
                                                std::string_view model_id, Position as_of) {
  const auto text = view.get(view_key(kLoggedModels, tenant, "model", model_id), as_of);
  if (!text) return std::nullopt;
  auto row = from_json<LoggedModelRow>(*text, Unknown::skip);
  return row ? std::optional(*std::move(row)) : std::nullopt;
}

std::vector<LoggedModelMetric> logged_model_metrics(ViewReader& view, std::string_view tenant,
                                                    std::string_view model_id, Position as_of) {
  std::vector<LoggedModelMetric> rows;
  view.scan(view_prefix(kLoggedModels, tenant, "metric", model_id), {}, as_of, SIZE_MAX,
            [&](std::string_view, std::string_view text) {
              if (auto row = from_json<LoggedModelMetric>(text, Unknown::skip))
                rows.push_back(*std::move(row));
              return true;
            });
  return rows;
}

std::vector<LoggedModelRow> list_logged_models(ViewReader& view, std::string_view tenant,
                                               std::string_view experiment_id, Position as_of) {
  std::vector<LoggedModelRow> rows;
  view.scan_plain(view_prefix(kLoggedModels, tenant, "models_of", experiment_id), {}, SIZE_MAX,
                  [&](std::string_view, std::string_view id) {
                    auto row = find_logged_model(view, tenant, id, as_of);
                    if (row && !row->deleted) rows.push_back(*std::move(row));
                    return true;
                  });
  return rows;
}

}  // namespace mlforge::projections
