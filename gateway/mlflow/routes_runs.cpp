// runs/... but for their search.
#include "gateway/mlflow/entities.hpp"

#include <simdjson.h>

#include <algorithm>

#include "gateway/mlflow/handlers.hpp"
#include "gateway/mlflow/metric_points.hpp"
#include "gateway/mlflow/search_runs.hpp"

namespace mlforge::gateway::mlflow {
namespace runs_routes {
namespace {

using actors::Outcome;
using actors::TrackingBody;

constexpr std::size_t kMostBatchBytes = 1000000;

void create(App& app, Fields& fields, const Request& request, Reply reply) {
  NewRun body{.run_id = {},
              .experiment_id = read_experiment_id(fields, Need::optional),
              .user_id = fields.text("user_id"),
              .name = fields.text("run_name"),
              .tags = fields.map("tags"),
              .start_time = fields.integer("start_time").value_or(0) * 1000,
              .artifact_uri = {}};
  if (!ok(fields, reply)) return;
  if (body.experiment_id.empty()) body.experiment_id = kDefaultExperiment;
  if (body.name.empty() && !body.tags.contains("mlflow.runName")) body.name = random_name();
  // Who asks stands in the clear, so a name that is to be erasable cannot be it.
  const auto user = request.header("X-Mlforge-Subject").empty() ? body.user_id : std::string();
  command<TrackingBody>(
      app.managers.tracking, request, std::move(reply), std::move(body),
      [&app](const Outcome& o) {
        std::string out;
        const auto* started = o.find<RunStarted>();
        const auto* tags = o.find<RunTagsSet>();
        if (!started) return std::string("{}");
        RunRow row{.run_id = started->run_id,
                   .experiment_id = started->experiment_id,
                   .name = started->name,
                   .status = "running",
                   .start_time = projections::time_text(started->start_time),
                   .user_id = started->user_id,
                   .artifact_uri = started->artifact_uri};
        if (tags) row.tags = tags->tags;
        Object(out).raw("run", [&](std::string& to) { write_new_run(to, {std::move(row)}); });
        return app.subjects->reveal(kTenant, std::move(out));
      },
      user);
}

void get(App& app, Fields& fields, const Request&, Reply reply) {
  const auto id = read_run_id(fields);
  const auto as_of = fields.text("as_of");
  if (!ok(fields, reply)) return;
  answer_query(app, std::move(reply), as_of, [id](const QueryContext& q) -> Expected<std::string> {
    const auto run = find_run(q, id);
    if (!run) return run.error();
    std::string out;
    Object(out).raw("run", [&](std::string& to) { write_run(to, q, *run); });
    return out;
  });
}

// "FINISHED", or its number.
std::optional<std::string> read_status(Fields& fields) {
  static constexpr std::pair<const char*, const char*> kStatuses[] = {{"RUNNING", "running"},
                                                                      {"SCHEDULED", "scheduled"},
                                                                      {"FINISHED", "finished"},
                                                                      {"FAILED", "failed"},
                                                                      {"KILLED", "killed"}};
  if (!fields.has("status")) return std::nullopt;
  const auto text = fields.enumerator("status");
  for (std::size_t i = 0; i < std::size(kStatuses); ++i)
    if (text == kStatuses[i].first || text == std::to_string(i + 1)) return kStatuses[i].second;
  fields.set_error({ErrorCode::invalid_argument,
                    "Invalid value \"" + text +
                        "\" for parameter 'status' supplied: it must be one of RUNNING, SCHEDULED, "
                        "FINISHED, FAILED, KILLED",
                    "status"});
  return std::nullopt;
}

void update(App& app, Fields& fields, const Request& request, Reply reply) {
  UpdateRun body{.run_id = read_run_id(fields),
                 .status = read_status(fields),
                 .end_time = std::nullopt,
                 .name = fields.text("run_name"),
                 .experiment = {}};
  if (const auto end = fields.integer("end_time")) body.end_time = *end * 1000;
  if (!ok(fields, reply)) return;
  if (auto bad = check_run_id(body.run_id)) return fail(reply, *bad);
  const auto id = body.run_id;
  command_then_query<TrackingBody>(
      app, app.managers.tracking, request, std::move(reply), std::move(body),
      [id](const Outcome&, const QueryContext& q) -> Expected<std::string> {
        const auto run = find_run(q, id);
        if (!run) return run.error();
        std::string out;
        Object(out).raw("run_info", [&](std::string& to) { write_run_info(to, *run); });
        return out;
      });
}

template <class Command>
void by_id(App& app, Fields& fields, const Request& request, Reply reply) {
  Command body{.run_id = read_run_id(fields), .experiment = {}};
  if (!ok(fields, reply)) return;
  if (auto bad = check_run_id(body.run_id)) return fail(reply, *bad);
  plain_command<TrackingBody>(app.managers.tracking, request, std::move(reply), std::move(body));
}

LogBatch::Metric read_metric(Fields& fields) {
  if (fields.has("dataset_name") != fields.has("dataset_digest"))
    fields.set_error({ErrorCode::invalid_argument,
                      "Both dataset_name and dataset_digest must be provided if one is provided",
                      "dataset_name"});
  return {.key = fields.text("key", Need::required),
          .value = fields.number("value", Need::required),
          .timestamp = fields.integer("timestamp", Need::required).value_or(0),
          .step = fields.integer("step").value_or(0),
          .model_id = fields.text("model_id"),
          .dataset_name = fields.text("dataset_name"),
          .dataset_digest = fields.text("dataset_digest")};
}

// The logged models that metrics say they were measured of must be there, deleted or not.
Status check_models(const QueryContext& q, const LogBatch& body) {
  std::string_view known;
  for (std::size_t i = 0; i < body.metrics.size(); ++i) {
    const std::string& id = body.metrics[i].model_id;
    if (id.empty() || id == known) continue;
    if (!projections::find_logged_model(q.reader, kTenant, id, q.as_of)) {
      if (auto run = find_run(q, body.run_id); !run) return run.error();
      const auto list = body.single ? std::string() : "metrics[" + std::to_string(i) + "].";
      return Error{ErrorCode::invalid_argument, "Logged model with ID '" + id + "' not found.",
                   list + "model_id"};
    }
    known = id;
  }
  return {};
}

// Metrics of logged models go the longer way, past the read models, which so are never far behind:
// a point takes more there than in the log.
void send(App& app, Fields& fields, const Request& request, Reply reply, LogBatch body) {
  if (!ok(fields, reply)) return;
  if (auto bad = body.single ? check_run_id(body.run_id) : check_strict_run_id(body.run_id))
    return fail(reply, *bad);
  const bool of_models = std::any_of(body.metrics.begin(), body.metrics.end(),
                                     [](const auto& m) { return !m.model_id.empty(); });
  if (!of_models)
    return plain_command<TrackingBody>(app.managers.tracking, request, std::move(reply),
                                       std::move(body));
  read_then(app, std::move(reply),
            [&app, body = std::move(body)](const QueryContext& q, Reply to) mutable {
              if (auto bad = check_models(q, body)) return fail(to, *bad);
              const Request& asked = to.request();
              plain_command<TrackingBody>(app.managers.tracking, asked, std::move(to),
                                          std::move(body));
            });
}

void log_metric(App& app, Fields& fields, const Request& request, Reply reply) {
  LogBatch body{.run_id = read_run_id(fields), .single = true, .experiment = {}};
  body.metrics.push_back(read_metric(fields));
  send(app, fields, request, std::move(reply), std::move(body));
}

void log_param(App& app, Fields& fields, const Request& request, Reply reply) {
  LogBatch body{.run_id = read_run_id(fields), .single = true, .experiment = {}};
  const auto key = fields.text("key", Need::required);
  body.params.emplace_back(key, fields.text("value"));
  send(app, fields, request, std::move(reply), std::move(body));
}

void set_tag(App& app, Fields& fields, const Request& request, Reply reply) {
  LogBatch body{.run_id = read_run_id(fields), .single = true, .experiment = {}};
  const auto key = fields.text("key", Need::required);
  body.tags.emplace_back(key, fields.text("value"));
  send(app, fields, request, std::move(reply), std::move(body));
}

void log_batch(App& app, Fields& fields, const Request& request, Reply reply) {
  if (request.body.size() > kMostBatchBytes)
    return fail(reply, {ErrorCode::invalid_argument,
                        "Batched logging API requests must be at most 1000000 bytes, got a request "
                        "of size " +
                            std::to_string(request.body.size()) + ".",
                        ""});
  LogBatch body{.run_id = read_run_id(fields), .experiment = {}};
  if (const auto metrics = fields.array("metrics"); !metrics || !read_plain(*metrics, body.metrics))
    for (auto& each : fields.list("metrics")) body.metrics.push_back(read_metric(each));
  body.params = fields.pairs("params");
  body.tags = fields.pairs("tags");
  send(app, fields, request, std::move(reply), std::move(body));
}

void delete_tag(App& app, Fields& fields, const Request& request, Reply reply) {
  UntagRun body{
      .run_id = read_run_id(fields), .key = fields.text("key", Need::required), .experiment = {}};
  if (!ok(fields, reply)) return;
  if (auto bad = check_run_id(body.run_id)) return fail(reply, *bad);
  plain_command<TrackingBody>(app.managers.tracking, request, std::move(reply), std::move(body));
}

void log_inputs(App& app, Fields& fields, const Request& request, Reply reply) {
  LogInputs body{.run_id = read_run_id(fields), .datasets = {}, .models = {}, .experiment = {}};
  for (auto& each : fields.list("datasets")) {
    auto dataset = each.nested("dataset");
    body.datasets.push_back({.name = dataset.text("name", Need::required),
                             .digest = dataset.text("digest", Need::required),
                             .source_type = dataset.text("source_type", Need::required),
                             .source = dataset.text("source", Need::required),
                             .schema = dataset.text("schema"),
                             .profile = dataset.text("profile"),
                             .tags = each.map("tags")});
  }
  for (auto& each : fields.list("models"))
    body.models.push_back({.model_id = each.text("model_id", Need::required), .role = "input"});
  if (!ok(fields, reply)) return;
  if (auto bad = check_strict_run_id(body.run_id)) return fail(reply, *bad);
  plain_command<TrackingBody>(app.managers.tracking, request, std::move(reply), std::move(body));
}

void log_outputs(App& app, Fields& fields, const Request& request, Reply reply) {
  LogInputs body{.run_id = read_run_id(fields), .datasets = {}, .models = {}, .experiment = {}};
  for (auto& each : fields.list("models", Need::required))
    body.models.push_back({.model_id = each.text("model_id", Need::required),
                           .role = "output",
                           .step = each.integer("step").value_or(0)});
  if (!ok(fields, reply)) return;
  if (auto bad = check_run_id(body.run_id)) return fail(reply, *bad);
  plain_command<TrackingBody>(app.managers.tracking, request, std::move(reply), std::move(body));
}

// What MLflow keeps of a model in the run's tag: an object of these members, the flavors without
// their "config".
std::string model_summary(const simdjson::dom::object& model) {
  std::string out;
  {
    Object summary(out);
    for (const auto& [key, value] : model) {
      if (key == "run_id" || key == "utc_time_created" || key == "artifact_path" ||
          key == "model_uuid")
        summary.raw(key, [&](std::string& to) { to += simdjson::minify(value); });
      simdjson::dom::object flavors;
      if (key != "flavors" || value.get(flavors) != simdjson::SUCCESS) continue;
      summary.raw(key, [&](std::string& to) {
        Object all(to);
        for (const auto& [flavor, settings] : flavors)
          all.raw(flavor, [&](std::string& each) {
            simdjson::dom::object members;
            if (settings.get(members) != simdjson::SUCCESS) {
              each += simdjson::minify(settings);
              return;
            }
            Object one(each);
            for (const auto& [name, setting] : members)
              if (name != "config")
                one.raw(name, [&](std::string& text) { text += simdjson::minify(setting); });
          });
      });
    }
  }
  return out;
}

void log_model(App& app, Fields& fields, const Request& request, Reply reply) {
  RecordModel body{.run_id = read_run_id(fields), .model = {}, .experiment = {}};
  const auto text = fields.text("model_json", Need::required);
  if (!ok(fields, reply)) return;
  const auto parsed = codec::parse(text);
  simdjson::dom::object model;
  if (!parsed || parsed->get(model) != simdjson::SUCCESS)
    return fail(reply,
                {ErrorCode::invalid_argument,
                 "Malformed model info. \n " + text + " \n is not a valid JSON.", "model_json"});
  std::string missing;
  for (const char* name : {"artifact_path", "flavors", "utc_time_created", "run_id"})
    if (model.at_key(name).error() != simdjson::SUCCESS)
      missing += std::string(missing.empty() ? "'" : ", '") + name + "'";
  if (!missing.empty())
    return fail(reply, {ErrorCode::invalid_argument,
                        "Model json is missing mandatory fields: {" + missing + "}", "model_json"});
  body.model = model_summary(model);
  plain_command<TrackingBody>(app.managers.tracking, request, std::move(reply), std::move(body));
}

}  // namespace
}  // namespace runs_routes

void add_run_routes(App& app, http::Router& router) {
  using namespace runs_routes;
  const std::string base = "runs/";
  add_route(app, router, Method::post, base + "create", create, true);
  add_route(app, router, Method::get, base + "get", get);
  add_route(app, router, Method::post, base + "update", update);
  add_route(app, router, Method::post, base + "delete", by_id<DeleteRun>);
  add_route(app, router, Method::post, base + "restore", by_id<RestoreRun>);
  add_route(app, router, Method::post, base + "log-metric", log_metric, true);
  add_route(app, router, Method::post, base + "log-parameter", log_param, true);
  add_route(app, router, Method::post, base + "set-tag", set_tag, true);
  add_route(app, router, Method::post, base + "delete-tag", delete_tag);
  add_route(app, router, Method::post, base + "log-batch", log_batch, true);
  add_route(app, router, Method::post, base + "log-inputs", log_inputs);
  add_route(app, router, Method::post, base + "outputs", log_outputs);
  add_route(app, router, Method::post, base + "log-model", log_model);
  add_route(app, router, Method::post, base + "search", search_runs);
}

}  // namespace mlforge::gateway::mlflow
