// model-versions/...
#include <algorithm>
#include <cstdlib>
#include <span>

#include "events/mlflow_checks.hpp"
#include "gateway/http/logging.hpp"
#include "gateway/mlflow/entities.hpp"
#include "gateway/mlflow/handlers.hpp"
#include "gateway/mlflow/search_page.hpp"
#include "gateway/mlflow/version_source.hpp"

namespace mlforge::gateway::mlflow {
namespace model_versions_routes {
namespace {

using actors::Outcome;
using actors::RegistryBody;

constexpr std::size_t kMostVersions = 200000;
constexpr const char* kPromptTag = "mlflow.prompt.is_prompt";

Expected<std::string> version_json(const QueryContext& q, const std::string& name,
                                   std::uint64_t version) {
  const auto row = find_version(q, name, version);
  if (!row) return row.error();
  std::string out;
  Object(out).raw("model_version", [&](std::string& to) { write_version(to, *row); });
  return out;
}

void send(App& app, Fields& fields, const Request& request, Reply reply, RegistryBody body) {
  if (!ok(fields, reply)) return;
  if (auto bad = check_registered_name(fields.text("name"))) return fail(reply, *bad);
  plain_command<RegistryBody>(app.managers.registry, request, std::move(reply), std::move(body));
}

void send_for_version(App& app, Fields& fields, const Request& request, Reply reply,
                      RegistryBody body, const std::string& name, std::uint64_t version) {
  if (!ok(fields, reply)) return;
  if (auto bad = check_registered_name(name)) return fail(reply, *bad);
  command_then_query<RegistryBody>(app, app.managers.registry, request, std::move(reply),
                                   std::move(body),
                                   [name, version](const Outcome&, const QueryContext& q) {
                                     return version_json(q, name, version);
                                   });
}

// Answers a version, after the logged model that it was made of has it among its versions.
void answer_made(App& app, Reply reply, const std::string& name, std::uint64_t version,
                 const std::string& model_id) {
  const auto query = [name, version](const QueryContext& q) {
    return version_json(q, name, version);
  };
  if (model_id.empty()) return answer_query(app, std::move(reply), "", query);
  auto done = [&app, shared = std::make_shared<Reply>(std::move(reply)),
               query](const Expected<Outcome>& recorded) {
    // The version is there whatever became of the note on its model.
    if (!recorded) logging::warn("a model does not say its version: {}", recorded.error().message);
    app.server->post([&app, shared, query] { answer_query(app, std::move(*shared), "", query); });
  };
  hand_in<actors::TrackingBody>(app.managers.tracking, {.tenant = kTenant},
                                RecordModelVersion{model_id, name, std::to_string(version)},
                                std::move(done));
}

// The logged model that a version says that it was made of must be there. Its run is the version's,
// where no other is named.
Status follow_logged_model(const QueryContext& q, NewVersion& v) {
  if (v.model_id.empty()) return {};
  const auto model = projections::find_logged_model(q.reader, kTenant, v.model_id, q.as_of);
  if (!model || model->deleted)
    return Error{ErrorCode::not_found, "Logged model with ID '" + v.model_id + "' not found.",
                 "model_id"};
  if (v.run_id.empty()) v.run_id = model->source_run_id;
  return {};
}

void create_checked(App& app, Reply reply, NewVersion body) {
  auto meta = command_meta(reply.request());
  if (!meta) return fail(reply, meta.error());
  auto done = [&app, name = body.model, model_id = body.model_id,
               shared = std::make_shared<Reply>(std::move(reply))](Expected<Outcome> result) {
    if (!result) return fail(*shared, result.error());
    const auto* made = result->find<ModelVersionCreated>();
    app.server->post([&app, shared, name, model_id, version = made ? made->version : 0] {
      answer_made(app, std::move(*shared), name, version, model_id);
    });
  };
  hand_in<RegistryBody>(app.managers.registry, *std::move(meta), std::move(body), std::move(done));
}

void create(App& app, Fields& fields, const Request&, Reply reply) {
  NewVersion body{.model = fields.text("name", Need::required),
                  .source = fields.text("source", Need::required),
                  .run_id = fields.text("run_id"),
                  .run_link = fields.text("run_link"),
                  .description = fields.text("description"),
                  .model_id = fields.text("model_id"),
                  .storage_location = {},
                  .tags = fields.map("tags")};
  const GivenIds given{fields.has("run_id"), fields.has("model_id")};
  if (!ok(fields, reply)) return;
  if (auto bad = check_registered_name(body.model)) return fail(reply, *bad);
  read_then(app, std::move(reply), [&app, body, given](const QueryContext& q, Reply to) mutable {
    if (auto bad = resolve_source(q, given, body)) return fail(to, *bad);
    if (auto bad = follow_logged_model(q, body)) return fail(to, *bad);
    create_checked(app, std::move(to), std::move(body));
  });
}

void get(App& app, Fields& fields, const Request&, Reply reply) {
  const auto name = fields.text("name", Need::required);
  const auto version = read_version(fields);
  if (auto bad = ::mlforge::mlflow::check_model_name(name)) fields.set_error(*bad);
  const auto as_of = fields.text("as_of");
  if (!ok(fields, reply)) return;
  answer_query(app, std::move(reply), as_of,
               [name, version](const QueryContext& q) { return version_json(q, name, version); });
}

void update(App& app, Fields& fields, const Request& request, Reply reply) {
  DescribeVersion body{.model = fields.text("name", Need::required),
                       .version = read_version(fields),
                       .description = fields.text("description")};
  const auto name = body.model;
  const auto version = body.version;
  send_for_version(app, fields, request, std::move(reply), std::move(body), name, version);
}

void transition(App& app, Fields& fields, const Request& request, Reply reply) {
  MoveStage body{.model = fields.text("name", Need::required),
                 .version = read_version(fields),
                 .stage = fields.text("stage", Need::required),
                 .archive = fields.boolean("archive_existing_versions"),
                 .reason = fields.text("reason")};
  const auto name = body.model;
  const auto version = body.version;
  send_for_version(app, fields, request, std::move(reply), std::move(body), name, version);
}

void remove(App& app, Fields& fields, const Request& request, Reply reply) {
  DeleteVersion body{.model = fields.text("name", Need::required),
                     .version = read_version(fields),
                     .reason = "deleted through MLflow's API"};
  send(app, fields, request, std::move(reply), std::move(body));
}

void set_tag(App& app, Fields& fields, const Request& request, Reply reply) {
  TagVersion body{
      .model = fields.text("name", Need::required), .version = read_version(fields), .tags = {}};
  const auto key = fields.text("key", Need::required);
  body.tags[key] = fields.text("value");
  send(app, fields, request, std::move(reply), std::move(body));
}

void delete_tag(App& app, Fields& fields, const Request& request, Reply reply) {
  UntagVersion body{.model = fields.text("name", Need::required),
                    .version = read_version(fields),
                    .key = fields.text("key", Need::required)};
  if (auto bad = ::mlforge::mlflow::check_key("key", body.key)) fields.set_error(*bad);
  send(app, fields, request, std::move(reply), std::move(body));
}

void get_download_uri(App& app, Fields& fields, const Request&, Reply reply) {
  const auto name = fields.text("name", Need::required);
  const auto version = read_version(fields);
  if (auto bad = ::mlforge::mlflow::check_model_name(name)) fields.set_error(*bad);
  const auto as_of = fields.text("as_of");
  if (!ok(fields, reply)) return;
  answer_query(app, std::move(reply), as_of,
               [name, version](const QueryContext& q) -> Expected<std::string> {
                 const auto uri = download_uri(q, name, version);
                 if (!uri) return uri.error();
                 std::string out;
                 Object(out).text("artifact_uri", *uri);
                 return out;
               });
}

class VersionSubject : public Subject {
 public:
  explicit VersionSubject(const ModelVersionRow& row) : row_(row) {}
  Value value(const Key& key) const override {
    if (key.entity == Entity::tag) {
      const auto at = row_.tags.find(key.name);
      if (at != row_.tags.end()) return at->second;
      return key.name == kPromptTag ? Value("false") : Value();
    }
    if (key.name == "name") return row_.model;
    if (key.name == "run_id") return row_.run_id;
    if (key.name == "source_path") return row_.source;
    if (key.name == "version_number") return static_cast<double>(row_.version);
    return static_cast<double>(
        milliseconds(key.name == "creation_timestamp" ? row_.created_time : row_.updated_time));
  }

