// What the handlers of MLflow's API have in common: from a message to a command and its answer,
// from a query to its answer. Everything is answered in MLflow's shapes.
#pragma once
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "gateway/handlers.hpp"
#include "gateway/mlflow/message.hpp"
#include "gateway/mlflow/request_names.hpp"
#include "projections/queries.hpp"

namespace mlforge::gateway::mlflow {

using http::Method;
using http::Reply;
using http::Request;

// Reads its message and answers; a message that is wrong is answered before `fields` are used:
// handlers call ok() after they have read everything.
using Handler = void (*)(App&, Fields&, const Request&, Reply);

// Answers the error of the message, if there is one.
inline bool ok(const Fields& fields, Reply& reply) {
  if (!fields.error()) return true;
  fail(reply, *fields.error());
  return false;
}

// For what is answered outside of MLflow's handlers: its shape of errors.
inline http::Response error_shape(const Request&, const Error& error) {
  return error_response(error);
}

// The route under /api/2.0/mlflow/ and /ajax-api/2.0/mlflow/.
void add_route(App& app, http::Router& router, Method method, const std::string& path,
               Handler handler, bool hot = false);
// The same under /api/3.0/mlflow/ and /ajax-api/3.0/mlflow/.
void add_route_v3(App& app, http::Router& router, Method method, const std::string& path,
                  Handler handler);
// The same for messages of up to `max_body` bytes.
void add_large_route_v3(App& app, http::Router& router, Method method, const std::string& path,
                        Handler handler, std::size_t max_body);

// Answers `query(QueryContext) -> Expected<std::string>` of the newest state, or as of `as_of` (a
// position or a time), when the read models are there.
using Query = std::function<Expected<std::string>(const QueryContext&)>;
void answer_query(App& app, Reply reply, const std::string& as_of, Query query);
// The same on a worker's thread: for what reads very many rows.
void answer_long_query(App& app, Reply reply, const std::string& as_of, Query query);

// Calls `then` with the newest state, when the read models are there: for a command that depends on
// what they say. Answers what went wrong before.
using Then = std::function<void(const QueryContext&, Reply)>;
void read_then(App& app, Reply reply, Then then);

// Hands a command to its manager. `answer(const Outcome&)` gives the body.
template <class Body, class Actor, class Answer>
void command(const Actor& manager, const Request& request, Reply reply, Body body, Answer answer,
             std::string_view user = {}) {
  auto meta = command_meta(request);
  if (!meta) return fail(reply, meta.error());
  if (meta->actor == "anonymous" && !user.empty()) meta->actor = user.substr(0, 200);
  auto done = [reply = std::move(reply),
               answer = std::move(answer)](Expected<actors::Outcome> result) mutable {
    if (!result) return fail(reply, result.error());
    reply.send(http::Response::json(answer(*result)));
  };
  hand_in<Body>(manager, *std::move(meta), std::move(body), std::move(done));
}

// The same for a command that answers {}.
template <class Body, class Actor>
void plain_command(const Actor& manager, const Request& request, Reply reply, Body body) {
  command<Body>(manager, request, std::move(reply), std::move(body),
                [](const actors::Outcome&) { return std::string("{}"); });
}

// The same, answered by what the read models then say.
template <class Body, class Actor>
void command_then_query(
    App& app, const Actor& manager, const Request& request, Reply reply, Body body,
    std::function<Expected<std::string>(const actors::Outcome&, const QueryContext&)> query) {
  auto meta = command_meta(request);
  if (!meta) return fail(reply, meta.error());
  auto done = [&app, reply = std::move(reply),
               query = std::move(query)](Expected<actors::Outcome> result) mutable {
    if (!result) return fail(reply, result.error());
    app.server->post([&app, shared = std::make_shared<Reply>(std::move(reply)),
                      query = std::move(query), outcome = *std::move(result)]() mutable {
      // As the command left it: another writer may have come since.
      const auto as_of = outcome.position > 0 ? std::to_string(outcome.position) : std::string();
      answer_query(app, std::move(*shared), as_of,
                   [query, outcome](const QueryContext& q) { return query(outcome, q); });
    });
  };
  hand_in<Body>(manager, *std::move(meta), std::move(body), std::move(done));
}

// Hands in several commands of a request. `then` is called once, on some thread, with what each
// came to: at once where there are none.
using Outcomes = std::vector<Expected<actors::Outcome>>;
void commands(App& app, const actors::CommandMeta& meta, std::vector<actors::TrackingBody> bodies,
              std::function<void(const Outcomes&)> then);

// max_results of a message: `fallback` where it is absent.
std::size_t max_results(Fields& fields, std::size_t fallback, std::size_t most);

// A name for what a client leaves unnamed, such as "righteous-flea-111".
std::string random_name();

// "ACTIVE_ONLY" and its like: whether things of that lifecycle stage are wanted.
struct View {
  bool active = true, deleted = false;
  bool wants(bool is_deleted) const { return is_deleted ? deleted : active; }
};
View view_type(Fields& fields, std::string_view name);

// Tables of routes, one file each.
void add_experiment_routes(App& app, http::Router& router);
void add_run_routes(App& app, http::Router& router);
void add_metric_routes(App& app, http::Router& router);
void add_artifact_routes(App& app, http::Router& router);
void add_download_routes(App& app, http::Router& router);
void add_registry_routes(App& app, http::Router& router);
void add_model_version_routes(App& app, http::Router& router);
void add_logged_model_routes(App& app, http::Router& router);
void add_logged_model_search(App& app, http::Router& router);
void add_trace_routes(App& app, http::Router& router);
void add_trace_file_routes(App& app, http::Router& router);
void add_assessment_routes(App& app, http::Router& router);
void add_evaluation_dataset_routes(App& app, http::Router& router);
void add_evaluation_dataset_search(App& app, http::Router& router);
void add_scorer_routes(App& app, http::Router& router);
void add_issue_routes(App& app, http::Router& router);
void add_label_schema_routes(App& app, http::Router& router);
void add_webhook_routes(App& app, http::Router& router);
void add_import_routes(App& app, http::Router& router);
void add_otlp_routes(App& app, http::Router& router);
void add_trace_metric_routes(App& app, http::Router& router);
void add_trace_correlation_routes(App& app, http::Router& router);
void add_trace_v2_routes(App& app, http::Router& router);
void add_promptlab_routes(App& app, http::Router& router);
void add_web_page_routes(App& app, http::Router& router);
void add_multipart_routes(App& app, http::Router& router);
void add_absent_routes(App& app, http::Router& router);
// Answers through the routes that are there already: the last but one to be added.
void add_graphql_routes(App& app, http::Router& router);
void add_server_routes(App& app, http::Router& router);

}  // namespace mlforge::gateway::mlflow
