// Registered models: versions, stages, aliases, gates, promotion.
#include "events/checks.hpp"
#include "gateway/gates.hpp"
#include "gateway/handlers.hpp"
#include "gateway/table_routes.hpp"
#include "projections/queries.hpp"

namespace mlforge::gateway {
namespace {

using actors::Outcome;
using actors::RegistryBody;
using http::Reply;
using http::Request;

void register_model(App& app, const Request& request, Reply reply) {
  auto body = read_body<RegisterModel>(request, reply);
  if (!body) return;
  submit<RegistryBody>(
      app.managers.registry, request, std::move(reply), *body, 201,
      [name = body->name](const Outcome& o) { return outcome_json(o, json_member("name", name)); });
}

// What a version says it was made of must be there.
Status check_origin(const App& app, const CreateModelVersion& c) {
  if (!c.run_id.empty()) {
    const auto run = state_for_write<RunState>(app, "run/" + c.run_id);
    if (!run) return run.error();
    if (!run->exists) return not_there("run_id", "run", c.run_id);
  }
  if (c.dataset.empty() && c.dataset_version != 0)
    return invalid("dataset", "is missing, and dataset_version is given");
  if (c.dataset.empty()) return {};
  const auto dataset = state_for_write<DatasetState>(app, "dataset/" + c.dataset);
  if (!dataset) return dataset.error();
  if (!dataset->exists) return not_there("dataset", "dataset", c.dataset);
  if (c.dataset_version <= dataset->versions.size()) return {};
  return not_there("dataset_version", "version of dataset '" + c.dataset + "'",
                   std::to_string(c.dataset_version));
}

// Its files must be stored, each as large as is said.
Status check_files(const App& app, const std::vector<FileRef>& files) {
  for (const auto& file : files) {
    const auto digest = storage::parse_digest(file.digest);
    if (!digest) continue;
    const auto bytes = app.blobs->size(kTenant, *digest);
    if (!bytes && bytes.error().code != ErrorCode::not_found) return bytes.error();
    if (!bytes)
      return invalid("artifacts",
                     "names '" + file.path + "', whose bytes are not stored: upload them first");
    if (*bytes != file.bytes)
      return invalid("artifacts.bytes", "is " + std::to_string(file.bytes) + " for '" + file.path +
                                            "', which is stored with " + std::to_string(*bytes) +
                                            " bytes");
  }
  return {};
}

// {"version":N}: the new one, or the one that was the same already.
std::string version_json(const App& app, const CreateModelVersion& c, const Outcome& outcome) {
  if (const auto* e = outcome.find<ModelVersionCreated>())
    return outcome_json(outcome, json_member("version", e->version));
  const auto state = state_for_write<ModelState>(app, "model/" + c.model);
  const auto same = state ? find_same_version(*state, c) : 0;
  return outcome_json(outcome, same ? json_member("version", same) : std::string());
}

void create_version(App& app, const Request& request, Reply reply) {
  auto body = read_body<CreateModelVersion>(request, reply);
  if (!body) return;
  body->model = request.param("name");
  const auto model = state_for_write<ModelState>(app, "model/" + body->model);
  if (!model) return reply.send(model.error());
  if (!model->exists) return reply.send(not_found("registered model", body->model));
  if (auto bad = check_origin(app, *body)) return reply.send(*bad);
  const auto create = [&app, command = *std::move(body)](Reply to) {
    if (auto bad = check_files(app, command.artifacts)) return to.send(*bad);
    const Request& asked = to.request();
    submit<RegistryBody>(
        app.managers.registry, asked, std::move(to), command, 201,
        [&app, command](const Outcome& o) { return version_json(app, command, o); });
  };
  if (app.blobs->remote().empty()) return create(std::move(reply));
  run_blocking(app, std::move(reply), create);
}

// Answers after the scorer follows the aliases, so that the next prediction is the new version's.
void submit_and_serve(App& app, const Request& request, Reply reply, RegistryBody body) {
  submit_and_follow(app, app.managers.registry, request, std::move(reply), std::move(body), 200);
}

void change_stage(App& app, const Request& request, Reply reply) {
  auto body = read_body<TransitionStage>(request, reply);
  if (!body) return;
  const auto version = path_number(request, "version");
  if (!version) return reply.send(version.error());
  body->model = request.param("name");
  body->version = *version;
  submit_and_serve(app, request, std::move(reply), *std::move(body));
}

void set_alias(App& app, const Request& request, Reply reply) {
  auto body = read_body<SetAlias>(request, reply);
  if (!body) return;
  body->model = request.param("name");
  body->alias = request.param("alias");
  submit_and_serve(app, request, std::move(reply), *std::move(body));
}

void remove_alias(App& app, const Request& request, Reply reply) {
  RemoveAlias command{std::string(request.param("name")), std::string(request.param("alias")),
                      std::string(request.query("reason").value_or(""))};
  submit_and_serve(app, request, std::move(reply), std::move(command));
}

void gate(App& app, const Request& request, Reply reply) {
  auto body = read_body<GateRequest>(request, reply);
  if (!body) return;
  const auto version = path_number(request, "version");
  if (!version) return reply.send(version.error());
  run_gate(app, request, std::move(reply), std::string(request.param("name")), *version, *body);
}

void promote_version(App& app, const Request& request, Reply reply) {
  auto body = read_body<PromoteRequest>(request, reply);
  if (!body) return;
  const auto version = path_number(request, "version");
  if (!version) return reply.send(version.error());
  run_promotion(app, request, std::move(reply), std::string(request.param("name")), *version,
                *body);
}

void get_version(App& app, const Request& request, Reply reply) {
  run_object_query(
      app, request, std::move(reply),
      [name = std::string(request.param("name")), wanted = std::string(request.param("version"))](
          const QueryContext& q) -> Expected<std::string> {
        const bool number =
            wanted.find_first_not_of("0123456789") == wanted.npos && wanted.size() < 19;
        auto row = number ? projections::get_model_version(q.reader, kTenant, name,
                                                           std::stoull(wanted), q.as_of)
                          : projections::get_model_version_by_alias(q.reader, kTenant, name, wanted,
                                                                    q.as_of);
        if (!row) return row.error();
        return to_json(*row);
      });
}

}  // namespace

void add_model_routes(App& app, http::Router& router) {
  const auto on = [&app](auto handler) {
    return [&app, handler](const Request& q, Reply r) { handler(app, q, std::move(r)); };
  };
  const std::string models = "/api/v1/models", model = models + "/{name}",
                    versions = model + "/versions";
  router.post(models, on(register_model),
              {.summary = "Register a model",
               .tag = "models",
               .body = json_schema<RegisterModel>(),
               .response = outcome_answer({{"name", "string"}}),
               .status = 201});
  router.get(models, list_route(app, projections::list_models),
             {.summary = "List registered models",
              .tag = "models",
              .response = page_answer(projections::list_models),
              .query = list_parameters()});
  router.get(model, object_route(app, "name", projections::get_model),
             {.summary = "One registered model with its aliases",
              .tag = "models",
              .response = object_answer(projections::get_model),
              .query = as_of_parameter()});
  router.post(versions, on(create_version),
              {.summary = "Create a version",
               .tag = "models",
               .body = json_schema<CreateModelVersion>(),
               .response = outcome_answer({{"version", "integer", false}}),
               .status = 201});
  router.get(versions, list_of_route(app, "name", projections::list_model_versions),
             {.summary = "The versions of a model",
              .tag = "models",
              .response = page_answer(projections::list_model_versions),
              .query = list_parameters()});
  router.get(versions + "/{version}", on(get_version),
             {.summary = "One version, by number or alias",
              .tag = "models",
              .response = answer_schema<projections::ModelVersionRow>(),
              .query = as_of_parameter()});
  router.post(versions + "/{version}/stage", on(change_stage),
              {.summary = "Move a version to another stage",
               .tag = "models",
               .body = json_schema<TransitionStage>(),
               .response = outcome_answer()});
  router.post(versions + "/{version}/gate", on(gate),
              {.summary = "Evaluate the gate",
               .tag = "models",
               .body = json_schema<GateRequest>(),
               .response = gate_answer()});
  router.post(versions + "/{version}/promote", on(promote_version),
              {.summary = "Weigh a challenger against the champion, and promote it if it is better",
               .tag = "models",
               .body = json_schema<PromoteRequest>(),
               .response = promotion_answer()});
  router.put(model + "/aliases/{alias}", on(set_alias),
             {.summary = "Point an alias to a version",
              .tag = "models",
              .body = json_schema<SetAlias>(),
              .response = outcome_answer()});
  router.delete_(model + "/aliases/{alias}", on(remove_alias),
                 {.summary = "Remove an alias",
                  .tag = "models",
                  .response = outcome_answer(),
                  .query = {{"reason", "why, for the audit trail"}}});
}

}  // namespace mlforge::gateway
