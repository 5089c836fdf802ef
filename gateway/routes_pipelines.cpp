// Pipelines, their runs, and environments.
#include "actors/ask.hpp"
#include "actors/host_facts.hpp"
#include "actors/pipeline_spec.hpp"
#include "events/checks.hpp"
#include "gateway/handlers.hpp"
#include "gateway/table_routes.hpp"
#include "gateway/waits.hpp"
#include "projections/queries.hpp"
#include "storage/digest.hpp"

namespace mlforge::gateway {
namespace {

using actors::Outcome;
using actors::PipelineBody;
using http::Reply;
using http::Request;

void define_pipeline(App& app, const Request& request, Reply reply) {
  const auto spec = actors::compile_pipeline(request.body);
  if (!spec) return reply.send(spec.error());
  const std::string name(request.param("name"));
  if (spec->name != name)
    return reply.send(
        invalid("pipeline", "is '" + spec->name + "' in the YAML but '" + name + "' in the path"));
  DefinePipeline command{name, std::string(request.body),
                         to_string(storage::sha256(storage::as_bytes(request.body))),
                         spec->step_names()};
  submit<PipelineBody>(app.managers.pipelines, request, std::move(reply), std::move(command), 200,
                       [name](const Outcome& o) {
                         const auto* e = o.find<PipelineDefined>();
                         auto more = json_member("name", std::string_view(name)) +
                                     ",\"changed\":" + (e ? "true" : "false");
                         if (e) more += "," + json_member("version", e->version);
                         return outcome_json(o, more);
                       });
}

struct RunRequest {
  Texts overrides;
  static constexpr auto fields() { return FieldList{field("overrides", &RunRequest::overrides)}; }
};

// Captures the environment, then starts the run in its name. The rules hand it to the executor.
void start_pipeline_run(App& app, const Request& request, Reply reply) {
  auto body = read_body<RunRequest>(request, reply);
  if (!body) return;
  auto meta = command_meta(request);
  if (!meta) return reply.send(meta.error());
  const std::string name(request.param("name"));
  run_blocking(
      app, std::move(reply), [&app, name, meta = *meta, overrides = body->overrides](Reply answer) {
        const auto pipeline = state_for_write<PipelineState>(app, "pipeline/" + name);
        if (!pipeline) return answer.send(pipeline.error());
        const auto& state = *pipeline;
        if (state.version == 0) return answer.send(not_found("pipeline", name));
        if (const auto spec = actors::compile_pipeline(state.spec, overrides); !spec)
          return answer.send(spec.error());
        auto facts = actors::host_facts();
        const auto digest = actors::facts_digest(facts);
        auto captured = meta;
        captured.command_id.clear();
        if (const auto environment = actors::ask<actors::EnvironmentBody>(
                app.managers.environments, captured,
                CaptureEnvironment{"local", "local", digest, std::move(facts)});
            !environment)
          return answer.send(environment.error());
        StartPipelineRun command{
            .pipeline_run_id = actors::fresh_id(meta, *app.context.ids, *app.context.clock),
            .pipeline = name,
            .pipeline_version = state.version,
            .spec = state.spec,
            .overrides = overrides,
            .environment = digest};
        const auto outcome =
            actors::ask<PipelineBody>(app.managers.pipelines, meta, std::move(command));
        if (!outcome) return answer.send(outcome.error());
        const auto* e = outcome->find<PipelineRunStarted>();
        answer.send(http::Response::json(
            outcome_json(*outcome,
                         e ? json_member("pipeline_run_id", e->pipeline_run_id) : std::string()),
            202));
      });
}

void get_pipeline_run(App& app, const Request& request, Reply reply) {
  const auto wait = query_number(request, "wait", 0, 0, 60);
  if (!wait) return reply.send(wait.error());
  const std::string id(request.param("pipeline_run_id"));
  // What stood then does not change, so there is nothing to wait for.
  if (*wait == 0 || request.query("as_of"))
    return object_route(app, "pipeline_run_id", projections::get_pipeline_run)(request,
                                                                               std::move(reply));
  // Looks again after each commit until the run has ended or the time is up.
  wait_until(app, std::move(reply), std::chrono::seconds(*wait),
             [&app, id](bool last) -> std::optional<Expected<http::Response>> {
               // Both before the snapshot, which is then at least as new as they say.
               const Position head = app.log->head(), position = app.projected.position();
               auto reader = app.views->reader();
               if (!reader) return reader.error();
               auto row = projections::get_pipeline_run(*reader, kTenant, id, projections::kLatest);
               if (!row) {
                 if (last || position >= head) return row.error();
                 return std::nullopt;
               }
               if (row->status == "running" && !last) return std::nullopt;
               return http::Response::json(with_position(position, to_json(*row)));
             });
}

struct EnvironmentRequest {
  std::string name = "local";
  static constexpr auto fields() { return FieldList{field("name", &EnvironmentRequest::name)}; }
};

void capture(App& app, const Request& request, Reply reply) {
  auto body = read_body<EnvironmentRequest>(request, reply);
  if (!body) return;
  auto meta = command_meta(request);
  if (!meta) return reply.send(meta.error());
  run_blocking(app, std::move(reply), [&app, meta = *meta, name = body->name](Reply answer) {
    auto facts = actors::host_facts();
    const auto digest = actors::facts_digest(facts);
    const auto more = json_member("name", std::string_view(name)) + "," +
                      json_member("digest", std::string_view(digest)) + "," +
                      json_member("facts", facts);
    const auto outcome = actors::ask<actors::EnvironmentBody>(
        app.managers.environments, meta,
        CaptureEnvironment{name, "local", digest, std::move(facts)});
    if (!outcome) return answer.send(outcome.error());
    answer.send(http::Response::json(outcome_json(*outcome, more), 201));
  });
}

}  // namespace

void add_pipeline_routes(App& app, http::Router& router) {
  const auto on = [&app](auto handler) {
    return [&app, handler](const Request& q, Reply r) { handler(app, q, std::move(r)); };
  };
  const std::string pipelines = "/api/v1/pipelines", runs = "/api/v1/pipeline_runs",
                    environments = "/api/v1/environments";
  auto run_parameters = as_of_parameter();
  run_parameters.push_back(
      {"wait", "answer when it has ended, or after this many seconds; not with as_of", "integer"});
  router.put(pipelines + "/{name}", on(define_pipeline),
             {.summary = "Define a pipeline from YAML",
              .tag = "pipelines",
              .body = R"({"type":"string"})",
              .response = outcome_answer(
                  {{"name", "string"}, {"changed", "boolean"}, {"version", "integer", false}}),
              .body_type = "application/yaml"});
  router.get(pipelines, list_route(app, projections::list_pipelines),
             {.summary = "List pipelines",
              .tag = "pipelines",
              .response = page_answer(projections::list_pipelines),
              .query = list_parameters()});
  router.get(pipelines + "/{name}", object_route(app, "name", projections::get_pipeline),
             {.summary = "One pipeline",
              .tag = "pipelines",
              .response = object_answer(projections::get_pipeline),
              .query = as_of_parameter()});
  router.post(pipelines + "/{name}/runs", on(start_pipeline_run),
              {.summary = "Run a pipeline",
               .tag = "pipelines",
               .body = json_schema<RunRequest>(),
               .response = outcome_answer({{"pipeline_run_id", "string", false}}),
               .status = 202});
  router.get(runs, list_route(app, projections::list_pipeline_runs, "pipeline"),
             {.summary = "List pipeline runs, newest first",
              .tag = "pipelines",
              .response = page_answer(projections::list_pipeline_runs),
              .query = list_parameters("pipeline")});
  router.get(runs + "/{pipeline_run_id}", on(get_pipeline_run),
             {.summary = "One pipeline run with its steps",
              .tag = "pipelines",
              .response = answer_schema<projections::PipelineRunRow>(),
              .query = run_parameters});
  router.post(
      environments, on(capture),
      {.summary = "Capture the facts of this machine",
       .tag = "environments",
       .body = json_schema<EnvironmentRequest>(),
       .response = outcome_answer({{"name", "string"}, {"digest", "string"}, {"facts", "object"}}),
       .status = 201});
  router.get(environments, list_route(app, projections::list_environments),
             {.summary = "List environments",
              .tag = "environments",
              .response = page_answer(projections::list_environments),
              .query = list_parameters()});
  router.get(environments + "/{name}", object_route(app, "name", projections::get_environment),
             {.summary = "One environment",
              .tag = "environments",
              .response = object_answer(projections::get_environment),
              .query = as_of_parameter()});
}

}  // namespace mlforge::gateway
