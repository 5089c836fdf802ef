// datasets/...: evaluation datasets made, read, tagged, linked and deleted, and their records.
#include "events/base64.hpp"
#include "gateway/mlflow/evaluation_records.hpp"

namespace mlforge::gateway::mlflow {
namespace evaluation_datasets_routes {
namespace {

using actors::Outcome;
using actors::TrackingBody;
using projections::EvaluationDatasetRow;
using projections::EvaluationRecordRow;

constexpr std::size_t kMostRecords = 50000;       // of a page
constexpr std::size_t kRecordsBytes = 64u << 20;  // of a message
constexpr std::size_t kPageBytes = 32u << 20;     // of records, after which a page ends

std::string id_of(const Request& request) { return std::string(request.param("dataset_id")); }

Expected<EvaluationDatasetRow> find_dataset(const QueryContext& q, const std::string& id) {
  auto row = projections::find_evaluation_dataset(q.reader, kTenant, id, q.as_of);
  if (row) return *std::move(row);
  return Error{ErrorCode::not_found, "Evaluation dataset with id '" + id + "' not found",
               "dataset_id"};
}

Expected<std::string> dataset_json(const QueryContext& q, const std::string& id,
                                   bool experiments = false) {
  const auto row = find_dataset(q, id);
  if (!row) return row.error();
  std::string out;
  Object(out).raw("dataset",
                  [&](std::string& inner) { write_evaluation_dataset(inner, *row, experiments); });
  return out;
}

void create(App& app, Fields& fields, const Request& request, Reply reply) {
  NewEvaluationDataset body{.dataset_id = {},
                            .name = fields.text("name", Need::required),
                            .tags = {},
                            .experiment_ids = fields.texts("experiment_ids")};
  const auto tags = fields.text("tags");
  if (!ok(fields, reply)) return;
  if (!tags.empty()) {
    auto read = read_evaluation_tags(tags);
    if (!read) return fail(reply, read.error());
    body.tags = *std::move(read);
  }
  command_then_query<TrackingBody>(
      app, app.managers.tracking, request, std::move(reply), std::move(body),
      [](const Outcome& outcome, const QueryContext& q) -> Expected<std::string> {
        const auto* made = outcome.find<EvaluationDatasetCreated>();
        return dataset_json(q, made ? made->dataset_id : "", true);
      });
}

void get(App& app, Fields& fields, const Request& request, Reply reply) {
  const auto as_of = fields.text("as_of");
  if (!ok(fields, reply)) return;
  answer_query(app, std::move(reply), as_of,
               [id = id_of(request)](const QueryContext& q) { return dataset_json(q, id); });
}

void send(App& app, Fields& fields, const Request& request, Reply reply, TrackingBody body) {
  if (!ok(fields, reply)) return;
  plain_command<TrackingBody>(app.managers.tracking, request, std::move(reply), std::move(body));
}

void remove(App& app, Fields& fields, const Request& request, Reply reply) {
  send(app, fields, request, std::move(reply), DeleteEvaluationDataset{id_of(request)});
}

void set_tags(App& app, Fields& fields, const Request& request, Reply reply) {
  const auto text = fields.text("tags", Need::required);
  if (!ok(fields, reply)) return;
  auto tags = read_evaluation_tags(text);
  if (!tags) return fail(reply, tags.error());
  send(app, fields, request, std::move(reply),
       TagEvaluationDataset{id_of(request), *std::move(tags)});
}

void delete_tag(App& app, Fields& fields, const Request& request, Reply reply) {
  send(app, fields, request, std::move(reply),
       UntagEvaluationDataset{id_of(request), std::string(request.param("key"))});
}

// With ids that ascend in the order of sending.
void give_ids(App& app, std::vector<EvaluationRecord>& records) {
  for (auto& each : records) {
    auto id = to_string(app.context.ids->next(app.context.clock->now()));
    std::erase(id, '-');
    each.record_id = "dr-" + id;
  }
}

std::string merged_json(const Outcome& outcome) {
  std::int64_t inserted = 0, updated = 0;
  for (const auto& event : outcome.events)
    if (const auto* merged = get_if<EvaluationRecordsMerged>(&event))
      for (const auto& record : merged->records) ++(record.input_hash.empty() ? updated : inserted);
  std::string out;
  Object(out).integer("inserted_count", inserted).integer("updated_count", updated);
  return out;
}

// Large messages are read on a worker's thread.
void upsert(App& app, Fields& fields, const Request& request, Reply reply) {
  auto text = fields.text("records", Need::required);
  if (!ok(fields, reply)) return;
  auto meta = command_meta(request);
  if (!meta) return fail(reply, meta.error());
  run_blocking(app, std::move(reply),
               [&app, id = id_of(request), text = std::move(text), meta = *meta](Reply to) {
                 auto body = read_evaluation_records(text);
                 if (!body) return fail(to, body.error());
                 body->dataset_id = id;
                 give_ids(app, body->records);
                 auto done = [to = std::move(to)](Expected<Outcome> result) mutable {
                   if (!result) return fail(to, result.error());
                   to.send(http::Response::json(merged_json(*result)));
                 };
                 hand_in<TrackingBody>(app.managers.tracking, meta, *std::move(body),
                                       std::move(done));
               });
}

// A page ends behind a record: base64 of "<its time>:<its id>", as MLflow's.
std::string record_token(const EvaluationRecordRow& row) {
  std::string out;
  append_base64(out, std::to_string(row.created_ms) + ":" + row.record_id);
  return out;
}

Expected<std::string> record_behind(const std::string& token) {
  if (token.empty()) return std::string();
  const auto plain = parse_base64(token);
  const auto colon = plain ? plain->find(':') : std::string::npos;
  if (colon == std::string::npos)
    return Error{ErrorCode::invalid_argument,
                 "Invalid page token: it must be the next_page_token of the page before",
                 "page_token"};
  return plain->substr(colon + 1);
}

Expected<std::string> records_json(const QueryContext& q, const std::string& id,
                                   const std::string& after, std::size_t most) {
  std::vector<EvaluationRecordRow> rows;
  if (projections::find_evaluation_dataset(q.reader, kTenant, id, q.as_of))
    rows = projections::evaluation_records(q.reader, kTenant, id, after, most + 1, q.as_of);
  std::string list = "[", out;
  std::size_t shown = 0;
  for (; shown < std::min(rows.size(), most) && list.size() < kPageBytes; ++shown) {
    if (shown > 0) list += ", ";
    append_evaluation_record(list, id, rows[shown]);
  }
  list += ']';
  Object(out)
      .text("records", list)
      .some_text("next_page_token", shown < rows.size() ? record_token(rows[shown - 1]) : "");
  return out;
}

void get_records(App& app, Fields& fields, const Request& request, Reply reply) {
  const auto most = max_results(fields, 1000, kMostRecords);
  const auto token = fields.text("page_token");
  const auto as_of = fields.text("as_of");
  if (!ok(fields, reply)) return;
  const auto after = record_behind(token);
  if (!after) return fail(reply, after.error());
  answer_long_query(app, std::move(reply), as_of,
                    [id = id_of(request), after = *after, most](const QueryContext& q) {
                      return records_json(q, id, after, most);
                    });
}

void delete_records(App& app, Fields& fields, const Request& request, Reply reply) {
  RemoveEvaluationRecords body{id_of(request), fields.texts("dataset_record_ids")};
  if (!ok(fields, reply)) return;
  command<TrackingBody>(app.managers.tracking, request, std::move(reply), std::move(body),
                        [](const Outcome& outcome) {
                          const auto* gone = outcome.find<EvaluationRecordsRemoved>();
                          std::string out;
                          Object(out).integer(
                              "deleted_count",
                              gone ? static_cast<std::int64_t>(gone->record_ids.size()) : 0);
                          return out;
                        });
}

void get_experiment_ids(App& app, Fields& fields, const Request& request, Reply reply) {
  const auto as_of = fields.text("as_of");
  if (!ok(fields, reply)) return;
  answer_query(
      app, std::move(reply), as_of,
      [id = id_of(request)](const QueryContext& q) -> Expected<std::string> {
        const auto row = projections::find_evaluation_dataset(q.reader, kTenant, id, q.as_of);
        std::string out;
        Object(out).array("experiment_ids", row ? row->experiment_ids : std::vector<std::string>(),
                          append_json_string);
        return out;
      });
}

template <class Body>
void change_experiments(App& app, Fields& fields, const Request& request, Reply reply) {
  Body body;
  body.dataset_id = id_of(request);
  body.experiment_ids = fields.texts("experiment_ids");
  if (!ok(fields, reply)) return;
  command_then_query<TrackingBody>(
      app, app.managers.tracking, request, std::move(reply), std::move(body),
      [id = id_of(request)](const Outcome&, const QueryContext& q) { return dataset_json(q, id); });
}

}  // namespace
}  // namespace evaluation_datasets_routes

void add_evaluation_dataset_routes(App& app, http::Router& router) {
  using namespace evaluation_datasets_routes;
  const std::string one = "datasets/{dataset_id}";
  add_route_v3(app, router, Method::post, "datasets/create", create);
  add_route_v3(app, router, Method::get, one, get);
  add_route_v3(app, router, Method::delete_, one, remove);
  add_route_v3(app, router, Method::patch, one + "/tags", set_tags);
  add_route_v3(app, router, Method::delete_, one + "/tags/{key}", delete_tag);
  add_large_route_v3(app, router, Method::post, one + "/records", upsert, kRecordsBytes);
  add_route_v3(app, router, Method::get, one + "/records", get_records);
  add_large_route_v3(app, router, Method::delete_, one + "/records", delete_records, kRecordsBytes);
  add_route_v3(app, router, Method::get, one + "/experiment-ids", get_experiment_ids);
  add_route_v3(app, router, Method::post, one + "/add-experiments",
               change_experiments<LinkEvaluationDataset>);
  add_route_v3(app, router, Method::post, one + "/remove-experiments",
               change_experiments<UnlinkEvaluationDataset>);
}

}  // namespace mlforge::gateway::mlflow
