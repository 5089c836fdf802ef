#include "projections/runs.hpp"

#include <algorithm>

namespace mlforge::projections {
namespace {

template <class Change>
void update(ViewWriter& view, const EventView& e, Change&& change) {
  update_row<RunRow>(view, view_key(RunsProjection::kName, e.tenant, "run", entity(e.stream)),
                     e.position, change);
}

}  // namespace

void RunsProjection::on(ViewWriter& view, const EventView& e, const ExperimentCreated& event) {
  const ExperimentRow row{.experiment_id = event.experiment_id,
                          .name = event.name,
                          .created_time = format_time(e.time),
                          .actor = std::string(e.actor)};
  store_row(view, view_key(kName, e.tenant, "experiment", row.experiment_id), row, e.position);
  view.put(view_key(kName, e.tenant, "experiment_name", row.name), row.experiment_id, e.position);
  view.add_plain(view_key(kName, e.tenant, "experiments", descending(e.position)),
                 row.experiment_id);
}

void RunsProjection::on(ViewWriter& view, const EventView& e, const RunStarted& event) {
  const RunRow row{.run_id = event.run_id,
                   .experiment_id = event.experiment_id,
                   .name = event.name,
                   .status = "running",
                   .start_time = time_text(event.start_time),
                   .pipeline_run_id = event.pipeline_run_id,
                   .step = event.step,
                   .actor = std::string(e.actor)};
  const std::string order = descending(e.position);
  store_row(view, view_key(kName, e.tenant, "run", row.run_id), row, e.position);
  view.add_plain(view_key(kName, e.tenant, "runs", order), row.run_id);
  view.add_plain(view_key(kName, e.tenant, "runs_of", row.experiment_id, order), row.run_id);
}

void RunsProjection::on(ViewWriter& view, const EventView& e, const RunParamsLogged& event) {
  update(view, e, [&](RunRow& row) {
    for (const auto& [key, value] : event.params) row.params[key] = value;
  });
}

void RunsProjection::on(ViewWriter& view, const EventView& e, const RunTagsSet& event) {
  update(view, e, [&](RunRow& row) {
    for (const auto& [key, value] : event.tags) row.tags[key] = value;
  });
}

void RunsProjection::on(ViewWriter& view, const EventView& e, const RunArtifactLogged& event) {
  update(view, e, [&](RunRow& row) {
    const auto at = std::lower_bound(
        row.artifacts.begin(), row.artifacts.end(), event.path,
        [](const FileRef& file, const std::string& path) { return file.path < path; });
    const FileRef file{event.path, event.digest, event.bytes};
    if (at != row.artifacts.end() && at->path == event.path)
      *at = file;
    else
      row.artifacts.insert(at, file);
  });
}

void RunsProjection::on(ViewWriter& view, const EventView& e, const RunInputLogged& event) {
  update(view, e, [&](RunRow& row) { row.inputs.push_back(event); });
}

void RunsProjection::on(ViewWriter& view, const EventView& e, const RunEnded& event) {
  update(view, e, [&](RunRow& row) {
    row.status = event.status;
    row.end_time = time_text(event.end_time);
  });
}

}  // namespace mlforge::projections
