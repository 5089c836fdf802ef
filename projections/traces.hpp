// Traces as they are now: what their clients reported, with tags, assessments and linked runs.
#pragma once
#include <functional>
#include <optional>

#include "projections/projection.hpp"
#include "projections/view_reader.hpp"

namespace mlforge::projections {

struct TraceRow {
  TraceRecorded info;
  std::vector<std::string> runs;  // linked, besides the one in the metadata
  std::string actor;
  static constexpr auto fields() {
    return FieldList{field("info", &TraceRow::info), field("runs", &TraceRow::runs),
                     field("actor", &TraceRow::actor)};
  }
};

// Versioned: "trace" by id. Plain: "traces_of" an experiment, the latest request first -> id.
class TracesProjection : public Dispatch<TracesProjection> {
 public:
  static constexpr std::string_view kName = "traces";
  static constexpr std::uint32_t kVersion = 1;
  void on(ViewWriter& view, const EventView& envelope, const TraceRecorded& event);
  void on(ViewWriter& view, const EventView& envelope, const TraceTagsSet& event);
  void on(ViewWriter& view, const EventView& envelope, const TraceTagRemoved& event);
  void on(ViewWriter& view, const EventView& envelope, const TraceRunLinked& event);
  void on(ViewWriter& view, const EventView& envelope, const TraceAssessed& event);
  void on(ViewWriter& view, const EventView& envelope, const TraceAssessmentRemoved& event);
  void on(ViewWriter& view, const EventView& envelope, const TraceDeleted& event);
};

// Nothing where there is none, or it was deleted.
std::optional<TraceRow> find_trace(ViewReader& view, std::string_view tenant,
                                   std::string_view trace_id, Position as_of = kLatest);

// Those of an experiment: the latest request first, those of one time by their ids. `visit` answers
// whether it wants more.
void each_trace(ViewReader& view, std::string_view tenant, std::string_view experiment_id,
                Position as_of, const std::function<bool(TraceRow)>& visit);

// Those of all experiments, by their ids.
void each_trace_of_all(ViewReader& view, std::string_view tenant, Position as_of,
                       const std::function<bool(TraceRow)>& visit);

}  // namespace mlforge::projections
