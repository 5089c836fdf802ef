// scorers/...: registered, listed, read, deleted, and what of them runs on traces as they come.
#include <algorithm>

#include "events/scorers.hpp"
#include "gateway/mlflow/entities.hpp"
#include "gateway/mlflow/handlers.hpp"
#include "gateway/mlflow/scorer_checks.hpp"
#include "gateway/mlflow/trace_subject.hpp"
#include "projections/scorers.hpp"

namespace mlforge::gateway::mlflow {
namespace scorers_routes {
namespace {

using actors::Outcome;
using actors::TrackingBody;
using projections::ScorerVersionRow;

void write_scorer(std::string& out, const ScorerVersionRow& row) {
  Object(out)
      .raw("experiment_id", [&](std::string& inner) { inner += row.experiment_id; })
      .text("scorer_name", row.name)
      .integer("scorer_version", static_cast<std::int64_t>(row.version))
      .text("serialized_scorer", row.serialized)
      .integer("creation_time", row.time_ms)
      .text("scorer_id", row.scorer_id);
}

std::string scorers_json(const std::vector<ScorerVersionRow>& rows) {
  std::string out;
  Object(out).array("scorers", rows, write_scorer);
  return out;
}

// Of one that is active.
Expected<std::string> check_experiment(const QueryContext& q, const std::string& id) {
  const auto row = find_experiment(q, id);
  if (!row) return row.error();
  if (row->lifecycle_stage == "active") return row->experiment_id;
  return Error{ErrorCode::invalid_argument,
               "The experiment " + row->experiment_id +
                   " must be in the 'active' state. Current state is deleted.",
               "experiment_id"};
}

std::string registered_json(const Outcome& outcome, const std::string& experiment_id) {
  std::string out;
  Object object(out);
  if (const auto* made = outcome.find<ScorerRegistered>())
    object.integer("version", static_cast<std::int64_t>(made->version))
        .text("scorer_id", made->scorer_id)
        .text("experiment_id", experiment_id)
        .text("name", made->name)
        .text("serialized_scorer", made->serialized)
        .integer("creation_time", made->time_ms);
  return out;
}

void register_one(App& app, Fields& fields, const Request& request, Reply reply) {
  RegisterScorer body{.experiment_id = fields.text("experiment_id", Need::required),
                      .scorer_name = fields.text("name", Need::required),
                      .serialized = fields.text("serialized_scorer", Need::required),
                      .scorer_id = {}};
  if (!ok(fields, reply)) return;
  if (auto bad = check_serialized_scorer(body.serialized)) return fail(reply, *bad);
  command<TrackingBody>(
      app.managers.tracking, request, std::move(reply), body,
      [id = body.experiment_id](const Outcome& outcome) { return registered_json(outcome, id); });
}

std::vector<std::string> active_experiments(const QueryContext& q) {
  std::vector<std::string> out;
  bool has_default = false;
  projections::PageRequest page{1000, "", q.as_of};
  do {
    const auto some = projections::list_experiments(q.reader, kTenant, page);
    if (!some) break;
    for (const auto& row : some->items) {
      has_default = has_default || row.experiment_id == kDefaultExperiment;
      if (row.lifecycle_stage == "active") out.push_back(row.experiment_id);
    }
    page.page_token = some->next_page_token;
  } while (!page.page_token.empty());
  if (!has_default) out.emplace_back(kDefaultExperiment);
  return out;
}

// By number: ids have no leading zeros.
bool lower(const std::string& a, const std::string& b) {
  return a.size() != b.size() ? a.size() < b.size() : a < b;
}

std::string list_json(const QueryContext& q, std::vector<std::string> experiments) {
  std::sort(experiments.begin(), experiments.end(), lower);
  experiments.erase(std::unique(experiments.begin(), experiments.end()), experiments.end());
  std::vector<ScorerVersionRow> rows;
  for (const auto& id : experiments)
    for (auto& row : projections::latest_scorers(q.reader, kTenant, id, q.as_of))
      rows.push_back(std::move(row));
  return scorers_json(rows);
}

Expected<std::string> list_of_one(const QueryContext& q, const std::string& id) {
  const auto experiment = check_experiment(q, id);
  if (!experiment) return experiment.error();
  return list_json(q, {*experiment});
}

void list(App& app, Fields& fields, const Request&, Reply reply) {
  const auto one = fields.text("experiment_id");
  const bool has_many = fields.has("experiment_ids");
  const auto many = fields.texts("experiment_ids");
  const auto as_of = fields.text("as_of");
  if (!ok(fields, reply)) return;
  if (has_many && !one.empty())
    return fail(reply, {ErrorCode::invalid_argument,
                        "Cannot specify both 'experiment_id' and 'experiment_ids'. Use "
                        "'experiment_ids' to scope the query to multiple experiments, or "
                        "'experiment_id' to scope it to a single experiment.",
                        "experiment_ids"});
  answer_query(app, std::move(reply), as_of,
               [one, many, has_many](const QueryContext& q) -> Expected<std::string> {
                 if (!one.empty()) return list_of_one(q, one);
                 if (!has_many) return list_json(q, active_experiments(q));
                 std::vector<std::string> active;
                 for (const auto& id : many)
                   if (const auto fine = check_experiment(q, id)) active.push_back(*fine);
                 return list_json(q, active);
               });
}

Expected<std::vector<ScorerVersionRow>> versions(const QueryContext& q, const std::string& id,
                                                 const std::string& name) {
  const auto experiment = check_experiment(q, id);
  if (!experiment) return experiment.error();
  auto rows = projections::scorer_versions(q.reader, kTenant, *experiment, name, q.as_of);
  if (rows.empty()) return no_scorer(id, name);
  return rows;
}

void list_versions(App& app, Fields& fields, const Request&, Reply reply) {
  const auto id = fields.text("experiment_id", Need::required);
  const auto name = fields.text("name", Need::required);
  const auto as_of = fields.text("as_of");
  if (!ok(fields, reply)) return;
  answer_query(app, std::move(reply), as_of,
               [id, name](const QueryContext& q) -> Expected<std::string> {
                 const auto rows = versions(q, id, name);
                 if (!rows) return rows.error();
                 return scorers_json(*rows);
               });
}

std::optional<std::uint64_t> version_field(Fields& fields) {
  const auto number = fields.integer("version");
  if (!number) return std::nullopt;
  return *number < 0 ? 0 : static_cast<std::uint64_t>(*number);
}

void get(App& app, Fields& fields, const Request&, Reply reply) {
  const auto id = fields.text("experiment_id", Need::required);
  const auto name = fields.text("name", Need::required);
  const auto version = version_field(fields);
  const auto as_of = fields.text("as_of");
  if (!ok(fields, reply)) return;
  answer_query(app, std::move(reply), as_of,
               [id, name, version](const QueryContext& q) -> Expected<std::string> {
                 const auto rows = versions(q, id, name);
                 if (!rows) return rows.error();
                 const auto at = std::find_if(rows->begin(), rows->end(), [&](const auto& row) {
                   return version && row.version == *version;
                 });
                 if (version && at == rows->end()) return no_scorer(id, name, version);
                 std::string out;
                 Object(out).raw("scorer", [&](std::string& inner) {
                   write_scorer(inner, version ? *at : rows->back());
                 });
                 return out;
               });
}

void remove(App& app, Fields& fields, const Request& request, Reply reply) {
  DeleteScorer body{fields.text("experiment_id", Need::required),
                    fields.text("name", Need::required), version_field(fields)};
  if (!ok(fields, reply)) return;
  plain_command<TrackingBody>(app.managers.tracking, request, std::move(reply), std::move(body));
}

void write_config(std::string& out, const projections::OnlineScoringRow& row) {
  Object(out)
      .text("online_scoring_config_id", row.config_id)
      .text("scorer_id", row.scorer_id)
      .number("sample_rate", row.sample_rate)
      .text("experiment_id", row.experiment_id)
      .some_text("filter_string", row.filter);
}

void configure(App& app, Fields& fields, const Request& request, Reply reply) {
  ConfigureOnlineScoring body{.experiment_id = fields.text("experiment_id", Need::required),
                              .scorer_name = fields.text("name", Need::required),
                              .sample_rate = fields.number("sample_rate", Need::required),
                              .filter = fields.text("filter_string"),
                              .config_id = {}};
  if (!ok(fields, reply)) return;
  if (const auto filter = Filter::parse(body.filter, trace_dialect()); !filter)
    return fail(reply, filter.error());
  command_then_query<TrackingBody>(
      app, app.managers.tracking, request, std::move(reply), body,
      [id = body.experiment_id, name = body.scorer_name](
          const Outcome&, const QueryContext& q) -> Expected<std::string> {
        const auto rows = projections::scorer_versions(q.reader, kTenant, id, name, q.as_of);
        const auto config = rows.empty() ? std::nullopt
                                         : projections::find_online_scoring(
                                               q.reader, kTenant, rows.back().scorer_id, q.as_of);
        if (!config) return no_scorer(id, name);
        std::string out;
        Object(out).raw("config", [&](std::string& inner) { write_config(inner, *config); });
        return out;
      });
}

void configs(App& app, Fields& fields, const Request&, Reply reply) {
  const auto ids = fields.texts("scorer_ids", Need::required);
  const auto as_of = fields.text("as_of");
  if (!ok(fields, reply)) return;
  answer_query(app, std::move(reply), as_of, [ids](const QueryContext& q) {
    std::string out = "{\"configs\":[";
    for (const auto& id : ids)
      if (const auto row = projections::find_online_scoring(q.reader, kTenant, id, q.as_of)) {
        if (out.back() != '[') out += ',';
        write_config(out, *row);
      }
    return Expected<std::string>(out + "]}");
  });
}

}  // namespace
}  // namespace scorers_routes

void add_scorer_routes(App& app, http::Router& router) {
  using namespace scorers_routes;
  add_route_v3(app, router, Method::post, "scorers/register", register_one);
  add_route_v3(app, router, Method::get, "scorers/list", list);
  add_route_v3(app, router, Method::get, "scorers/versions", list_versions);
  add_route_v3(app, router, Method::get, "scorers/get", get);
  add_route_v3(app, router, Method::delete_, "scorers/delete", remove);
  add_route_v3(app, router, Method::put, "scorers/online-config", configure);
  add_route_v3(app, router, Method::get, "scorers/online-configs", configs);
}

}  // namespace mlforge::gateway::mlflow
