// Who did what, when, to what, and what caused it.
#pragma once
#include <functional>

#include "projections/entity_key.hpp"
#include "projections/projection.hpp"
#include "projections/view_reader.hpp"

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

// What the trail says of an event. `decoder` leaves out what is personal.
AuditRow audit_row(const EventView& envelope, EventDecoder& decoder);

// Which events are audited: all but the high-rate facts (metrics, predictions). What there is to
// say of them is in the log. Plain: "open" by stream, the last ones' positions; "stream" by stream
// and first position, newest first: 64 older ones each. A stream without a name stands for all.
class AuditProjection : public Projection {
 public:
  static constexpr std::string_view kName = "audit";
  std::string_view name() const override { return kName; }
  std::uint32_t version() const override { return 3; }
  bool wants(const Event& event) const override;
  void apply(ViewWriter& view, const EventView& envelope, const Event& event) override;

 private:
  void note(ViewWriter& view, const EventView& envelope, std::string_view stream);

  EntityKey open_key_{kName, "open"};
};

// The positions of the audited events of a stream (empty: of all) that are less than `below`,
// newest first; false stops.
void visit_audited(ViewReader& view, std::string_view tenant, std::string_view stream,
                   Position below, const std::function<bool(Position)>& visit);

}  // namespace mlforge::projections
