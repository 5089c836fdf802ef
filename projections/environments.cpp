#include "projections/environments.hpp"

namespace mlforge::projections {

void EnvironmentsProjection::on(ViewWriter& view, const EventView& e,
                                const EnvironmentCaptured& event) {
  const EnvironmentRow row{.name = event.name,
                           .kind = event.kind,
                           .digest = event.digest,
                           .facts = event.facts,
                           .captured_time = format_time(e.time),
                           .actor = std::string(e.actor)};
  store_row(view, view_key(kName, e.tenant, "environment", row.name), row, e.position);
  const std::string capture = view_key(kName, e.tenant, "capture", row.digest);
  if (!view.get(capture)) store_row(view, capture, row, e.position);
}

}  // namespace mlforge::projections
