#include "projections/query_paging.hpp"

namespace mlforge::projections {
namespace {

constexpr auto kDeployments = DeploymentsProjection::kName;
constexpr auto kDrift = DriftProjection::kName;
constexpr auto kAudit = AuditProjection::kName;
constexpr std::size_t kMaxAuditRows = 20000;

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

bool matches(const AuditFilter& filter, const AuditRow& row) {
  return row.type.starts_with(filter.type_prefix) &&
         (filter.actor.empty() || row.actor == filter.actor);
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

Expected<Page<AuditRow>> list_audit(ViewReader& view, std::string_view tenant,
                                    const AuditFilter& filter, const PageRequest& page) {
  const std::string events = view_prefix(kAudit, tenant, "event");
  const auto start = newest_first_start(events, page);
  if (!start) return start.error();
  // Times are of one width, so that text order is time order.
  const std::string from = filter.from_time > INT64_MIN ? format_time(filter.from_time) : "";
  const std::string until = filter.until_time < INT64_MAX ? format_time(filter.until_time) : "";
  Page<AuditRow> out;
  Status bad;
  std::string last;
  std::size_t seen = 0;
  const auto add = [&](std::string_view order, std::optional<std::string_view> text) {
    if (out.items.size() == page_limit(page) || seen == kMaxAuditRows) {
      out.next_page_token = to_token(last);
      return false;
    }
    if (!text) return true;
    auto row = read_row<AuditRow>(*text);
    if (!row) bad = row.error();
    if (bad || row->time < from) return false;
    ++seen;
    last = order;
    if ((until.empty() || row->time <= until) && matches(filter, *row))
      out.items.push_back(std::move(*row));
    return true;
  };
  if (filter.stream.empty()) {
    view.scan_plain(events, *start, kNoLimit, [&](std::string_view key, std::string_view text) {
      return add(key.substr(events.size()), text);
    });
  } else {
    const auto after = std::string_view(*start).substr(std::min(start->size(), events.size()));
    const auto order = parse_ascending(after.empty() ? descending(kLatest) : after);
    if (!order) return bad_token();
    visit_audited(view, tenant, filter.stream, ~*order, [&](Position position) {
      const std::string order = descending(position);
      return add(order, view.get_plain(events + order));
    });
  }
  if (view.status()) return *view.status();
  if (bad) return *bad;
  return out;
}

}  // namespace mlforge::projections
