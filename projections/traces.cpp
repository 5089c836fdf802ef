#include "projections/traces.hpp"

#include <algorithm>

#include "events/traces.hpp"

namespace mlforge::projections {
namespace {

constexpr auto kTraces = TracesProjection::kName;

std::string trace_key(const EventView& e) {
  return view_key(kTraces, e.tenant, "trace", entity(e.stream));
}

// The links of a trace that has not come yet.
std::string early_key(const EventView& e) {
  return view_key(kTraces, e.tenant, "early_links", entity(e.stream));
}

template <class Change>
void update_trace(ViewWriter& view, const EventView& e, Change&& change) {
  update_row<TraceRow>(view, trace_key(e), e.position, change);
}

std::uint64_t time_part(std::int64_t request_time_ms) {
  return request_time_ms < 0 ? 0 : static_cast<std::uint64_t>(request_time_ms);
}

}  // namespace

void TracesProjection::on(ViewWriter& view, const EventView& e, const TraceRecorded& event) {
  const auto key = trace_key(e);
  const auto* old = find_row<TraceRow>(view, key);
  TraceRow row{.info = event, .runs = {}, .actor = std::string(e.actor)};
  if (old) {
    row.runs = old->runs;
  } else if (const auto* early = find_row<TraceRow>(view, early_key(e))) {
    row.runs = early->runs;
    view.erase(early_key(e), e.position);
  }
  row.info.trace_id = entity(e.stream);
  store_row(view, key, row, e.position);
  view.add_plain(view_key(kTraces, e.tenant, "traces_of", event.experiment_id,
                          descending(time_part(event.request_time_ms)), row.info.trace_id),
                 row.info.trace_id);
}

void TracesProjection::on(ViewWriter& view, const EventView& e, const TraceTagsSet& event) {
  update_trace(view, e, [&](TraceRow& row) {
    for (const auto& [key, value] : event.tags) row.info.tags[key] = value;
  });
}

void TracesProjection::on(ViewWriter& view, const EventView& e, const TraceTagRemoved& event) {
  update_trace(view, e, [&](TraceRow& row) { row.info.tags.erase(event.key); });
}

void TracesProjection::on(ViewWriter& view, const EventView& e, const TraceRunLinked& event) {
  const bool is_there = find_row<TraceRow>(view, trace_key(e)) != nullptr;
  const auto key = is_there ? trace_key(e) : early_key(e);
  const auto* old = find_row<TraceRow>(view, key);
  TraceRow row = old ? *old : TraceRow();
  if (std::find(row.runs.begin(), row.runs.end(), event.run_id) != row.runs.end()) return;
  row.runs.push_back(event.run_id);
  store_row(view, key, row, e.position);
}

void TracesProjection::on(ViewWriter& view, const EventView& e, const TraceAssessed& event) {
  update_trace(view, e,
               [&](TraceRow& row) { put_assessment(row.info.assessments, event.assessment); });
}

void TracesProjection::on(ViewWriter& view, const EventView& e,
                          const TraceAssessmentRemoved& event) {
  update_trace(view, e, [&](TraceRow& row) {
    std::erase_if(row.info.assessments,
                  [&](const auto& each) { return each.assessment_id == event.assessment_id; });
  });
}

void TracesProjection::on(ViewWriter& view, const EventView& e, const TraceDeleted&) {
  view.erase(trace_key(e), e.position);
}

std::optional<TraceRow> find_trace(ViewReader& view, std::string_view tenant,
                                   std::string_view trace_id, Position as_of) {
  const auto text = view.get(view_key(kTraces, tenant, "trace", trace_id), as_of);
  if (!text) return std::nullopt;
  auto row = from_json<TraceRow>(*text, Unknown::skip);
  return row ? std::optional(*std::move(row)) : std::nullopt;
}

void each_trace_of_all(ViewReader& view, std::string_view tenant, Position as_of,
                       const std::function<bool(TraceRow)>& visit) {
  view.scan(view_prefix(kTraces, tenant, "trace"), {}, as_of, SIZE_MAX,
            [&](std::string_view, std::string_view text) {
              auto row = from_json<TraceRow>(text, Unknown::skip);
              return row ? visit(*std::move(row)) : true;
            });
}

void each_trace(ViewReader& view, std::string_view tenant, std::string_view experiment_id,
                Position as_of, const std::function<bool(TraceRow)>& visit) {
  const auto prefix = view_prefix(kTraces, tenant, "traces_of", experiment_id);
  view.scan_plain(prefix, {}, SIZE_MAX, [&](std::string_view key, std::string_view id) {
    auto row = find_trace(view, tenant, id, as_of);
    if (!row || row->info.experiment_id != experiment_id) return true;
    // Reported twice, with another time: the place of the first report is left empty.
    const auto place = view_key(kTraces, tenant, "traces_of", experiment_id,
                                descending(time_part(row->info.request_time_ms)), id);
    return key == place ? visit(*std::move(row)) : true;
  });
}

}  // namespace mlforge::projections
