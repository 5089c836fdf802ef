#include "gateway/mlflow/search_runs.hpp"

#include <algorithm>
#include <span>

#include "gateway/mlflow/entities.hpp"
#include "gateway/mlflow/run_subject.hpp"
#include "gateway/mlflow/search_index.hpp"

namespace mlforge::gateway::mlflow {
namespace {

constexpr std::size_t kMostFound = 50000;

// A run that fits, with what it is ordered by.
struct Hit {
  RunEntity run;
  std::vector<Value> keys;
};

Status collect(const QueryContext& q, const RunSearch& search, const std::string& experiment_id,
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
      const RunSubject subject(q, hit.run.row, hit.run.deleted);
      if (!search.filter.matches(subject)) continue;
      for (const auto& order : search.orders) hit.keys.push_back(subject.value(order.key));
      hits.push_back(std::move(hit));
    }
    page.page_token = rows->next_page_token;
  } while (!page.page_token.empty());
  return {};
}

bool before(const RunSearch& search, const Hit& a, const Hit& b) {
  for (std::size_t i = 0; i < search.orders.size(); ++i)
    if (const int c = compare(a.keys[i], b.keys[i], search.orders[i].descending)) return c < 0;
  if (a.run.row.start_time != b.run.row.start_time)
    return a.run.row.start_time > b.run.row.start_time;
  return a.run.row.run_id < b.run.row.run_id;
}

}  // namespace

Expected<std::string> search_rows(const QueryContext& q, const RunSearch& search) {
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

void search_runs(App& app, Fields& fields, const Request&, Reply reply) {
  RunSearch search;
  search.experiments = fields.texts("experiment_ids");
  search.view = view_type(fields, "run_view_type");
  if (!read_search(fields, reply, run_dialect(), {1000, kMostFound}, search)) return;
  std::sort(search.experiments.begin(), search.experiments.end());
  search.experiments.erase(std::unique(search.experiments.begin(), search.experiments.end()),
                           search.experiments.end());
  const auto as_of = search.as_of;
  auto shared = std::make_shared<const RunSearch>(std::move(search));
  if (as_of.empty()) return search_newest(app, std::move(reply), std::move(shared));
  answer_query(app, std::move(reply), as_of,
               [shared](const QueryContext& q) { return search_rows(q, *shared); });
}

}  // namespace mlforge::gateway::mlflow
