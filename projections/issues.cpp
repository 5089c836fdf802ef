#include "projections/issues.hpp"

#include "events/issues.hpp"

namespace mlforge::projections {
namespace {

constexpr auto kIssues = IssuesProjection::kName;

std::string issue_key(const EventView& e) {
  return view_key(kIssues, e.tenant, "issue", entity(e.stream));
}

}  // namespace

void IssuesProjection::on(ViewWriter& view, const EventView& e, const IssueCreated& event) {
  IssueRow row{.info = event, .updated_ms = event.time_ms};
  row.info.issue_id = entity(e.stream);
  store_row(view, issue_key(e), row, e.position);
}

void IssuesProjection::on(ViewWriter& view, const EventView& e, const IssueUpdated& event) {
  update_row<IssueRow>(view, issue_key(e), e.position, [&](IssueRow& row) {
    apply_update(row.info, event);
    row.updated_ms = event.time_ms;
  });
}

std::optional<IssueRow> find_issue(ViewReader& view, std::string_view tenant,
                                   std::string_view issue_id, Position as_of) {
  const auto text = view.get(view_key(kIssues, tenant, "issue", issue_id), as_of);
  if (!text) return std::nullopt;
  auto row = from_json<IssueRow>(*text, Unknown::skip);
  return row ? std::optional(*std::move(row)) : std::nullopt;
}

void each_issue(ViewReader& view, std::string_view tenant, Position as_of,
                const std::function<bool(IssueRow)>& visit) {
  view.scan(view_prefix(kIssues, tenant, "issue"), {}, as_of, SIZE_MAX,
            [&](std::string_view, std::string_view text) {
              auto row = from_json<IssueRow>(text, Unknown::skip);
              return row ? visit(*std::move(row)) : true;
            });
}

}  // namespace mlforge::projections
