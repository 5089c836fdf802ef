// traces/search: by attributes, tags, metadata, feedback and expectations, and by what is in spans:
// those are in files, which are read where it is asked for.
#include <algorithm>
#include <span>

#include "gateway/mlflow/search_page.hpp"
#include "gateway/mlflow/trace_files.hpp"
#include "gateway/mlflow/trace_subject.hpp"

namespace mlforge::gateway::mlflow {
namespace traces_search {
namespace {

constexpr std::size_t kMostTraces = 500;

struct Search : SearchPage {
  std::vector<std::string> experiments;  // each once
  bool by_spans = false;
  void (*write)(std::string&, const TraceRow&) = write_trace_info;
};

// One of its spans must fit in all that is asked of spans.
bool fits(const App& app, const QueryContext& q, const Search& search, const TraceRow& row) {
  if (!search.by_spans) return search.filter.matches(TraceSubject(row));
  if (!fits_without_spans(search.filter.root(), row)) return false;
  const auto files = span_files(q, row);
  const auto text = files ? read_spans(app, *files) : files.error();
  if (!text) return search.filter.matches(TraceSubject(row));
  const auto spans = read_span_facts(*text);
  return std::any_of(spans.begin(), spans.end(), [&](const SpanFacts& span) {
    return search.filter.matches(TraceSubject(row, &span));
  });
}

// As the read model has them, so that a page of them is read without the rest.
bool in_stored_order(const Search& search) {
  if (search.experiments.size() > 1) return false;
  return search.orders.empty() || (search.orders.size() == 1 && search.orders[0].descending &&
                                   search.orders[0].key.entity == Entity::attribute &&
                                   search.orders[0].key.name == "timestamp_ms");
}

bool before(const Search& search, const TraceRow& a, const TraceRow& b) {
  for (const auto& order : search.orders)
    if (const int c = compare(TraceSubject(a).value(order.key), TraceSubject(b).value(order.key),
                              order.descending))
      return c < 0;
  if (a.info.request_time_ms != b.info.request_time_ms)
    return a.info.request_time_ms > b.info.request_time_ms;
  return a.info.trace_id < b.info.trace_id;
}

std::string traces_json(const Search& search, std::span<const TraceRow> page, bool more,
                        std::size_t next) {
  std::string out;
  Object(out)
      .array("traces", page, search.write)
      .some_text("next_page_token", more ? page_token(next) : "");
  return out;
}

Expected<std::string> run_search(const App& app, const QueryContext& q, const Search& search) {
  const bool stored_order = in_stored_order(search);
  const auto enough = search.offset + search.most;
  std::vector<TraceRow> rows;
  std::size_t matches = 0;
  for (const auto& experiment : search.experiments)
    projections::each_trace(q.reader, kTenant, experiment, q.as_of, [&](TraceRow row) {
      if (!fits(app, q, search, row)) return true;
      ++matches;
      if (!stored_order || (matches > search.offset && matches <= enough))
        rows.push_back(std::move(row));
      return !stored_order || matches <= enough;
    });
  if (stored_order) return traces_json(search, rows, matches > enough, enough);
  std::sort(rows.begin(), rows.end(),
            [&](const TraceRow& a, const TraceRow& b) { return before(search, a, b); });
  const auto page = page_of(search, rows.size());
  return traces_json(search, std::span(rows).subspan(page.first, page.last - page.first),
                     page.last < rows.size(), page.last);
}

std::vector<std::string> read_locations(Fields& fields) {
  std::vector<std::string> out;
  for (auto& each : fields.list("locations"))
    if (each.has("mlflow_experiment"))
      out.push_back(each.nested("mlflow_experiment").text("experiment_id", Need::required));
  if (!fields.array("locations"))
    fields.set_error({ErrorCode::invalid_argument,
                      "Missing value for required parameter 'locations'. See the API docs for more "
                      "information about request parameters.",
                      "locations"});
  return out;
}

void answer_search(App& app, Fields& fields, Reply reply, Search search) {
  auto& all = search.experiments;
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  if (!read_search(fields, reply, trace_dialect(), {100, kMostTraces}, search)) return;
  search.by_spans = asks_of_spans(search.filter.root());
  answer_long_search(
      app, std::move(reply), std::move(search),
      [&app](const QueryContext& q, const Search& each) { return run_search(app, q, each); });
}

}  // namespace
}  // namespace traces_search

void search_traces(App& app, Fields& fields, const Request&, Reply reply) {
  traces_search::Search search;
  search.experiments = traces_search::read_locations(fields);
  traces_search::answer_search(app, fields, std::move(reply), std::move(search));
}

void search_traces_v2(App& app, Fields& fields, const Request&, Reply reply) {
  traces_search::Search search;
  search.experiments = fields.texts("experiment_ids", Need::required);
  search.write = write_trace_info_v2;
  traces_search::answer_search(app, fields, std::move(reply), std::move(search));
}

}  // namespace mlforge::gateway::mlflow
