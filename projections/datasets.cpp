#include "projections/datasets.hpp"

namespace mlforge::projections {
namespace {

constexpr auto kDatasetsView = DatasetsProjection::kName;

std::string head_key(const EventView& e) {
  return view_key(kDatasetsView, e.tenant, "dataset", entity(e.stream));
}

std::string dataset_version_row_key(const EventView& e, std::uint64_t version) {
  return view_key(kDatasetsView, e.tenant, "version", entity(e.stream), ascending(version));
}

// Nothing where the dataset was never created.
std::optional<std::string> staged_key(ViewWriter& view, const EventView& e,
                                      const std::string& path) {
  const auto* head = find_row<DatasetHead>(view, head_key(e));
  if (!head) return std::nullopt;
  return view_key(kDatasetsView, e.tenant, "staged", entity(e.stream),
                  ascending(head->latest_version), path);
}

}  // namespace

void DatasetsProjection::on(ViewWriter& view, const EventView& e, const DatasetCreated& event) {
  store_row(view, head_key(e),
            DatasetHead{.name = event.name,
                        .source = event.source,
                        .created_time = format_time(e.time),
                        .actor = std::string(e.actor)},
            e.position);
}

void DatasetsProjection::on(ViewWriter& view, const EventView& e, const DatasetFileStaged& event) {
  if (const auto key = staged_key(view, e, event.path))
    store_row(view, *key, StagedRow{.file = {event.path, event.digest, event.bytes}}, e.position);
}

void DatasetsProjection::on(ViewWriter& view, const EventView& e,
                            const DatasetFileUnstaged& event) {
  const auto key = staged_key(view, e, event.path);
  if (!key) return;
  const auto* staged = find_row<StagedRow>(view, *key);
  if (staged && !staged->removed)
    view.erase(*key, e.position);
  else
    store_row(view, *key, StagedRow{.file = {.path = event.path}, .removed = true}, e.position);
}

void DatasetsProjection::on(ViewWriter& view, const EventView& e, const DatasetCommitted& event) {
  update_row<DatasetHead>(view, head_key(e), e.position,
                          [&](DatasetHead& head) { head.latest_version = event.version; });
  store_row(view, dataset_version_row_key(e, event.version),
            DatasetVersionRow{.version = event.version,
                              .digest = event.digest,
                              .message = event.message,
                              .files = event.files,
                              .created_time = format_time(e.time),
                              .actor = std::string(e.actor)},
            e.position);
}

void DatasetsProjection::on(ViewWriter& view, const EventView& e, const DatasetValidated& event) {
  update_row<DatasetVersionRow>(view, dataset_version_row_key(e, event.version), e.position,
                                [&](DatasetVersionRow& row) {
                                  row.rows = event.rows;
                                  row.columns = event.columns;
                                  row.valid = event.passed;
                                  row.checks = event.checks;
                                });
}

}  // namespace mlforge::projections
