// registered-models/...
#include <algorithm>
#include <span>

#include "events/mlflow_checks.hpp"
#include "gateway/mlflow/entities.hpp"
#include "gateway/mlflow/handlers.hpp"
#include "gateway/mlflow/search_page.hpp"

namespace mlforge::gateway::mlflow {
namespace registry_routes {
namespace {

using actors::Outcome;
using actors::RegistryBody;

constexpr std::size_t kMostModels = 1000;
constexpr const char* kPromptTag = "mlflow.prompt.is_prompt";

void send(App& app, Fields& fields, const Request& request, Reply reply, RegistryBody body) {
  if (!ok(fields, reply)) return;
  if (auto bad = check_registered_name(fields.text("name"))) return fail(reply, *bad);
  plain_command<RegistryBody>(app.managers.registry, request, std::move(reply), std::move(body));
}

Expected<std::string> model_json(const QueryContext& q, const std::string& name) {
  const auto row = find_model(q, name);
  if (!row) return row.error();
  std::string out;
  Object(out).raw("registered_model", [&](std::string& to) { write_model(to, q, *row); });
  return out;
}

// A command that answers the model as it then is.
void send_for_model(App& app, Fields& fields, const Request& request, Reply reply,
                    RegistryBody body, const std::string& name) {
  if (!ok(fields, reply)) return;
  if (auto bad = check_registered_name(fields.text("name"))) return fail(reply, *bad);
  command_then_query<RegistryBody>(
      app, app.managers.registry, request, std::move(reply), std::move(body),
      [name](const Outcome&, const QueryContext& q) { return model_json(q, name); });
}

void create(App& app, Fields& fields, const Request& request, Reply reply) {
  NewModel body{.name = fields.text("name", Need::required),
                .description = fields.text("description"),
                .tags = fields.map("tags")};
  const auto name = body.name;
  if (auto bad = ::mlforge::mlflow::check_model_name(name)) fields.set_error(*bad);
  send_for_model(app, fields, request, std::move(reply), std::move(body), name);
}

void update(App& app, Fields& fields, const Request& request, Reply reply) {
  DescribeModel body{fields.text("name", Need::required), fields.text("description")};
  const auto name = body.model;
  send_for_model(app, fields, request, std::move(reply), std::move(body), name);
}

void rename(App& app, Fields& fields, const Request& request, Reply reply) {
  RenameModel body{fields.text("name", Need::required), fields.text("new_name", Need::required)};
  const auto name = body.to;
  for (const auto& each : {body.to, body.model})
    if (auto bad = ::mlforge::mlflow::check_model_name(each)) fields.set_error(*bad);
  send_for_model(app, fields, request, std::move(reply), std::move(body), name);
}

void remove(App& app, Fields& fields, const Request& request, Reply reply) {
  DeleteModel body{fields.text("name", Need::required), "deleted through MLflow's API"};
  send(app, fields, request, std::move(reply), std::move(body));
}

void get(App& app, Fields& fields, const Request&, Reply reply) {
  const auto name = fields.text("name", Need::required);
  const auto as_of = fields.text("as_of");
  if (!ok(fields, reply)) return;
  if (auto bad = ::mlforge::mlflow::check_model_name(name)) return fail(reply, *bad);
  answer_query(app, std::move(reply), as_of,
               [name](const QueryContext& q) { return model_json(q, name); });
}

void get_latest_versions(App& app, Fields& fields, const Request&, Reply reply) {
  const auto name = fields.text("name", Need::required);
  if (auto bad = ::mlforge::mlflow::check_model_name(name)) fields.set_error(*bad);
  auto stages = fields.texts("stages");
  for (auto& stage : stages) {
    const auto canonical = canonical_stage(stage);
    if (canonical.empty())
      fields.set_error({ErrorCode::invalid_argument,
                        "Invalid Model Version stage: " + stage +
                            ". Value must be one of None, Staging, Production, Archived.",
                        "stages"});
    stage = canonical;
  }
  if (!ok(fields, reply)) return;
  answer_query(app, std::move(reply), "",
               [name, stages](const QueryContext& q) -> Expected<std::string> {
                 if (const auto model = find_model(q, name); !model) return model.error();
                 auto rows = latest_versions(q, name);
                 std::erase_if(rows, [&](const ModelVersionRow& row) {
                   return !stages.empty() &&
                          std::find(stages.begin(), stages.end(), row.stage) == stages.end();
                 });
                 std::string out;
                 Object(out).array("model_versions", rows, write_version);
                 return out;
               });
}

void set_tag(App& app, Fields& fields, const Request& request, Reply reply) {
  TagModel body{.model = fields.text("name", Need::required), .tags = {}};
  const auto key = fields.text("key", Need::required);
  body.tags[key] = fields.text("value");
  send(app, fields, request, std::move(reply), std::move(body));
}

void delete_tag(App& app, Fields& fields, const Request& request, Reply reply) {
  UntagModel body{fields.text("name", Need::required), fields.text("key", Need::required)};
  if (auto bad = ::mlforge::mlflow::check_key("key", body.key)) fields.set_error(*bad);
  send(app, fields, request, std::move(reply), std::move(body));
}

// Beyond MLflow: a reason, which stands in the event, and the version that the alias must name now.
// The version that the alias must point to; 0: to none.
std::optional<std::uint64_t> read_expected(Fields& fields) {
  const auto expected = fields.integer("expected");
  return expected ? std::optional(static_cast<std::uint64_t>(*expected)) : std::nullopt;
}

void set_alias(App& app, Fields& fields, const Request& request, Reply reply) {
  PointAlias body{.model = fields.text("name", Need::required),
                  .alias = fields.text("alias", Need::required),
                  .version = read_version(fields),
                  .reason = fields.text("reason"),
                  .expected = read_expected(fields)};
  send(app, fields, request, std::move(reply), std::move(body));
}

void delete_alias(App& app, Fields& fields, const Request& request, Reply reply) {
  DropAlias body{.model = fields.text("name", Need::required),
                 .alias = fields.text("alias", Need::required),
                 .reason = fields.text("reason"),
                 .expected = read_expected(fields)};
  if (auto bad = ::mlforge::mlflow::check_alias_words(body.alias)) fields.set_error(*bad);
  send(app, fields, request, std::move(reply), std::move(body));
}

// "latest", in any case, is the newest version.
Expected<ModelVersionRow> aliased_version(const QueryContext& q, const ModelRow& model,
                                          const std::string& alias) {
  std::string lower(alias);
  for (auto& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  if (lower == "latest") {
    auto versions = versions_of(q, model.name);
    if (versions.empty())
      return Error{ErrorCode::not_found, "Latest version not found for model " + model.name + ".",
                   "alias"};
    return *std::max_element(versions.begin(), versions.end(),
                             [](const auto& a, const auto& b) { return a.version < b.version; });
  }
  const auto at = model.aliases.find(alias);
  if (at == model.aliases.end())
    return Error{ErrorCode::invalid_argument, "Registered model alias " + alias + " not found.",
                 "alias"};
  return find_version(q, model.name, at->second);
}

void get_by_alias(App& app, Fields& fields, const Request&, Reply reply) {
  const auto name = fields.text("name", Need::required);
  const auto alias = fields.text("alias", Need::required);
  if (auto bad = ::mlforge::mlflow::check_model_name(name)) fields.set_error(*bad);
  if (auto bad = ::mlforge::mlflow::check_alias_words(alias)) fields.set_error(*bad);
  const auto as_of = fields.text("as_of");
  if (!ok(fields, reply)) return;
  answer_query(
      app, std::move(reply), as_of, [name, alias](const QueryContext& q) -> Expected<std::string> {
        const auto model = find_model(q, name);
        if (!model) return model.error();
        const auto row = aliased_version(q, *model, alias);
        if (!row) return row.error();
        std::string out;
        Object(out).raw("model_version", [&](std::string& to) { write_version(to, *row); });
        return out;
      });
}

class ModelSubject : public Subject {
 public:
  explicit ModelSubject(const ModelRow& row) : row_(row) {}
  Value value(const Key& key) const override {
    if (key.entity == Entity::tag) {
      const auto at = row_.tags.find(key.name);
      if (at != row_.tags.end()) return at->second;
      return key.name == kPromptTag ? Value("false") : Value();
    }
    if (key.name == "name") return row_.name;
    return static_cast<double>(
        milliseconds(key.name == "creation_timestamp" ? row_.created_time : row_.updated_time));
  }

 private:
  const ModelRow& row_;
};

const Dialect& dialect() {
  static const Dialect kDialect{
      {{.name = "name", .lists = true},
       {.name = "creation_timestamp", .numeric = true},
       {.name = "last_updated_timestamp", .numeric = true},
       {.name = "timestamp", .numeric = true, .stands_for = "last_updated_timestamp"}},
      {Entity::tag},
      false,
      "Invalid order by key '"};
  return kDialect;
}

Expected<std::vector<ModelRow>> all_models(const QueryContext& q) {
  std::vector<ModelRow> out;
  projections::PageRequest page{1000, "", q.as_of};
  do {
    auto rows = projections::list_models(q.reader, kTenant, page);
    if (!rows) return rows.error();
    for (auto& row : rows->items) out.push_back(std::move(row));
    page.page_token = rows->next_page_token;
  } while (!page.page_token.empty());
  return out;
}

struct Search : SearchPage {
  bool prompts = false;  // asked for by the filter; else they are left out, as by MLflow
};

Expected<std::string> run_search(const QueryContext& q, const Search& search) {
  auto rows = all_models(q);
  if (!rows) return rows.error();
  std::erase_if(*rows, [&](const ModelRow& row) {
    return (!search.prompts && row.tags.contains(kPromptTag)) ||
           !search.filter.matches(ModelSubject(row));
  });
  std::stable_sort(rows->begin(), rows->end(), [&](const ModelRow& a, const ModelRow& b) {
    for (const auto& order : search.orders)
      if (const int c = compare(ModelSubject(a).value(order.key), ModelSubject(b).value(order.key),
                                order.descending))
        return c < 0;
    return a.name < b.name;
  });
  const auto from = std::min(search.offset, rows->size());
  const auto to = std::min(from + search.most, rows->size());
  std::string out;
  Object(out)
      .array("registered_models", std::span(*rows).subspan(from, to - from),
             [&](std::string& each, const ModelRow& row) { write_model(each, q, row); })
      .some_text("next_page_token", to < rows->size() ? page_token(to) : "");
  return out;
}

void search(App& app, Fields& fields, const Request&, Reply reply) {
  Search search;
  if (!read_search(fields, reply, dialect(), {100, kMostModels}, search)) return;
  search.prompts = search.filter_text.find(kPromptTag) != std::string::npos;
  const auto as_of = search.as_of;
  answer_query(app, std::move(reply), as_of,
               [search = std::make_shared<Search>(std::move(search))](const QueryContext& q) {
                 return run_search(q, *search);
               });
}

}  // namespace
}  // namespace registry_routes

void add_registry_routes(App& app, http::Router& router) {
  using namespace registry_routes;
  const std::string base = "registered-models/";
  add_route(app, router, Method::post, base + "create", create);
  add_route(app, router, Method::patch, base + "update", update);
  add_route(app, router, Method::post, base + "rename", rename);
  add_route(app, router, Method::delete_, base + "delete", remove);
  add_route(app, router, Method::get, base + "get", get);
  add_route(app, router, Method::get, base + "search", search);
  add_route(app, router, Method::get, base + "get-latest-versions", get_latest_versions);
  add_route(app, router, Method::post, base + "get-latest-versions", get_latest_versions);
  add_route(app, router, Method::post, base + "set-tag", set_tag);
  add_route(app, router, Method::delete_, base + "delete-tag", delete_tag);
  add_route(app, router, Method::post, base + "alias", set_alias);
  add_route(app, router, Method::delete_, base + "alias", delete_alias);
  add_route(app, router, Method::get, base + "alias", get_by_alias);
}

}  // namespace mlforge::gateway::mlflow
