// issues/...: made, changed, read, searched.
#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <span>

#include "events/issues.hpp"
#include "gateway/mlflow/handlers.hpp"
#include "gateway/mlflow/search_page.hpp"
#include "projections/issues.hpp"
#include "projections/traces.hpp"

namespace mlforge::gateway::mlflow {
namespace issues_routes {
namespace {

using actors::Outcome;
using actors::TrackingBody;
using projections::IssueRow;

constexpr std::size_t kMostIssues = 50000;

struct Found {
  IssueRow row;
  std::optional<std::int64_t> traces;  // where that is asked for
};

void write_issue(std::string& out, const Found& found) {
  const auto& info = found.row.info;
  Object object(out);
  object.text("issue_id", info.issue_id)
      .text("experiment_id", info.experiment_id)
      .text("name", info.name)
      .text("description", info.description)
      .text("status", info.status)
      .some_text("severity", info.severity)
      .array("root_causes", info.root_causes, append_json_string)
      .some_text("source_run_id", info.source_run_id)
      .integer("created_timestamp", info.time_ms)
      .integer("last_updated_timestamp", found.row.updated_ms)
      .some_text("created_by", info.created_by)
      .array("categories", info.categories, append_json_string);
  if (found.traces) object.integer("trace_count", *found.traces);
}

Expected<std::string> issue_json(const QueryContext& q, const std::string& id) {
  auto row = projections::find_issue(q.reader, kTenant, id, q.as_of);
  if (!row) return no_issue(id);
  std::string out;
  Object(out).raw("issue", [&](std::string& inner) {
    write_issue(inner, Found{*std::move(row), std::nullopt});
  });
  return out;
}

void create(App& app, Fields& fields, const Request& request, Reply reply) {
  CreateIssue body{.issue_id = {},
                   .experiment_id = fields.text("experiment_id", Need::required),
                   .name = fields.text("name", Need::required),
                   .description = fields.text("description", Need::required),
                   .status = fields.text("status"),
                   .severity = fields.text("severity"),
                   .root_causes = fields.texts("root_causes"),
                   .categories = fields.texts("categories"),
                   .source_run_id = fields.text("source_run_id"),
                   .created_by = fields.text("created_by")};
  if (!ok(fields, reply)) return;
  command_then_query<TrackingBody>(app, app.managers.tracking, request, std::move(reply),
                                   std::move(body),
                                   [](const Outcome& outcome, const QueryContext& q) {
                                     const auto* made = outcome.find<IssueCreated>();
                                     return issue_json(q, made ? made->issue_id : "");
                                   });
}

void update(App& app, Fields& fields, const Request& request, Reply reply) {
  const std::string id(request.param("issue_id"));
  UpdateIssue body{.issue_id = id,
                   .name = fields.text("name"),
                   .description = fields.text("description"),
                   .status = fields.text("status"),
                   .severity = fields.text("severity")};
  if (!ok(fields, reply)) return;
  command_then_query<TrackingBody>(
      app, app.managers.tracking, request, std::move(reply), std::move(body),
      [id](const Outcome&, const QueryContext& q) { return issue_json(q, id); });
}

void get(App& app, Fields& fields, const Request& request, Reply reply) {
  const auto as_of = fields.text("as_of");
  if (!ok(fields, reply)) return;
  answer_query(app, std::move(reply), as_of,
               [id = std::string(request.param("issue_id"))](const QueryContext& q) {
                 return issue_json(q, id);
               });
}

class IssueSubject : public Subject {
 public:
  explicit IssueSubject(const IssueRow& row) : row_(row) {}
  Value value(const Key& key) const override {
    if (key.name == "status") return row_.info.status;
    return row_.info.source_run_id.empty() ? Value() : Value(row_.info.source_run_id);
  }

 private:
  const IssueRow& row_;
};

const Dialect& issue_dialect() {
  static const Dialect kDialect{{{.name = "status"}, {.name = "source_run_id"}}, {}};
  return kDialect;
}

struct Search : SearchPage {
  std::string experiment_id;  // empty: all
  bool counts = false;
};

// Of unknown severity last.
std::ptrdiff_t severity_rank(const IssueRow& row) {
  const auto* const last = std::end(kIssueSeverities);
  const auto* const at = std::find(std::begin(kIssueSeverities), last, row.info.severity);
  return at == last ? -1 : at - std::begin(kIssueSeverities);
}

bool before(const Found& a, const Found& b) {
  if (const auto x = severity_rank(a.row), y = severity_rank(b.row); x != y) return x > y;
  if (a.traces && b.traces && *a.traces != *b.traces) return *a.traces > *b.traces;
  if (a.row.info.time_ms != b.row.info.time_ms) return a.row.info.time_ms > b.row.info.time_ms;
  return a.row.info.issue_id > b.row.info.issue_id;
}

// How many traces of the tenant name each issue in an assessment.
std::map<std::string, std::int64_t> count_traces(const QueryContext& q) {
  std::map<std::string, std::int64_t> out;
  projections::each_trace_of_all(q.reader, kTenant, q.as_of, [&](const auto& row) {
    std::set<std::string> named;
    for (const auto& each : row.info.assessments)
      if (each.kind == "issue") named.insert(each.name);
    for (const auto& name : named) ++out[name];
    return true;
  });
  return out;
}

Expected<std::string> run_search(const QueryContext& q, const Search& search) {
  std::vector<Found> found;
  projections::each_issue(q.reader, kTenant, q.as_of, [&](IssueRow row) {
    const bool here =
        search.experiment_id.empty() || row.info.experiment_id == search.experiment_id;
    if (here && search.filter.matches(IssueSubject(row)))
      found.push_back({std::move(row), std::nullopt});
    return true;
  });
  if (search.counts && !found.empty()) {
    const auto counts = count_traces(q);
    for (auto& each : found) {
      const auto at = counts.find(each.row.info.issue_id);
      each.traces = at == counts.end() ? 0 : at->second;
    }
  }
  std::sort(found.begin(), found.end(), before);
  const auto page = page_of(search, found.size());
  std::string out;
  Object(out)
      .array("issues", std::span(found).subspan(page.first, page.last - page.first), write_issue)
      .text("next_page_token", page.last < found.size() ? page_token(page.last) : "");
  return out;
}

void search(App& app, Fields& fields, const Request&, Reply reply) {
  Search search;
  search.experiment_id = fields.text("experiment_id");
  search.counts = fields.boolean("include_trace_count");
  if (!read_search(fields, reply, issue_dialect(), {100, kMostIssues}, search,
                   std::vector<std::string>(), "filter_string"))
    return;
  answer_long_search(app, std::move(reply), std::move(search), run_search);
}

}  // namespace
}  // namespace issues_routes

void add_issue_routes(App& app, http::Router& router) {
  using namespace issues_routes;
  add_route_v3(app, router, Method::post, "issues", create);
  add_route_v3(app, router, Method::post, "issues/search", search);
  add_route_v3(app, router, Method::get, "issues/{issue_id}", get);
  add_route_v3(app, router, Method::patch, "issues/{issue_id}", update);
}

}  // namespace mlforge::gateway::mlflow
