#include "gateway/mlflow/search_runs.hpp"

#include <algorithm>
#include <span>

#include "gateway/mlflow/entities.hpp"
#include "gateway/mlflow/search.hpp"
#include "projections/metrics.hpp"

namespace mlforge::gateway::mlflow {
namespace search_runs_local {
namespace {

constexpr std::size_t kMostRuns = 50000;

const Dialect& dialect() {
  static const Dialect kDialect{{{.name = "run_id", .lists = true},
                                 {.name = "run_uuid", .lists = true, .stands_for = "run_id"},
                                 {"run_name"},
                                 {"user_id"},
                                 {"status"},
                                 {"artifact_uri"},
                                 {"start_time", true},
                                 {"end_time", true},
                                 {.name = "experiment_id", .order_only = true},
                                 {.name = "lifecycle_stage", .order_only = true},
                                 {.name = "created", .numeric = true, .stands_for = "start_time"},
                                 {.name = "Created", .numeric = true, .stands_for = "start_time"},
                                 {.name = "run name", .stands_for = "run_name"},
                                 {.name = "Run name", .stands_for = "run_name"},
                                 {.name = "Run Name", .stands_for = "run_name"}},
                                {Entity::metric, Entity::param, Entity::tag, Entity::dataset}};
  return kDialect;
}

Value found(const Texts& texts, const std::string& key) {
  const auto at = texts.find(key);
  return at == texts.end() ? Value() : Value(at->second);
}

class RunSubject : public Subject {
 public:
  RunSubject(const QueryContext& q, const RunEntity& run) : q_(q), run_(run) {}

  Value value(const Key& key) const override {
    const auto& row = run_.row;
    switch (key.entity) {
      case Entity::metric:
        return metric(key.name);
      case Entity::param:
        return found(row.params, key.name);
      case Entity::tag:
        if (key.name == "mlflow.runName" && !row.tags.contains(key.name)) return row.name;
        return found(row.tags, key.name);
      case Entity::dataset:
        return datasets(key.name);
      default:
        return attribute(key.name);
    }
  }

 private:
  Value attribute(const std::string& name) const {
    const auto& row = run_.row;
    if (name == "run_id") return row.run_id;
    if (name == "run_name") return row.name;
    if (name == "user_id") return row.user_id;
    if (name == "experiment_id") return row.experiment_id;
    if (name == "artifact_uri") return run_artifact_uri(row);
    if (name == "lifecycle_stage") return std::string(run_.deleted ? "deleted" : "active");
    if (name == "start_time") return static_cast<double>(milliseconds(row.start_time));
    if (name == "end_time")
      return row.end_time.empty() ? Value()
                                  : Value(static_cast<double>(milliseconds(row.end_time)));
    std::string status = row.status;
    for (auto& c : status) c = static_cast<char>(c >= 'a' && c <= 'z' ? c - 32 : c);
    return status;
  }

  Value metric(const std::string& name) const {
    const projections::Series<projections::MetricPoint>::Id id{kTenant, run_.row.run_id, name};
    const auto tail = q_.reader.get_plain(projections::kMetricSeries.tail_key(id));
    if (!tail) return {};
    const auto parsed = projections::Series<projections::MetricPoint>::parse_tail(*tail);
    if (q_.as_of == projections::kLatest) return parsed.best.value;
    Value best;
    projections::MetricPoint point;
    projections::kMetricSeries.read(q_.reader, id, q_.as_of, [&](const auto& each) {
      if (std::holds_alternative<std::monostate>(best) ||
          projections::MetricPoint::better(each, point)) {
        point = each;
        best = each.value;
      }
    });
    return best;
  }

  Value datasets(const std::string& name) const {
    std::vector<std::string> out;
    for (const auto& use : datasets_of(q_, run_.row.run_id)) {
      if (name == "name") out.push_back(use.name);
      if (name == "digest") out.push_back(use.digest);
      if (const auto at = use.tags.find("mlflow.data.context");
          name == "context" && at != use.tags.end())
        out.push_back(at->second);
    }
    return out.empty() ? Value() : Value(std::move(out));
  }

