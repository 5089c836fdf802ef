// datasets/search: evaluation datasets by their attributes, tags and experiments.
#include <algorithm>
#include <span>

#include "gateway/mlflow/evaluation_records.hpp"
#include "gateway/mlflow/search_page.hpp"

namespace mlforge::gateway::mlflow {
namespace search_evaluation_datasets {
namespace {

using projections::EvaluationDatasetRow;

constexpr std::size_t kMostDatasets = 50000;

class DatasetSubject : public Subject {
 public:
  explicit DatasetSubject(const EvaluationDatasetRow& row) : row_(row) {}
  Value value(const Key& key) const override {
    if (key.entity == Entity::tag) {
      const auto at = row_.tags.find(key.name);
      return at == row_.tags.end() ? Value() : Value(at->second);
    }
    if (key.name == "name") return row_.name;
    if (key.name == "created_by") return some(row_.created_by);
    if (key.name == "last_updated_by") return some(row_.updated_by);
    return static_cast<double>(key.name == "created_time" ? row_.created_ms : row_.updated_ms);
  }

 private:
  static Value some(const std::string& text) { return text.empty() ? Value() : Value(text); }
  const EvaluationDatasetRow& row_;
};

const Dialect& dataset_dialect() {
  static const Dialect kDialect{{{.name = "name", .lists = true},
                                 {.name = "created_time", .numeric = true},
                                 {.name = "last_update_time", .numeric = true},
                                 {.name = "created_by"},
                                 {.name = "last_updated_by"}},
                                {Entity::tag}};
  return kDialect;
}

struct Search : SearchPage {
  std::vector<std::string> experiments;  // none: all
};

bool is_of(const EvaluationDatasetRow& row, const std::vector<std::string>& experiments) {
  return experiments.empty() ||
         std::any_of(experiments.begin(), experiments.end(), [&](const std::string& id) {
           const auto& own = row.experiment_ids;
           return std::find(own.begin(), own.end(), id) != own.end();
         });
}

// The latest first where no order is asked for; of equals the one with the higher id.
bool before(const Search& search, const EvaluationDatasetRow& a, const EvaluationDatasetRow& b) {
  for (const auto& order : search.orders)
    if (const int c = compare(DatasetSubject(a).value(order.key),
                              DatasetSubject(b).value(order.key), order.descending))
      return c < 0;
  if (search.orders.empty() && a.created_ms != b.created_ms) return a.created_ms > b.created_ms;
  return a.dataset_id > b.dataset_id;
}

Expected<std::string> run_search(const QueryContext& q, const Search& search) {
  std::vector<EvaluationDatasetRow> rows;
  projections::each_evaluation_dataset(q.reader, kTenant, q.as_of, [&](EvaluationDatasetRow row) {
    if (is_of(row, search.experiments) && search.filter.matches(DatasetSubject(row)))
      rows.push_back(std::move(row));
    return true;
  });
  std::sort(rows.begin(), rows.end(),
            [&](const auto& a, const auto& b) { return before(search, a, b); });
  const auto page = page_of(search, rows.size());
  std::string out;
  Object(out)
      .array("datasets", std::span(rows).subspan(page.first, page.last - page.first),
             [](std::string& inner, const auto& row) { write_evaluation_dataset(inner, row); })
      .some_text("next_page_token", page.last < rows.size() ? page_token(page.last) : "");
  return out;
}

void search(App& app, Fields& fields, const Request&, Reply reply) {
  Search search;
  search.experiments = fields.texts("experiment_ids");
  if (!read_search(fields, reply, dataset_dialect(), {1000, kMostDatasets}, search, {},
                   "filter_string"))
    return;
  answer_long_search(app, std::move(reply), std::move(search), run_search);
}

}  // namespace
}  // namespace search_evaluation_datasets

void add_evaluation_dataset_search(App& app, http::Router& router) {
  using search_evaluation_datasets::search;
  add_route_v3(app, router, Method::post, "datasets/search", search);
  add_route_v3(app, router, Method::get, "datasets/search", search);
}

}  // namespace mlforge::gateway::mlflow
