// logged-models/...
#include <algorithm>
#include <span>

#include "gateway/mlflow/entities.hpp"
#include "gateway/mlflow/handlers.hpp"
#include "gateway/mlflow/search_page.hpp"

namespace mlforge::gateway::mlflow {
namespace logged_models_routes {
namespace {

using actors::Outcome;
using actors::TrackingBody;

constexpr std::size_t kMostModels = 1000;

Expected<std::string> model_json(const QueryContext& q, const std::string& id, bool also_deleted) {
  const auto row = projections::find_logged_model(q.reader, kTenant, id, q.as_of);
  if (!row || (row->deleted && !also_deleted))
    return Error{ErrorCode::not_found, "Logged model with ID '" + id + "' not found.", "model_id"};
  std::string out;
  Object(out).raw("model", [&](std::string& to) { write_logged_model(to, q, *row); });
  return out;
}

void send_for_model(App& app, Fields& fields, const Request& request, Reply reply,
                    TrackingBody body, const std::string& id) {
  if (!ok(fields, reply)) return;
  command_then_query<TrackingBody>(
      app, app.managers.tracking, request, std::move(reply), std::move(body),
      [id](const Outcome&, const QueryContext& q) { return model_json(q, id, true); });
}

void send(App& app, Fields& fields, const Request& request, Reply reply, TrackingBody body) {
  if (!ok(fields, reply)) return;
  plain_command<TrackingBody>(app.managers.tracking, request, std::move(reply), std::move(body));
}

void create(App& app, Fields& fields, const Request& request, Reply reply) {
  auto random = to_string(app.context.ids->next(app.context.clock->now()));
  std::erase(random, '-');
  NewLoggedModel body{.logged_model_id = "m-" + random,
                      .experiment_id = fields.text("experiment_id", Need::required),
                      .name = fields.text("name"),
                      .source_run_id = fields.text("source_run_id"),
                      .model_type = fields.text("model_type"),
                      .params = fields.map("params"),
                      .tags = fields.map("tags"),
                      .artifact_uri = {}};
  if (body.name.empty()) body.name = random_name();
  const auto id = body.logged_model_id;
  send_for_model(app, fields, request, std::move(reply), std::move(body), id);
}

std::string model_id(const Request& request) { return std::string(request.param("model_id")); }

void get(App& app, Fields&, const Request& request, Reply reply) {
  const auto deleted = request.query("allow_deleted");
  answer_query(app, std::move(reply), std::string(request.query("as_of").value_or("")),
               [id = model_id(request), also = deleted && *deleted == "true"](
                   const QueryContext& q) { return model_json(q, id, also); });
}

std::string read_status(Fields& fields) {
  const auto text = fields.text("status", Need::required);
  if (text == "LOGGED_MODEL_PENDING" || text == "1") return "pending";
  if (text == "LOGGED_MODEL_READY" || text == "2") return "ready";
  if (text == "LOGGED_MODEL_UPLOAD_FAILED" || text == "3") return "upload_failed";
  fields.set_error({ErrorCode::invalid_argument,
                    "Invalid value \"" + text +
                        "\" for parameter 'status' supplied: it must be one of "
                        "LOGGED_MODEL_PENDING, LOGGED_MODEL_READY, LOGGED_MODEL_UPLOAD_FAILED",
                    "status"});
  return {};
}

void finalize(App& app, Fields& fields, const Request& request, Reply reply) {
  SetLoggedModelStatus body{model_id(request), read_status(fields)};
  const auto id = body.logged_model_id;
  send_for_model(app, fields, request, std::move(reply), std::move(body), id);
}

void remove(App& app, Fields& fields, const Request& request, Reply reply) {
  send(app, fields, request, std::move(reply), DeleteLoggedModel{model_id(request)});
}

void set_tags(App& app, Fields& fields, const Request& request, Reply reply) {
  TagLoggedModel body{model_id(request), fields.map("tags")};
  const auto id = body.logged_model_id;
  send_for_model(app, fields, request, std::move(reply), std::move(body), id);
}

void delete_tag(App& app, Fields& fields, const Request& request, Reply reply) {
  send(app, fields, request, std::move(reply),
       UntagLoggedModel{model_id(request), std::string(request.param("tag_key"))});
}

void log_params(App& app, Fields& fields, const Request& request, Reply reply) {
  LogLoggedModelParams body{model_id(request), fields.map("params")};
  send(app, fields, request, std::move(reply), std::move(body));
}

// Metrics of a model are searched as measured on any dataset, or on those asked for.
struct DatasetName {
  std::string name, digest;
};

class ModelSubject : public Subject {
 public:
  ModelSubject(const QueryContext& q, const LoggedModelRow& row,
               const std::vector<DatasetName>& datasets)
      : q_(q), row_(row), datasets_(datasets) {}

  Value value(const Key& key) const override {
    if (key.entity == Entity::metric) return metric(key.name);
    if (key.entity == Entity::param || key.entity == Entity::tag) {
      const auto& texts = key.entity == Entity::param ? row_.params : row_.tags;
      const auto at = texts.find(key.name);
      return at == texts.end() ? Value() : Value(at->second);
    }
    if (key.name == "name") return row_.name;
    if (key.name == "model_id") return row_.model_id;
    if (key.name == "model_type") return row_.model_type;
    if (key.name == "status") return status();
    if (key.name == "source_run_id") return row_.source_run_id;
    if (key.name == "experiment_id") return row_.experiment_id;
    return static_cast<double>(
        milliseconds(key.name == "creation_timestamp" ? row_.created_time : row_.updated_time));
  }

