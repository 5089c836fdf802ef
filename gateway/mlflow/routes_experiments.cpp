// experiments/...
#include <algorithm>
#include <cstdlib>
#include <set>

#include "gateway/mlflow/artifact_flags.hpp"
#include "gateway/mlflow/entities.hpp"
#include "gateway/mlflow/handlers.hpp"
#include "gateway/mlflow/search_page.hpp"

namespace mlforge::gateway::mlflow {
namespace experiments_routes {
namespace {

using actors::Outcome;
using actors::TrackingBody;

constexpr std::size_t kMostExperiments = 50000, kMostDatasets = 1000, kMostDatasetExperiments = 20;

// When the log was made: its id begins with the milliseconds (UUIDv7).
TimeUs made_time(const storage::Log& log) {
  const auto id = log.log_id();
  TimeUs milliseconds = 0;
  for (int i = 0; i < 6; ++i)
    milliseconds = milliseconds << 8 | id.bytes[static_cast<std::size_t>(i)];
  return milliseconds * 1000;
}

// The default experiment is there since the server is, not since something was written into it.
void date_default(const App& app, ExperimentRow& row) {
  if (row.experiment_id != kDefaultExperiment) return;
  const auto made = projections::time_text(made_time(*app.log));
  if (row.created_time.empty() || made < row.created_time) row.created_time = made;
}

std::string experiment_json(const App& app, ExperimentRow row) {
  date_default(app, row);
  std::string out;
  Object(out).raw("experiment", [&](std::string& to) { write_experiment(to, row); });
  return out;
}

void create(App& app, Fields& fields, const Request& request, Reply reply) {
  NewExperiment body{.name = fields.text("name", Need::required),
                     .artifact_location = absolute_location(fields.text("artifact_location")),
                     .tags = fields.map("tags")};
  if (!ok(fields, reply)) return;
  command<TrackingBody>(app.managers.tracking, request, std::move(reply), std::move(body),
                        [](const Outcome& o) {
                          std::string out;
                          const auto* e = o.find<ExperimentCreated>();
                          Object(out).text("experiment_id", e ? e->experiment_id : "");
                          return out;
                        });
}

void get(App& app, Fields& fields, const Request&, Reply reply) {
  const auto id = read_experiment_id(fields, Need::required);
  const auto as_of = fields.text("as_of");
  if (!ok(fields, reply)) return;
  answer_query(app, std::move(reply), as_of,
               [&app, id](const QueryContext& q) -> Expected<std::string> {
                 auto row = find_experiment(q, id);
                 if (!row) return row.error();
                 return experiment_json(app, *std::move(row));
               });
}

void get_by_name(App& app, Fields& fields, const Request&, Reply reply) {
  const auto name = fields.text("experiment_name", Need::required);
  const auto as_of = fields.text("as_of");
  if (!ok(fields, reply)) return;
  answer_query(app, std::move(reply), as_of,
               [&app, name](const QueryContext& q) -> Expected<std::string> {
                 auto row = find_experiment_by_name(q, name);
                 if (!row) return row.error();
                 return experiment_json(app, *std::move(row));
               });
}

template <class Command>
void by_id(App& app, Fields& fields, const Request& request, Reply reply) {
  Command body{read_experiment_id(fields, Need::required)};
  if (!ok(fields, reply)) return;
  plain_command<TrackingBody>(app.managers.tracking, request, std::move(reply), std::move(body));
}

void update(App& app, Fields& fields, const Request& request, Reply reply) {
  RenameExperiment body{read_experiment_id(fields, Need::required),
                        fields.text("new_name", Need::required)};
  if (!ok(fields, reply)) return;
  plain_command<TrackingBody>(app.managers.tracking, request, std::move(reply), std::move(body));
}

void set_tag(App& app, Fields& fields, const Request& request, Reply reply) {
  TagExperiment body{.experiment_id = read_experiment_id(fields, Need::required), .tags = {}};
  const auto key = fields.text("key", Need::required);
  body.tags[key] = fields.text("value");
  if (!ok(fields, reply)) return;
  plain_command<TrackingBody>(app.managers.tracking, request, std::move(reply), std::move(body));
}

void delete_tag(App& app, Fields& fields, const Request& request, Reply reply) {
  UntagExperiment body{read_experiment_id(fields, Need::required),
                       fields.text("key", Need::required)};
  if (!ok(fields, reply)) return;
  plain_command<TrackingBody>(app.managers.tracking, request, std::move(reply), std::move(body));
}

class ExperimentSubject : public Subject {
 public:
  explicit ExperimentSubject(const ExperimentRow& row) : row_(row) {}
  Value value(const Key& key) const override {
    if (key.entity == Entity::tag) {
      const auto at = row_.tags.find(key.name);
      return at == row_.tags.end() ? Value() : Value(at->second);
    }
    if (key.name == "name") return row_.name;
    if (key.name == "experiment_id" && !key.numeric) return row_.experiment_id;
    if (key.name == "experiment_id") return std::strtod(row_.experiment_id.c_str(), nullptr);
    const bool created = key.name == "creation_time" || row_.updated_time.empty();
    return static_cast<double>(milliseconds(created ? row_.created_time : row_.updated_time));
  }