  const QueryContext& q_;
  const RunEntity& run_;
};

struct Search {
  std::vector<std::string> experiments;
  Filter filter;
  std::vector<Order> orders;
  View view;
  std::size_t most = 0, offset = 0;
};

// A run that fits, with what it is ordered by.
struct Hit {
  RunEntity run;
  std::vector<Value> keys;
};

Status collect(const QueryContext& q, const Search& search, const std::string& experiment_id,
               std::vector<Hit>& hits) {
  const auto experiment = find_experiment(q, experiment_id);
  if (!experiment) {
    if (experiment.error().code == ErrorCode::not_found) return {};
    return experiment.error();
  }
  projections::PageRequest page{1000, "", q.as_of};
  do {
    auto rows = projections::list_runs(q.reader, kTenant, experiment->experiment_id, page);
    if (!rows && rows.error().code == ErrorCode::not_found) return {};  // Default, still unused
    if (!rows) return rows.error();
    for (auto& row : rows->items) {
      const bool deleted = projections::is_deleted(row, *experiment);
      if (!search.view.wants(deleted)) continue;
      Hit hit{{std::move(row), deleted}, {}};
      const RunSubject subject(q, hit.run);
      if (!search.filter.matches(subject)) continue;
      for (const auto& order : search.orders) hit.keys.push_back(subject.value(order.key));
      hits.push_back(std::move(hit));
    }
    page.page_token = rows->next_page_token;
  } while (!page.page_token.empty());
  return {};
}

bool before(const Search& search, const Hit& a, const Hit& b) {
  for (std::size_t i = 0; i < search.orders.size(); ++i)
    if (const int c = compare(a.keys[i], b.keys[i], search.orders[i].descending)) return c < 0;
  if (a.run.row.start_time != b.run.row.start_time)
    return a.run.row.start_time > b.run.row.start_time;
  return a.run.row.run_id < b.run.row.run_id;
}

Expected<std::string> run_search(const QueryContext& q, const Search& search) {
  std::vector<Hit> hits;
  for (const auto& id : search.experiments)
    if (auto bad = collect(q, search, id, hits)) return *bad;
  const auto from = std::min(search.offset, hits.size());
  const auto to = std::min(from + search.most, hits.size());
  std::partial_sort(hits.begin(), hits.begin() + static_cast<std::ptrdiff_t>(to), hits.end(),
                    [&](const Hit& a, const Hit& b) { return before(search, a, b); });
  std::string out;
  {
    Object whole(out);
    whole.array("runs", std::span(hits).subspan(from, to - from),
                [&](std::string& each, const Hit& hit) { write_run(each, q, hit.run); });
    if (to < hits.size()) whole.text("next_page_token", page_token(to));
  }
  return out;
}

}  // namespace
}  // namespace search_runs_local

void search_runs(App& app, Fields& fields, const Request&, Reply reply) {
  using namespace search_runs_local;
  Search search;
  search.experiments = fields.texts("experiment_ids");
  search.view = view_type(fields, "run_view_type");
  search.most = max_results(fields, 1000, kMostRuns);
  const auto filter_text = fields.text("filter");
  const auto order_texts = fields.texts("order_by");
  const auto token = fields.text("page_token");
  const auto as_of = fields.text("as_of");
  if (!ok(fields, reply)) return;
  std::sort(search.experiments.begin(), search.experiments.end());
  search.experiments.erase(std::unique(search.experiments.begin(), search.experiments.end()),
                           search.experiments.end());
  auto filter = Filter::parse(filter_text, dialect());
  if (!filter) return fail(reply, filter.error());
  auto orders = parse_order(order_texts, dialect());
  if (!orders) return fail(reply, orders.error());
  const auto offset = page_offset(token);
  if (!offset) return fail(reply, offset.error());
  search.filter = *std::move(filter);
  search.orders = *std::move(orders);
  search.offset = *offset;
  answer_query(app, std::move(reply), as_of,
               [search = std::make_shared<Search>(std::move(search))](const QueryContext& q) {
                 return run_search(q, *search);
               });
}

}  // namespace mlforge::gateway::mlflow
