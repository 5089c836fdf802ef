#include "events/issues.hpp"

#include <algorithm>
#include <iterator>

#include "events/compaction.hpp"
#include "events/mlflow_checks.hpp"

namespace mlforge {
namespace {

Status check_status_and_severity(const std::string& status, const std::string& severity) {
  if (!status.empty() && status != "pending" && status != "rejected" && status != "resolved")
    return mlflow::refuse("'" + status +
                              "' is not a valid IssueStatus: it must be one of pending, rejected, "
                              "resolved",
                          "status");
  if (!severity.empty() && std::find(std::begin(kIssueSeverities), std::end(kIssueSeverities),
                                     severity) == std::end(kIssueSeverities))
    return mlflow::refuse("'" + severity +
                              "' is not a valid IssueSeverity: it must be one of not_an_issue, "
                              "low, medium, high",
                          "severity");
  return {};
}

}  // namespace

Error no_issue(std::string_view issue_id) {
  return {ErrorCode::not_found, "Issue with ID '" + std::string(issue_id) + "' not found",
          "issue_id"};
}

void apply_update(IssueCreated& info, const IssueUpdated& e) {
  if (!e.name.empty()) info.name = e.name;
  if (!e.description.empty()) info.description = e.description;
  if (!e.status.empty()) info.status = e.status;
  if (!e.severity.empty()) info.severity = e.severity;
}

Expected<Events> decide(const IssueState&, const CreateIssue& c) {
  if (auto bad = check_status_and_severity(c.status, c.severity)) return *bad;
  return Events{IssueCreated{.issue_id = c.issue_id,
                             .experiment_id = c.experiment_id,
                             .name = c.name,
                             .description = c.description,
                             .status = c.status.empty() ? "pending" : c.status,
                             .severity = c.severity,
                             .root_causes = c.root_causes,
                             .categories = c.categories,
                             .source_run_id = c.source_run_id,
                             .created_by = c.created_by,
                             .time_ms = c.time / 1000}};
}

Expected<Events> decide(const IssueState& state, const UpdateIssue& c) {
  if (!state.exists) return no_issue(c.issue_id);
  if (auto bad = check_status_and_severity(c.status, c.severity)) return *bad;
  IssueUpdated e{.name = c.name,
                 .description = c.description,
                 .status = c.status,
                 .severity = c.severity,
                 .time_ms = c.time / 1000};
  auto after = state.info;
  apply_update(after, e);
  if (to_json(after) == to_json(state.info)) return Events{};
  return Events{std::move(e)};
}

void evolve(IssueState& state, const IssueCreated& e) {
  state.exists = true;
  state.info = e;
}
void evolve(IssueState& state, const IssueUpdated& e) { apply_update(state.info, e); }

Compacted compact(const IssueState& s) {
  if (!s.exists) return {};
  return {{s.info}, 0};
}

}  // namespace mlforge