 private:
  const ExperimentRow& row_;
};

const Dialect& dialect() {
  static const Dialect kDialect{
      .attributes = {{"name"},
                     {"creation_time", true},
                     {"last_update_time", true},
                     {.name = "experiment_id", .numeric = true, .order_only = true},
                     {.name = "experiment_id", .lists = true},
                     {.name = "creation_timestamp",
                      .numeric = true,
                      .stands_for = "creation_time"}},
      .entities = {Entity::tag},
      .repeats = true};
  return kDialect;
}

Expected<std::vector<ExperimentRow>> all_experiments(const QueryContext& q) {
  std::vector<ExperimentRow> out;
  bool has_default = false;
  projections::PageRequest page{1000, "", q.as_of};
  do {
    auto rows = projections::list_experiments(q.reader, kTenant, page);
    if (!rows) return rows.error();
    for (auto& row : rows->items) {
      has_default = has_default || row.experiment_id == kDefaultExperiment;
      out.push_back(std::move(row));
    }
    page.page_token = rows->next_page_token;
  } while (!page.page_token.empty());
  if (!has_default)
    if (auto row = find_experiment(q, kDefaultExperiment)) out.push_back(*std::move(row));
  return out;
}

struct Search : SearchPage {
  View view;
};

Expected<std::string> run_search(const App& app, const QueryContext& q, const Search& search) {
  auto rows = all_experiments(q);
  if (!rows) return rows.error();
  for (auto& row : *rows) date_default(app, row);
  std::erase_if(*rows, [&](const ExperimentRow& row) {
    return !search.view.wants(row.lifecycle_stage == "deleted") ||
           !search.filter.matches(ExperimentSubject(row));
  });
  std::sort(rows->begin(), rows->end(), [&](const ExperimentRow& a, const ExperimentRow& b) {
    for (const auto& order : search.orders)
      if (const int c = compare(ExperimentSubject(a).value(order.key),
                                ExperimentSubject(b).value(order.key), order.descending))
        return c < 0;
    if (search.orders.empty() && a.created_time != b.created_time)
      return a.created_time > b.created_time;
    return std::strtoull(a.experiment_id.c_str(), nullptr, 10) <
           std::strtoull(b.experiment_id.c_str(), nullptr, 10);
  });
  const auto from = std::min(search.offset, rows->size());
  const auto to = std::min(from + search.most, rows->size());
  std::string out;
  {
    Object whole(out);
    whole.array("experiments",
                std::vector<ExperimentRow>(rows->begin() + static_cast<std::ptrdiff_t>(from),
                                           rows->begin() + static_cast<std::ptrdiff_t>(to)),
                write_experiment);
    if (to < rows->size()) whole.text("next_page_token", page_token(to));
  }
  return out;
}

void search(App& app, Fields& fields, const Request&, Reply reply) {
  Search search;
  search.view = view_type(fields, "view_type");
  if (!read_search(fields, reply, dialect(), {1000, kMostExperiments}, search)) return;
  const auto as_of = search.as_of;
  answer_query(app, std::move(reply), as_of,
               [&app, search = std::make_shared<Search>(std::move(search))](const QueryContext& q) {
                 return run_search(app, q, *search);
               });
}

// ---------------------------------------------------------------- the datasets of experiments

struct DatasetSummary {
  std::string experiment_id, name, digest;
  std::optional<std::string> context;
  auto operator<=>(const DatasetSummary&) const = default;
};

Status add_datasets(const QueryContext& q, const std::string& experiment_id,
                    std::set<DatasetSummary>& out) {
  projections::PageRequest page{1000, "", q.as_of};
  do {
    const auto rows = projections::list_runs(q.reader, kTenant, experiment_id, page);
    if (!rows) return rows.error().code == ErrorCode::not_found ? Status() : rows.error();
    for (const auto& row : rows->items)
      for (const auto& use : datasets_of(q, row.run_id)) {
        const auto context = use.tags.find("mlflow.data.context");
        out.insert({experiment_id, use.name, use.digest,
                    context == use.tags.end() ? std::nullopt : std::optional(context->second)});
      }
    page.page_token = rows->next_page_token;
  } while (!page.page_token.empty() && out.size() < kMostDatasets);
  return {};
}

void search_datasets(App& app, Fields& fields, const Request&, Reply reply) {
  const auto ids = fields.texts("experiment_ids");
  const auto as_of = fields.text("as_of");
  if (ids.empty())
    fields.set_error({ErrorCode::invalid_argument,
                      "SearchDatasets request must specify at least one experiment_id.",
                      "experiment_ids"});
  if (ids.size() > kMostDatasetExperiments)
    fields.set_error({ErrorCode::invalid_argument,
                      "SearchDatasets request cannot specify more than 20 experiment_ids. "
                      "Received " +
                          std::to_string(ids.size()) + " experiment_ids.",
                      "experiment_ids"});
  if (!ok(fields, reply)) return;
  answer_query(app, std::move(reply), as_of, [ids](const QueryContext& q) -> Expected<std::string> {
    std::set<DatasetSummary> found;
    for (const auto& id : ids)
      if (auto bad = add_datasets(q, id, found)) return *bad;
    while (found.size() > kMostDatasets) found.erase(std::prev(found.end()));
    std::string out;
    Object(out).array("dataset_summaries", found, [](std::string& to, const DatasetSummary& each) {
      Object(to)
          .text("experiment_id", each.experiment_id)
          .text("name", each.name)
          .text("digest", each.digest)
          .some_text("context", each.context.value_or(""));
    });
    return out;
  });
}

}  // namespace
}  // namespace experiments_routes

void add_experiment_routes(App& app, http::Router& router) {
  using namespace experiments_routes;
  const std::string base = "experiments/";
  add_route(app, router, Method::post, base + "create", create);
  add_route(app, router, Method::get, base + "get", get);
  add_route(app, router, Method::get, base + "get-by-name", get_by_name);
  add_route(app, router, Method::post, base + "search", search);
  add_route(app, router, Method::get, base + "search", search);
  add_route(app, router, Method::post, base + "delete", by_id<DeleteExperiment>);
  add_route(app, router, Method::post, base + "restore", by_id<RestoreExperiment>);
  add_route(app, router, Method::post, base + "update", update);
  add_route(app, router, Method::post, base + "set-experiment-tag", set_tag);
  add_route(app, router, Method::post, base + "delete-experiment-tag", delete_tag);
  add_route(app, router, Method::post, base + "search-datasets", search_datasets);
  // MLflow's server has the path without its slash, and its clients ask for that.
  for (const char* prefix : {"/api/2.0mlflow/", "/ajax-api/2.0mlflow/"})
    router.add(http::Route{Method::post,
                           prefix + base + "search-datasets",
                           [&app](const Request& request, Reply r) {
                             Fields fields(request);
                             search_datasets(app, fields, request, std::move(r));
                           },
                           {.summary = "MLflow", .tag = "mlflow", .hidden = true}});
}

}  // namespace mlforge::gateway::mlflow
