// Experiments and runs.
#include "events/checks.hpp"
#include "gateway/artifacts.hpp"
#include "gateway/handlers.hpp"
#include "gateway/table_routes.hpp"
#include "projections/queries.hpp"

namespace mlforge::gateway {
namespace {

using actors::Outcome;
using actors::TrackingBody;
using http::Reply;
using http::Request;

void create_experiment(App& app, const Request& request, Reply reply) {
  auto body = read_body<CreateExperiment>(request, reply);
  if (!body) return;
  submit<TrackingBody>(app.managers.tracking, request, std::move(reply), *std::move(body), 201,
                       [](const Outcome& o) {
                         const auto* e = o.find<ExperimentCreated>();
                         if (!e) return outcome_json(o);
                         return outcome_json(o, json_member("experiment_id", e->experiment_id) +
                                                    "," + json_member("name", e->name));
                       });
}

void start_run(App& app, const Request& request, Reply reply) {
  auto body = read_body<StartRun>(request, reply);
  if (!body) return;
  submit<TrackingBody>(app.managers.tracking, request, std::move(reply), *std::move(body), 201,
                       [](const Outcome& o) {
                         const auto* e = o.find<RunStarted>();
                         return outcome_json(o,
                                             e ? json_member("run_id", e->run_id) : std::string());
                       });
}

// The commands on a run that carry a body and answer the position alone.
template <class Command>
void run_command(App& app, const Request& request, Reply reply) {
  auto body = read_body<Command>(request, reply);
  if (!body) return;
  body->run_id = request.param("run_id");
  submit<TrackingBody>(app.managers.tracking, request, std::move(reply), *std::move(body), 200,
                       [](const Outcome& o) { return outcome_json(o); });
}

void get_run(App& app, const Request& request, Reply reply) {
  run_object_query(
      app, request, std::move(reply),
      [id = std::string(request.param("run_id"))](const QueryContext& q) -> Expected<std::string> {
        auto run = projections::get_run(q.reader, kTenant, id, q.as_of);
        if (!run) return run.error();
        auto metrics = projections::latest_metrics(q.reader, kTenant, id, q.as_of);
        if (!metrics) return metrics.error();
        std::string out = to_json(*run);
        out.pop_back();
        out += "," + json_member("metrics", *metrics) + "}";
        return out;
      });
}

// A point is an object, as it was sent.
std::string points_json(const projections::MetricSeries& series) {
  std::string out = "{" + json_member("run_id", std::string_view(series.run_id)) + "," +
                    json_member("key", std::string_view(series.key)) + "," +
                    json_member("total", series.total) + ",\"points\":[";
  for (std::size_t i = 0; i < series.values.size(); ++i) {
    if (i > 0) out += ',';
    out += "{" + json_member("step", series.steps[i]) + "," +
           json_member("timestamp", series.timestamps[i]) + "," +
           json_member("value", series.values[i]) + "}";
  }
  return out + "]}";
}

void get_series(App& app, const Request& request, Reply reply) {
  const auto points = query_number(request, "max_points", 10000, 4, 1000000);
  if (!points) return reply.send(points.error());
  run_object_query(
      app, request, std::move(reply),
      [id = std::string(request.param("run_id")), key = std::string(request.param("key")),
       points = *points](const QueryContext& q) -> Expected<std::string> {
        auto series = projections::get_metric_series(q.reader, kTenant, id, key, q.as_of, points);
        if (!series) return series.error();
        return points_json(*series);
      });
}

void best_run(App& app, const Request& request, Reply reply) {
  const std::string metric(request.query("metric").value_or("validation_auc"));
  const std::string mode(request.query("mode").value_or("max"));
  run_object_query(app, request, std::move(reply),
                   [id = std::string(request.param("experiment_id")), metric,
                    mode](const QueryContext& q) -> Expected<std::string> {
                     auto best =
                         projections::best_run(q.reader, kTenant, id, metric, mode, q.as_of);
                     if (!best) return best.error();
                     return to_json(*best);
                   });
}

void record_artifact(App& app, const Request& request, Reply reply, const StoredFile& file) {
  LogArtifact command{std::string(request.param("run_id")), file.ref};
  submit<TrackingBody>(
      app.managers.tracking, request, std::move(reply), std::move(command), 201,
      [file](const Outcome& o) { return outcome_json(o, file.json()); }, file.ref.digest);
}

void read_artifact(App& app, const Request& request, Reply reply) {
  const std::string id(request.param("run_id")), path(request.param("path"));
  send_file(app, request, std::move(reply), [id, path](const QueryContext& q) -> Expected<FileRef> {
    auto run = projections::get_run(q.reader, kTenant, id, q.as_of);
    if (!run) return run.error();
    for (const auto& file : run->artifacts)
      if (file.path == path) return file;
    return not_found("artifact of run '" + id + "'", path);
  });
}

std::string run_answer() {
  return R"({"allOf":[)" + object_answer(projections::get_run) + "," +
         object_answer_of(
             {{"metrics",
               json_schema<std::vector<projections::MetricRow>, schema::Numbers::any>()}}) +
         "]}";
}

std::string series_answer() {
  const auto value = json_schema<double, schema::Numbers::any>();
  return object_answer_of(
      {{"position", "integer"},
       {"run_id", "string"},
       {"key", "string"},
       {"total", "integer"},
       {"points", array_of(object_answer_of(
                      {{"step", "integer"}, {"timestamp", "integer"}, {"value", value}}))}});
}

}  // namespace

void add_run_routes(App& app, http::Router& router) {
  const auto on = [&app](auto handler) {
    return [&app, handler](const Request& q, Reply r) { handler(app, q, std::move(r)); };
  };
  const std::string runs = "/api/v1/runs", run = runs + "/{run_id}",
                    experiments = "/api/v1/experiments";
  router.post(
      experiments, on(create_experiment),
      {.summary = "Create an experiment",
       .tag = "tracking",
       .body = json_schema<CreateExperiment>(),
       .response = outcome_answer({{"experiment_id", "string", false}, {"name", "string", false}}),
       .status = 201});
  router.get(experiments, list_route(app, projections::list_experiments),
             {.summary = "List experiments",
              .tag = "tracking",
              .response = page_answer(projections::list_experiments),
              .query = list_parameters()});
  router.get(experiments + "/{experiment_id}",
             object_route(app, "experiment_id", projections::get_experiment),
             {.summary = "One experiment",
              .tag = "tracking",
              .response = object_answer(projections::get_experiment),
              .query = as_of_parameter()});
  router.get(experiments + "/{experiment_id}/best", on(best_run),
             {.summary = "The best run by a named metric",
              .tag = "tracking",
              .response = object_answer(projections::best_run),
              .query = {{"metric", "name of the metric", "string", false},
                        {"mode", "max or min", "string", false},
                        as_of_parameter().front()}});
  router.post(runs, on(start_run),
              {.summary = "Start a run",
               .tag = "tracking",
               .body = json_schema<StartRun>(),
               .response = outcome_answer({{"run_id", "string", false}}),
               .status = 201});
  router.get(runs, list_route(app, projections::list_runs, "experiment_id"),
             {.summary = "List runs, newest first",
              .tag = "tracking",
              .response = page_answer(projections::list_runs),
              .query = list_parameters("experiment_id")});
  router.get(run, on(get_run),
             {.summary = "One run",
              .tag = "tracking",
              .response = run_answer(),
              .query = as_of_parameter()});
  router.post(run + "/metrics", on(run_command<LogMetrics>),
              {.summary = "Log metrics",
               .tag = "tracking",
               .body = json_schema<LogMetrics, schema::Numbers::any>(),
               .response = outcome_answer(),
               .hot = true});
  router.post(run + "/params", on(run_command<LogParams>),
              {.summary = "Log params",
               .tag = "tracking",
               .body = json_schema<LogParams>(),
               .response = outcome_answer()});
  router.post(run + "/tags", on(run_command<SetRunTags>),
              {.summary = "Set tags",
               .tag = "tracking",
               .body = json_schema<SetRunTags>(),
               .response = outcome_answer()});
  router.post(run + "/end", on(run_command<EndRun>),
              {.summary = "End a run",
               .tag = "tracking",
               .body = json_schema<EndRun>(),
               .response = outcome_answer()});
  auto series = as_of_parameter();
  series.push_back({"max_points", "thinned out to this many, 4 to 1000000", "integer"});
  router.get(run + "/metrics/{key*}", on(get_series),
             {.summary = "The points of one metric",
              .tag = "tracking",
              .response = series_answer(),
              .query = series});
  router.upload(http::Method::put, run + "/artifacts/{path*}", upload_route(app, record_artifact),
                {.summary = "Store an artifact",
                 .tag = "tracking",
                 .response = stored_file_answer(),
                 .max_body = http::kNoLimit,
                 .body_type = "application/octet-stream",
                 .status = 201});
  router.get(run + "/artifacts/{path*}", on(read_artifact),
             {.summary = "An artifact's bytes",
              .tag = "tracking",
              .query = as_of_parameter(),
              .response_type = "application/octet-stream",
              .headers = range_header(),
              .other_statuses = {206}});
}

}  // namespace mlforge::gateway
