// traces/search: by attributes, tags, metadata, feedback and expectations. Spans are in files,
// which are not searched.
#include <algorithm>
#include <span>

#include "gateway/mlflow/search_page.hpp"
#include "gateway/mlflow/traces.hpp"

namespace mlforge::gateway::mlflow {
namespace traces_search {
namespace {

constexpr std::size_t kMostTraces = 500;

// What an assessment says, within the JSON that the client sent: a text without its quotes,
// anything else as it is written. `is_number`: of JSON, not of a text.
std::string assessed_text(const std::string& content, bool& is_number) {
  const auto parsed = codec::parse(content);
  simdjson::dom::element value;
  std::string_view text;
  if (parsed && parsed->at_key("serialized_value").at_key("value").get(text) == simdjson::SUCCESS)
    return std::string(text);
  if (!parsed || parsed->at_key("value").get(value) != simdjson::SUCCESS) return {};
  if (value.get(text) == simdjson::SUCCESS) return std::string(text);
  is_number = value.is_number();
  return std::string(simdjson::minify(value));
}

// Of the tag that lists prompts: "name/version" each.
std::vector<std::string> linked_prompts(const TraceRow& row) {
  std::vector<std::string> out;
  const auto at = row.info.tags.find(kTracePrompts);
  if (at == row.info.tags.end()) return out;
  const auto parsed = codec::parse(at->second);
  simdjson::dom::array list;
  if (!parsed || parsed->get(list) != simdjson::SUCCESS) return out;
  for (const simdjson::dom::element each : list) {
    std::string_view name, version;
    if (each.at_key("name").get(name) == simdjson::SUCCESS &&
        each.at_key("version").get(version) == simdjson::SUCCESS)
      out.push_back(std::string(name) + "/" + std::string(version));
  }
  return out;
}

class TraceSubject : public Subject {
 public:
  explicit TraceSubject(const TraceRow& row) : row_(row) {}

  Value value(const Key& key) const override {
    switch (key.entity) {
      case Entity::tag:
        return found(row_.info.tags, key.name);
      case Entity::metadata:
        return found(row_.info.metadata, key.name);
      case Entity::feedback:
        return assessed("feedback", key);
      case Entity::expectation:
        return assessed("expectation", key);
      default:
        return attribute(key.name);
    }
  }

 private:
  static Value found(const Texts& texts, const std::string& name) {
    const auto at = texts.find(name);
    return at == texts.end() ? Value() : Value(at->second);
  }
  static Value some(std::vector<std::string> texts) {
    return texts.empty() ? Value() : Value(std::move(texts));
  }
  static Value some_text(const std::string& text) { return text.empty() ? Value() : Value(text); }

  Value assessed(const char* kind, const Key& key) const {
    std::vector<std::string> texts;
    for (const auto& each : row_.info.assessments) {
      if (each.kind != kind || each.name != key.name) continue;
      bool is_number = false;
      auto text = assessed_text(each.content, is_number);
      if (is_number || !key.numeric) texts.push_back(std::move(text));
    }
    return some(std::move(texts));
  }

  Value attribute(const std::string& name) const {
    const auto& info = row_.info;
    const bool timed = info.execution_time_ms >= 0;
    if (name == "timestamp_ms") return static_cast<double>(info.request_time_ms);
    if (name == "execution_time_ms")
      return timed ? Value(static_cast<double>(info.execution_time_ms)) : Value();
    if (name == "end_time_ms")
      return timed ? Value(static_cast<double>(info.request_time_ms + info.execution_time_ms))
                   : Value();
    if (name == "request_id") return info.trace_id;
    if (name == "status") return info.state;
    if (name == "client_request_id") return some_text(info.client_request_id);
    if (name == "experiment_id") return info.experiment_id;
    if (name == "name") return found(info.tags, kTraceName);
    if (name == "prompt") return some(linked_prompts(row_));
    // Of the run that made it and those that it was linked with.
    auto runs = row_.runs;
    if (const auto at = info.metadata.find(kTraceRun); at != info.metadata.end())
      runs.insert(runs.begin(), at->second);
    return some(std::move(runs));
  }

  const TraceRow& row_;
};

const Dialect& trace_dialect() {
  static const Dialect kDialect{
      .attributes = {{.name = "request_id", .lists = true},
                     {.name = "trace_id", .lists = true, .stands_for = "request_id"},
                     {.name = "timestamp_ms", .numeric = true},
                     {.name = "timestamp", .numeric = true, .stands_for = "timestamp_ms"},
                     {.name = "execution_time_ms", .numeric = true},
                     {.name = "execution_time", .numeric = true, .stands_for = "execution_time_ms"},
                     {.name = "end_time_ms", .numeric = true},
                     {.name = "end_time", .numeric = true, .stands_for = "end_time_ms"},
                     {.name = "status", .lists = true},
                     {.name = "state", .lists = true, .stands_for = "status"},
                     {.name = "client_request_id", .lists = true},
                     {.name = "name", .lists = true},
                     {.name = "run_id", .lists = true},
                     {.name = "prompt"},
                     {.name = "experiment_id", .order_only = true}},
      .entities = {Entity::tag, Entity::metadata, Entity::feedback, Entity::expectation},
      .patterns = true};
  return kDialect;
}

struct Search : SearchPage {
  std::vector<std::string> experiments;  // each once
};

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

std::string traces_json(std::span<const TraceRow> page, bool more, std::size_t next) {
  std::string out;
  Object(out)
      .array("traces", page, write_trace_info)
      .some_text("next_page_token", more ? page_token(next) : "");
  return out;
}

Expected<std::string> run_search(const QueryContext& q, const Search& search) {
  const bool stored_order = in_stored_order(search);
  const auto enough = search.offset + search.most;
  std::vector<TraceRow> rows;
  std::size_t matches = 0;
  for (const auto& experiment : search.experiments)
    projections::each_trace(q.reader, kTenant, experiment, q.as_of, [&](TraceRow row) {
      if (!search.filter.matches(TraceSubject(row))) return true;
      ++matches;
      if (!stored_order || (matches > search.offset && matches <= enough))
        rows.push_back(std::move(row));
      return !stored_order || matches <= enough;
    });
  if (stored_order) return traces_json(rows, matches > enough, enough);
  std::sort(rows.begin(), rows.end(),
            [&](const TraceRow& a, const TraceRow& b) { return before(search, a, b); });
  const auto page = page_of(search, rows.size());
  return traces_json(std::span(rows).subspan(page.first, page.last - page.first),
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
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

}  // namespace
}  // namespace traces_search

void search_traces(App& app, Fields& fields, const Request&, Reply reply) {
  using namespace traces_search;
  Search search;
  search.experiments = read_locations(fields);
  if (!read_search(fields, reply, trace_dialect(), {100, kMostTraces}, search)) return;
  const auto as_of = search.as_of;
  answer_long_query(app, std::move(reply), as_of,
                    [search = std::make_shared<const Search>(std::move(search))](
                        const QueryContext& q) { return run_search(q, *search); });
}

}  // namespace mlforge::gateway::mlflow
