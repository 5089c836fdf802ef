// Datasets: upload, stage, commit with validation, read back.
#include "actors/ask.hpp"
#include "actors/dataset_table.hpp"
#include "events/checks.hpp"
#include "gateway/artifacts.hpp"
#include "gateway/handlers.hpp"
#include "projections/queries.hpp"

namespace mlforge::gateway {
namespace {

using actors::DatasetBody;
using actors::Outcome;
using http::Reply;
using http::Request;

void stage_file(App& app, const Request& request, Reply reply, const StoredFile& file) {
  StageFiles command{std::string(request.param("name")),
                     std::string(request.query("source").value_or("")),
                     {file.ref}};
  submit<DatasetBody>(
      app.managers.datasets, request, std::move(reply), std::move(command), 201,
      [file](const Outcome& o) { return outcome_json(o, file.json()); }, file.ref.digest);
}

void unstage_file(App& app, const Request& request, Reply reply) {
  UnstageFile command{std::string(request.param("name")), std::string(request.param("path"))};
  submit<DatasetBody>(app.managers.datasets, request, std::move(reply), std::move(command), 200,
                      [](const Outcome& o) { return outcome_json(o); });
}

std::string commit_json(const Outcome& outcome) {
  std::string more;
  if (const auto* e = outcome.find<DatasetCommitted>())
    more = json_member("version", e->version) + "," +
           json_member("digest", std::string_view(e->digest));
  if (const auto* e = outcome.find<DatasetValidated>())
    more += "," + json_member("rows", e->rows) + "," + json_member("columns", e->columns) + "," +
            json_member("valid", e->passed) + "," + json_member("checks", e->checks);
  return outcome_json(outcome, more);
}

// Validates first: a corrupt file commits nothing. The commit then holds to what was validated.
void commit(App& app, actors::CommandMeta meta, const std::string& name, const std::string& message,
            Reply reply) {
  const auto state = state_for_write<DatasetState>(app, "dataset/" + name);
  if (!state) return reply.send(state.error());
  CommitDataset command{name, message, {}, files_to_commit(*state)};
  command.digest = to_string(storage::sha256(storage::as_bytes(digest_text(command.files))));
  // Told again, it answers with what the first time came to, whatever is staged by now.
  const bool known =
      !meta.command_id.empty() && app.log->find_command(meta.tenant, meta.command_id);
  if (!known) {
    if (auto events = decide(*state, command); !events) return reply.send(events.error());
    const actors::StepBlobs blobs(*app.blobs, meta.tenant);
    auto check = actors::check_dataset(command.files, blobs);
    if (!check) return reply.send(check.error());
    command.validation = {command.dataset, 0, check->rows, check->columns,
                          std::move(check->checks)};
  }
  const auto committed = actors::ask<DatasetBody>(app.managers.datasets, meta, std::move(command));
  if (!committed) return reply.send(committed.error());
  reply.send(http::Response::json(commit_json(*committed), 201));
}

void commit_route(App& app, const Request& request, Reply reply) {
  auto body = read_body<CommitDataset>(request, reply);
  if (!body) return;
  auto meta = command_meta(request);
  if (!meta) return reply.send(meta.error());
  run_blocking(
      app, std::move(reply),
      [&app, meta = *meta, name = std::string(request.param("name")), message = body->message](
          Reply answer) { commit(app, meta, name, message, std::move(answer)); });
}

void get_dataset_version(App& app, const Request& request, Reply reply) {
  const auto version = path_number(request, "version");
  if (!version) return reply.send(version.error());
  run_object_query(app, request, std::move(reply),
                   [name = std::string(request.param("name")),
                    version = *version](const QueryContext& q) -> Expected<std::string> {
                     auto row = projections::get_dataset_version(q.reader, kTenant, name, version,
                                                                 q.as_of);
                     if (!row) return row.error();
                     return to_json(*row);
                   });
}

void read_file(App& app, const Request& request, Reply reply) {
  const auto version = path_number(request, "version");
  if (!version) return reply.send(version.error());
  const std::string name(request.param("name")), path(request.param("path"));
  send_file(app, request, std::move(reply),
            [name, path, version = *version](const QueryContext& q) -> Expected<FileRef> {
              auto row =
                  projections::get_dataset_version(q.reader, kTenant, name, version, q.as_of);
              if (!row) return row.error();
              for (const auto& file : row->files)
                if (file.path == path) return file;
              return not_found("file in the dataset version", path);
            });
}

std::string commit_answer() {
  return outcome_answer(
      {{"version", "integer", false},
       {"digest", "string", false},
       {"rows", "integer", false},
       {"columns", "integer", false},
       {"valid", "boolean", false},
       {"checks", json_schema<std::vector<Check>, schema::Numbers::any>(), false}});
}

}  // namespace

void add_dataset_routes(App& app, http::Router& router) {
  const auto on = [&app](auto handler) {
    return [&app, handler](const Request& q, Reply r) { handler(app, q, std::move(r)); };
  };
  const std::string datasets = "/api/v1/datasets", dataset = datasets + "/{name}";
  router.upload(http::Method::put, dataset + "/files/{path*}", upload_route(app, stage_file),
                {.summary = "Store a file once by its content, and stage it",
                 .tag = "datasets",
                 .response = stored_file_answer(),
                 .query = {{"source", "where the data comes from"}},
                 .max_body = http::kNoLimit,
                 .body_type = "application/octet-stream",
                 .status = 201});
  router.delete_(dataset + "/files/{path*}", on(unstage_file),
                 {.summary = "Unstage a file, or leave it out of the next version",
                  .tag = "datasets",
                  .response = outcome_answer()});
  router.post(dataset + "/commits", on(commit_route),
              {.summary = "Validate what is staged and make it a version",
               .tag = "datasets",
               .body = json_schema<CommitDataset>(),
               .response = commit_answer(),
               .status = 201});
  router.get(datasets, list_route(app, projections::list_datasets),
             {.summary = "List datasets",
              .tag = "datasets",
              .response = page_answer(projections::list_datasets),
              .query = list_parameters()});
  router.get(dataset, object_route(app, "name", projections::get_dataset),
             {.summary = "One dataset with its versions",
              .tag = "datasets",
              .response = object_answer(projections::get_dataset),
              .query = as_of_parameter()});
  router.get(dataset + "/versions/{version}", on(get_dataset_version),
             {.summary = "One version with its checks",
              .tag = "datasets",
              .response = answer_schema<projections::DatasetVersionRow>(),
              .query = as_of_parameter()});
  router.get(dataset + "/versions/{version}/files/{path*}", on(read_file),
             {.summary = "The bytes of a file",
              .tag = "datasets",
              .query = as_of_parameter(),
              .response_type = "application/octet-stream",
              .headers = range_header(),
              .other_statuses = {206}});
}

}  // namespace mlforge::gateway
