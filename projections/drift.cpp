#include "projections/drift.hpp"

namespace mlforge::projections {
namespace {

std::string report_key(const EventView& e, const std::string& report_id) {
  return view_key(DriftProjection::kName, e.tenant, "report", entity(e.stream), report_id);
}

}  // namespace

void DriftProjection::on(ViewWriter& view, const EventView& e, const DriftReported& event) {
  store_row(view, report_key(e, event.report_id),
            DriftRow{.endpoint = std::string(entity(e.stream)),
                     .report_id = event.report_id,
                     .model_version = event.model_version,
                     .first_position = event.first_position,
                     .last_position = event.last_position,
                     .predictions = event.predictions,
                     .severity = event.severity,
                     .triggered = event.triggered,
                     .features = event.features,
                     .position = e.position,
                     .event_id = to_string(e.id),
                     .time = format_time(e.time)},
            e.position);
  view.add_plain(view_key(kName, e.tenant, "reports", entity(e.stream), descending(e.position)),
                 event.report_id);
}

void DriftProjection::on(ViewWriter& view, const EventView& e, const DriftAlertRaised& event) {
  update_row<DriftRow>(view, report_key(e, event.report_id), e.position, [&](DriftRow& row) {
    row.alert = AlertRow{.psi_threshold = event.psi_threshold,
                         .features = event.features,
                         .worst_psi = event.worst_psi,
                         .position = e.position,
                         .event_id = to_string(e.id),
                         .time = format_time(e.time)};
  });
}

void DriftProjection::on(ViewWriter& view, const EventView& e, const RetrainingTriggered& event) {
  update_row<DriftRow>(view, report_key(e, event.report_id), e.position, [&](DriftRow& row) {
    row.retraining = RetrainingRow{.pipeline = event.pipeline,
                                   .pipeline_run_id = event.pipeline_run_id,
                                   .model_version = event.model_version,
                                   .position = e.position,
                                   .event_id = to_string(e.id),
                                   .time = format_time(e.time)};
  });
}

}  // namespace mlforge::projections
