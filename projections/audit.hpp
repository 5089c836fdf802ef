// Who did what, when, to what, and what caused it.
#pragma once
#include "projections/projection.hpp"

namespace mlforge::projections {

struct AuditRow {
  Position position = 0;
  std::string time, actor, type, stream, event_id;
  std::string causation_id, correlation_id;  // empty: none
  std::string summary;                       // one sentence
  static constexpr auto fields() {
    return FieldList{field("position", &AuditRow::position),
                     field("time", &AuditRow::time),
                     field("actor", &AuditRow::actor),
                     field("type", &AuditRow::type),
                     field("stream", &AuditRow::stream),
                     field("event_id", &AuditRow::event_id),
                     field("causation_id", &AuditRow::causation_id),
                     field("correlation_id", &AuditRow::correlation_id),
                     field("summary", &AuditRow::summary)};
  }
};

// One readable sentence about any event, `name` being that of its stream's entity.
std::string summarize(std::string_view name, const Event& event);

// One row per event except the high-rate facts (metrics, predictions). Plain, newest first: "event"
// by position; "stream" by stream and position -> the position as a part.
class AuditProjection : public Projection {
 public:
  static constexpr std::string_view kName = "audit";
  std::string_view name() const override { return kName; }
  std::uint32_t version() const override { return 1; }
  bool wants(const Event& event) const override;
  void apply(ViewWriter& view, const EventView& envelope, const Event& event) override;
};

}  // namespace mlforge::projections