 private:
  const ModelVersionRow& row_;
};

const Dialect& dialect() {
  static const Dialect kDialect{
      {{.name = "name", .lists = true},
       {.name = "version_number", .numeric = true, .may_be_quoted = true},
       {.name = "version", .numeric = true, .stands_for = "version_number", .may_be_quoted = true},
       {.name = "run_id", .lists = true},
       {"source_path"},
       {.name = "source", .stands_for = "source_path"},
       {.name = "creation_timestamp", .numeric = true},
       {.name = "last_updated_timestamp", .numeric = true}},
      {Entity::tag}};
  return kDialect;
}

struct Search : SearchPage {
  bool prompts = false;  // asked for by the filter; else they are left out, as by MLflow
};

Expected<std::vector<ModelVersionRow>> all_versions(const QueryContext& q, const Search& search) {
  std::vector<ModelVersionRow> out;
  projections::PageRequest page{1000, "", q.as_of};
  do {
    auto models = projections::list_models(q.reader, kTenant, page);
    if (!models) return models.error();
    for (const auto& model : models->items)
      for (auto& row : versions_of(q, model.name))
        if (search.filter.matches(VersionSubject(row)) &&
            (search.prompts || !row.tags.contains(kPromptTag)))
          out.push_back(std::move(row));
    page.page_token = models->next_page_token;
  } while (!page.page_token.empty());
  return out;
}

Expected<std::string> run_search(const QueryContext& q, const Search& search) {
  auto rows = all_versions(q, search);
  if (!rows) return rows.error();
  std::sort(rows->begin(), rows->end(), [&](const ModelVersionRow& a, const ModelVersionRow& b) {
    for (const auto& order : search.orders)
      if (const int c = compare(VersionSubject(a).value(order.key),
                                VersionSubject(b).value(order.key), order.descending))
        return c < 0;
    if (search.orders.empty() && a.updated_time != b.updated_time)
      return a.updated_time > b.updated_time;
    return a.model != b.model ? a.model < b.model : a.version > b.version;
  });
  const auto from = std::min(search.offset, rows->size());
  const auto to = std::min(from + search.most, rows->size());
  std::string out;
  Object(out)
      .array("model_versions", std::span(*rows).subspan(from, to - from), write_version)
      .some_text("next_page_token", to < rows->size() ? page_token(to) : "");
  return out;
}

void search(App& app, Fields& fields, const Request&, Reply reply) {
  Search search;
  if (!read_search(fields, reply, dialect(), {10000, kMostVersions}, search)) return;
  search.prompts = search.filter_text.find(kPromptTag) != std::string::npos;
  const auto as_of = search.as_of;
  answer_query(app, std::move(reply), as_of,
               [search = std::make_shared<Search>(std::move(search))](const QueryContext& q) {
                 return run_search(q, *search);
               });
}

}  // namespace
}  // namespace model_versions_routes

void add_model_version_routes(App& app, http::Router& router) {
  using namespace model_versions_routes;
  const std::string base = "model-versions/";
  add_route(app, router, Method::post, base + "create", create);
  add_route(app, router, Method::get, base + "get", get);
  add_route(app, router, Method::patch, base + "update", update);
  add_route(app, router, Method::post, base + "transition-stage", transition);
  add_route(app, router, Method::delete_, base + "delete", remove);
  add_route(app, router, Method::get, base + "search", search);
  add_route(app, router, Method::get, base + "get-download-uri", get_download_uri);
  add_route(app, router, Method::post, base + "set-tag", set_tag);
  add_route(app, router, Method::delete_, base + "delete-tag", delete_tag);
}

}  // namespace mlforge::gateway::mlflow
