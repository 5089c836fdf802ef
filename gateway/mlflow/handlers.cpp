#include "gateway/mlflow/handlers.hpp"

#include <mutex>
#include <random>

#include "gateway/mlflow/routes.hpp"
#include "gateway/moment.hpp"

namespace mlforge::gateway::mlflow {

namespace {

void add_handler(App& app, http::Router& router, Method method, std::string path, Handler handler,
                 bool hot, std::size_t max_body = 0) {
  router.add(http::Route{
      method,
      std::move(path),
      [&app, handler](const Request& request, Reply reply) {
        Fields fields(request);
        handler(app, fields, request, std::move(reply));
      },
      {.summary = "MLflow", .tag = "mlflow", .max_body = max_body, .hot = hot, .hidden = true}});
}

}  // namespace

void add_route(App& app, http::Router& router, Method method, const std::string& path,
               Handler handler, bool hot) {
  for (const char* prefix : {"/api/2.0/mlflow/", "/ajax-api/2.0/mlflow/"})
    add_handler(app, router, method, prefix + path, handler, hot);
}

void add_large_route_v3(App& app, http::Router& router, Method method, const std::string& path,
                        Handler handler, std::size_t max_body) {
  for (const char* prefix : {"/api/3.0/mlflow/", "/ajax-api/3.0/mlflow/"})
    add_handler(app, router, method, prefix + path, handler, false, max_body);
}

void add_route_v3(App& app, http::Router& router, Method method, const std::string& path,
                  Handler handler) {
  add_large_route_v3(app, router, method, path, handler, 0);
}

namespace {

void answer_one(App& app, Reply reply, const Query& query, bool now, Position position) {
  if (app.projected.position() < position) return fail(reply, standing_still(app));
  const Position seen = now ? std::max(position, app.projected.position()) : position;
  auto reader = app.views->reader();
  if (!reader) return fail(reply, reader.error());
  reader->require(position);
  auto result = query(QueryContext{*reader, now ? projections::kLatest : position, seen});
  if (reader->status()) return fail(reply, *reader->status());
  if (!result) return fail(reply, result.error());
  auto response = revealed(app, http::Response::json(*std::move(result)));
  response.headers.emplace_back("X-Mlforge-Position", std::to_string(seen));
  reply.send(std::move(response));
}

void answer_where(App& app, Reply reply, const std::string& as_of, Query query, bool on_worker) {
  const bool now = as_of.empty();
  Expected<Position> wanted = app.log->head();
  if (!now)
    wanted = parse_moment(*app.log, as_of, "as_of");
  else if (app.projected.failed() && app.log->writable())
    wanted = std::min(app.log->head(), app.projected.position());
  if (!wanted) return fail(reply, wanted.error());
  auto answer = [&app, shared = std::make_shared<Reply>(std::move(reply)), query = std::move(query),
                 now, position = *wanted, on_worker] {
    if (!on_worker) return answer_one(app, std::move(*shared), query, now, position);
    run_blocking(app, std::move(*shared), [&app, query, now, position](Reply to) {
      answer_one(app, std::move(to), query, now, position);
    });
  };
  if (app.projected.position() >= *wanted) return answer();
  app.projected.when(*wanted, [&app, answer] { app.server->post(answer); });
}

}  // namespace

void answer_query(App& app, Reply reply, const std::string& as_of, Query query) {
  answer_where(app, std::move(reply), as_of, std::move(query), false);
}

void answer_long_query(App& app, Reply reply, const std::string& as_of, Query query) {
  answer_where(app, std::move(reply), as_of, std::move(query), true);
}

void read_then(App& app, Reply reply, Then then) {
  const Position head = app.log->head();
  auto work = [&app, reply = std::make_shared<Reply>(std::move(reply)), then = std::move(then),
               head] {
    if (app.projected.position() < head) return fail(*reply, standing_still(app));
    auto reader = app.views->reader();
    if (!reader) return fail(*reply, reader.error());
    then(QueryContext{*reader, projections::kLatest, head}, std::move(*reply));
  };
  if (app.projected.position() >= head) return work();
  app.projected.when(head, [&app, work] { app.server->post(work); });
}

void commands(App& app, const actors::CommandMeta& meta, std::vector<actors::TrackingBody> bodies,
              std::function<void(const Outcomes&)> then) {
  if (bodies.empty()) return then({});
  struct Batch {
    std::mutex mutex;
    std::size_t left;
    std::function<void(const Outcomes&)> then;
    Outcomes outcomes;
  };
  auto batch = std::make_shared<Batch>();
  batch->left = bodies.size();
  batch->then = std::move(then);
  for (auto& body : bodies) {
    auto each = meta;
    each.command_id.clear();  // one id names one command
    hand_in<actors::TrackingBody>(app.managers.tracking, std::move(each), std::move(body),
                                  [batch](Expected<actors::Outcome> result) {
                                    const std::lock_guard lock(batch->mutex);
                                    batch->outcomes.push_back(std::move(result));
                                    if (--batch->left == 0) batch->then(batch->outcomes);
                                  });
  }
}

std::size_t max_results(Fields& fields, std::size_t fallback, std::size_t most) {
  const auto given = fields.integer("max_results");
  if (!given) return fallback;
  const bool many = *given > 0 && static_cast<std::uint64_t>(*given) > most;
  if (*given < 1 || many)
    fields.set_error({ErrorCode::invalid_argument,
                      "Invalid value " + std::to_string(*given) +
                          " for parameter 'max_results' supplied. It must be " +
                          (many ? "at most " + std::to_string(most) : "a positive integer"),
                      "max_results"});
  return static_cast<std::size_t>(*given);
}

std::string random_name() {
  static constexpr const char* kFirst[] = {
      "able", "bold",  "brave", "bright", "calm",  "clever", "crisp",  "eager", "fair",  "fast",
      "fine", "glad",  "grand", "keen",   "kind",  "light",  "lively", "loud",  "lucky", "mild",
      "neat", "noble", "proud", "quiet",  "rapid", "shiny",  "smooth", "swift", "warm",  "wise"};
  static constexpr const char* kSecond[] = {
      "ant",   "bear", "bird", "carp",  "crab",  "crane", "deer",  "dove",  "duck",  "eel",
      "finch", "fox",  "frog", "goat",  "goose", "hare",  "hawk",  "koi",   "lark",  "lynx",
      "mole",  "moth", "newt", "otter", "owl",   "seal",  "shrew", "snail", "stork", "wren"};
  thread_local std::mt19937 engine{std::random_device{}()};
  return std::string(kFirst[engine() % std::size(kFirst)]) + "-" +
         kSecond[engine() % std::size(kSecond)] + "-" + std::to_string(engine() % 1000);
}

View view_type(Fields& fields, std::string_view name) {
  const auto text = fields.enumerator(name);
  if (text.empty() || text == "ACTIVE_ONLY" || text == "1") return {};
  if (text == "DELETED_ONLY" || text == "2") return {false, true};
  if (text == "ALL" || text == "3") return {true, true};
  fields.set_error({ErrorCode::invalid_argument,
                    "Invalid value \"" + text + "\" for parameter '" + std::string(name) +
                        "' supplied: it must be one of ACTIVE_ONLY, DELETED_ONLY, ALL",
                    std::string(name)});
  return {};
}

}  // namespace mlforge::gateway::mlflow

