#include "projections/query_paging.hpp"

namespace mlforge::projections {
namespace {

constexpr auto kDeployments = DeploymentsProjection::kName;
constexpr auto kDrift = DriftProjection::kName;
constexpr std::size_t kMaxAudited = 5000;  // an archived one may take a quarter of a millisecond

// The row with its counts as of the position.
Expected<EndpointRow> with_counts(ViewReader& view, std::string_view tenant,
                                  std::string_view stored, Position as_of) {
  auto read = read_row<EndpointRow>(stored);
  if (!read) return read.error();
  EndpointRow& row = *read;
  view.scan_plain(kCountSeries.tails_of(tenant, row.name), {}, kNoLimit,
                  [&](std::string_view, std::string_view text) {
                    const auto tail = Series<CountPoint>::parse_tail(text);
                    const auto point =
                        kCountSeries.last(view, {tenant, row.name, tail.name}, tail.points, as_of);
                    if (!point) return true;
                    const std::size_t colon = tail.name.find(':');
                    const std::string label(tail.name.substr(colon + 1));
                    if (tail.name.starts_with("route:")) {
                      row.predictions_by_route[label] = point->total;
                      row.predictions += point->total;
                    } else {
                      row.predictions_by_version[label] = point->total;
                    }
                    return true;
                  });
  if (view.status()) return *view.status();
  return std::move(row);
}

bool matches(const AuditFilter& filter, const EventView& e) {
  return e.type.starts_with(filter.type_prefix) &&
         (filter.actor.empty() || e.actor == filter.actor) && e.time <= filter.until_time;
}

}  // namespace

Expected<EndpointRow> get_endpoint(ViewReader& view, std::string_view tenant, std::string_view name,
                                   Position as_of) {
  const auto text = view.get(view_key(kDeployments, tenant, "endpoint", name), as_of);
  if (!text) return missing(view, "endpoint", name);
  return with_counts(view, tenant, *text, as_of);
}

Expected<Page<EndpointRow>> list_endpoints(ViewReader& view, std::string_view tenant,
                                           const PageRequest& page) {
  return page_of_rows<EndpointRow>(
      view, view_prefix(kDeployments, tenant, "endpoint"), page,
      [&](std::string_view text) { return with_counts(view, tenant, text, page.as_of); });
}

Expected<DriftRow> get_drift(ViewReader& view, std::string_view tenant, std::string_view endpoint,
                             std::string_view report_id, Position as_of) {
  return get_row<DriftRow>(view, view_key(kDrift, tenant, "report", endpoint, report_id), as_of,
                           "drift report of endpoint '" + std::string(endpoint) + "'", report_id);
}

Expected<Page<DriftRow>> list_drift(ViewReader& view, std::string_view tenant,
                                    std::string_view endpoint, const PageRequest& page) {
  return page_newest_first<DriftRow>(
      view, view_prefix(kDrift, tenant, "reports", endpoint), page,
      [&](std::string_view id) { return get_drift(view, tenant, endpoint, id, page.as_of); });
}

Expected<DriftRow> latest_drift(ViewReader& view, std::string_view tenant,
                                std::string_view endpoint, Position as_of) {
  auto page = list_drift(view, tenant, endpoint, {.limit = 1, .as_of = as_of});
  if (!page) return page.error();
  if (page->items.empty()) return not_found("drift report of endpoint", endpoint);
  return std::move(page->items.front());
}

Expected<Page<AuditRow>> list_audit(ViewReader& view, const storage::Log& log,
                                    std::string_view tenant, const AuditFilter& filter,
                                    const PageRequest& page) {
  const auto start = newest_first_start({}, page);
  if (!start) return start.error();
  const auto after = parse_ascending(start->empty() ? descending(kLatest) : *start);
  if (!after) return bad_token();
  // What is younger than the last moment asked for is not even looked at.
  const Position below = std::min(
      ~*after, filter.until_time == INT64_MAX ? kLatest : log.position_at(filter.until_time) + 1);
  Page<AuditRow> out;
  Status bad;
  EventDecoder decoder(columns::Personal::left_out);
  Position last = 0;
  std::size_t seen = 0;
  bool in_time = true;
  const auto look = [&](const EventView& e) {
    in_time = e.time >= filter.from_time;
    if (in_time && matches(filter, e)) out.items.push_back(audit_row(e, decoder));
    return true;
  };
  visit_audited(view, tenant, filter.stream, below, [&](Position position) {
    if (out.items.size() == page_limit(page) || seen == kMaxAudited) {
      out.next_page_token = to_token(descending(last));
      return false;
    }
    const auto read = log.read(position, 1, look);
    if (!read && read.error().code == ErrorCode::corrupt)
      out.items.push_back({.position = position, .summary = read.error().message});
    else if (!read)
      bad = read.error();
    ++seen;
    last = position;
    return in_time && !bad;
  });
  if (view.status()) return *view.status();
  if (bad) return *bad;
  return out;
}

}  // namespace mlforge::projections