 private:
  std::string status() const {
    return row_.status == "ready" ? "READY" : row_.status == "pending" ? "PENDING" : "FAILED";
  }
  Value metric(const std::string& name) const {
    Value out;
    std::pair<std::int64_t, std::int64_t> newest;
    for (const auto& each :
         projections::logged_model_metrics(q_.reader, kTenant, row_.model_id, q_.as_of)) {
      const bool wanted =
          datasets_.empty() ||
          std::any_of(datasets_.begin(), datasets_.end(), [&](const DatasetName& dataset) {
            return dataset.name == each.dataset_name &&
                   (dataset.digest.empty() || dataset.digest == each.dataset_digest);
          });
      const std::pair at(each.step, each.timestamp);
      if (each.key != name || !wanted) continue;
      if (!std::holds_alternative<std::monostate>(out) && at < newest) continue;
      newest = at;
      out = each.value;
    }
    return out;
  }

  const QueryContext& q_;
  const LoggedModelRow& row_;
  const std::vector<DatasetName>& datasets_;
};

const Dialect& dialect() {
  static const Dialect kDialect{
      {{.name = "name", .lists = true},
       {.name = "model_id", .lists = true},
       {.name = "model_type", .lists = true},
       {.name = "status", .lists = true},
       {.name = "source_run_id", .lists = true},
       {.name = "experiment_id", .lists = true},
       {.name = "creation_timestamp", .numeric = true},
       {.name = "creation_time", .numeric = true, .stands_for = "creation_timestamp"},
       {.name = "last_updated_timestamp", .numeric = true},
       {.name = "last_updated_timestamp_ms",
        .numeric = true,
        .stands_for = "last_updated_timestamp"},
       {.name = "creation_timestamp_ms", .numeric = true, .stands_for = "creation_timestamp"}},
      {Entity::metric, Entity::param, Entity::tag}};
  return kDialect;
}

struct Search : SearchPage {
  std::vector<std::string> experiments;
  std::vector<DatasetName> datasets;
};

Expected<std::string> run_search(const QueryContext& q, const Search& search) {
  std::vector<LoggedModelRow> rows;
  for (const auto& experiment : search.experiments)
    for (auto& row : projections::list_logged_models(q.reader, kTenant, experiment, q.as_of))
      if (search.filter.matches(ModelSubject(q, row, search.datasets)))
        rows.push_back(std::move(row));
  std::stable_sort(rows.begin(), rows.end(), [&](const auto& a, const auto& b) {
    for (const auto& order : search.orders)
      if (const int c =
              compare(ModelSubject(q, a, search.datasets).value(order.key),
                      ModelSubject(q, b, search.datasets).value(order.key), order.descending))
        return c < 0;
    return a.created_time > b.created_time;
  });
  const auto from = std::min(search.offset, rows.size());
  const auto to = std::min(from + search.most, rows.size());
  std::string out;
  Object(out)
      .array(
          "models", std::span(rows).subspan(from, to - from),
          [&](std::string& each, const LoggedModelRow& row) { write_logged_model(each, q, row); })
      .some_text("next_page_token", to < rows.size() ? page_token(to) : "");
  return out;
}

// [{"field_name": "metrics.auc", "ascending": false, "dataset_name": ..}]: ascending unless said.
std::vector<std::string> read_orders(Fields& fields) {
  std::vector<std::string> out;
  for (auto& each : fields.list("order_by")) {
    const auto name = each.text("field_name", Need::required);
    out.push_back(name + (each.has("ascending") && !each.boolean("ascending") ? " DESC" : " ASC"));
  }
  return out;
}

void search(App& app, Fields& fields, const Request&, Reply reply) {
  Search search;
  search.experiments = fields.texts("experiment_ids");
  for (auto& each : fields.list("datasets"))
    search.datasets.push_back(
        {each.text("dataset_name", Need::required), each.text("dataset_digest")});
  if (!read_search(fields, reply, dialect(), {100, kMostModels}, search, read_orders(fields)))
    return;
  const auto as_of = search.as_of;
  answer_query(app, std::move(reply), as_of,
               [search = std::make_shared<Search>(std::move(search))](const QueryContext& q) {
                 return run_search(q, *search);
               });
}

}  // namespace
}  // namespace logged_models_routes

void add_logged_model_routes(App& app, http::Router& router) {
  using namespace logged_models_routes;
  const std::string one = "logged-models/{model_id}";
  add_route(app, router, Method::post, "logged-models", create);
  add_route(app, router, Method::post, "logged-models/search", search);
  add_route(app, router, Method::get, one, get);
  add_route(app, router, Method::patch, one, finalize);
  add_route(app, router, Method::delete_, one, remove);
  add_route(app, router, Method::patch, one + "/tags", set_tags);
  add_route(app, router, Method::delete_, one + "/tags/{tag_key*}", delete_tag);
  add_route(app, router, Method::post, one + "/params", log_params);
}

}  // namespace mlforge::gateway::mlflow