namespace mlforge::gateway {

void add_mlflow_routes(App& app, http::Router& router) {
  mlflow::add_experiment_routes(app, router);
  mlflow::add_run_routes(app, router);
  mlflow::add_metric_routes(app, router);
  mlflow::add_artifact_routes(app, router);
  mlflow::add_download_routes(app, router);
  mlflow::add_registry_routes(app, router);
  mlflow::add_model_version_routes(app, router);
  mlflow::add_logged_model_routes(app, router);
  mlflow::add_logged_model_search(app, router);
  mlflow::add_trace_routes(app, router);
  mlflow::add_trace_file_routes(app, router);
  mlflow::add_assessment_routes(app, router);
  mlflow::add_evaluation_dataset_routes(app, router);
  mlflow::add_evaluation_dataset_search(app, router);
  mlflow::add_scorer_routes(app, router);
  mlflow::add_issue_routes(app, router);
  mlflow::add_label_schema_routes(app, router);
  mlflow::add_webhook_routes(app, router);
  mlflow::add_import_routes(app, router);
  mlflow::add_otlp_routes(app, router);
  mlflow::add_trace_metric_routes(app, router);
  mlflow::add_trace_correlation_routes(app, router);
  mlflow::add_trace_v2_routes(app, router);
  mlflow::add_promptlab_routes(app, router);
  mlflow::add_web_page_routes(app, router);
  mlflow::add_multipart_routes(app, router);
  mlflow::add_absent_routes(app, router);
  mlflow::add_graphql_routes(app, router);
  mlflow::add_server_routes(app, router);
}

}  // namespace mlforge::gateway
