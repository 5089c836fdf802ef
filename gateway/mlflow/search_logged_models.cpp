// logged-models/search.
#include <algorithm>
#include <span>

#include "events/base64.hpp"

#include <simdjson.h>

#include "gateway/mlflow/entities.hpp"
#include "gateway/mlflow/handlers.hpp"
#include "gateway/mlflow/search_page.hpp"

namespace mlforge::gateway::mlflow {
namespace search_logged_models_local {
namespace {

constexpr std::size_t kMostModels = 1000;

struct DatasetName {
  std::string name, digest;  // no digest: any
};

bool measured_on(const projections::LoggedModelMetric& metric, const DatasetName& dataset) {
  return (dataset.name.empty() || dataset.name == metric.dataset_name) &&
         (dataset.digest.empty() || dataset.digest == metric.dataset_digest);
}

bool measured_on_any(const projections::LoggedModelMetric& metric,
                     const std::vector<DatasetName>& datasets) {
  return datasets.empty() || std::any_of(datasets.begin(), datasets.end(), [&](const auto& each) {
           return measured_on(metric, each);
         });
}

std::string status_of(const LoggedModelRow& row) {
  return row.status == "ready" ? "READY" : row.status == "pending" ? "PENDING" : "FAILED";
}

// A clause about a metric holds where any of its values fits, of those measured on the datasets.
class ModelSubject : public Subject {
 public:
  ModelSubject(const QueryContext& q, const LoggedModelRow& row,
               const std::vector<DatasetName>& datasets)
      : q_(q), row_(row), datasets_(datasets) {}

  std::optional<std::vector<double>> numbers(const Key& key) const override {
    if (key.entity != Entity::metric) return std::nullopt;
    std::vector<double> out;
    for (const auto& each : metrics())
      if (each.key == key.name && measured_on_any(each, datasets_)) out.push_back(each.value);
    return out;
  }

  // The newest value of a metric.
  Value value(const Key& key) const override {
    if (key.entity == Entity::metric) return newest(key.name);
    if (key.entity == Entity::param || key.entity == Entity::tag) {
      const auto& texts = key.entity == Entity::param ? row_.params : row_.tags;
      const auto at = texts.find(key.name);
      return at == texts.end() ? Value() : Value(at->second);
    }
    if (key.name == "name") return row_.name;
    if (key.name == "model_id") return row_.model_id;
    if (key.name == "model_type") return row_.model_type;
    if (key.name == "status") return status_of(row_);
    if (key.name == "source_run_id") return row_.source_run_id;
    if (key.name == "experiment_id") return row_.experiment_id;
    if (key.name == "artifact_location") return row_.artifact_uri;
    return static_cast<double>(
        milliseconds(key.name == "creation_timestamp" ? row_.created_time : row_.updated_time));
  }

  bool measured() const {
    const auto all = metrics();
    return std::any_of(all.begin(), all.end(),
                       [&](const auto& each) { return measured_on_any(each, datasets_); });
  }

 private:
  std::vector<projections::LoggedModelMetric> metrics() const {
    return projections::logged_model_metrics(q_.reader, kTenant, row_.model_id, q_.as_of);
  }
  Value newest(const std::string& name) const {
    Value out;
    std::pair<std::int64_t, std::int64_t> last;
    for (const auto& each : metrics()) {
      const std::pair at(each.timestamp, each.step);
      if (each.key != name || !measured_on_any(each, datasets_)) continue;
      if (!std::holds_alternative<std::monostate>(out) && at <= last) continue;
      last = at;
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
       {.name = "artifact_location", .lists = true},
       {.name = "creation_timestamp", .numeric = true},
       {.name = "creation_time", .numeric = true, .stands_for = "creation_timestamp"},
       {.name = "last_updated_timestamp", .numeric = true},
       {.name = "last_updated_timestamp_ms",
        .numeric = true,
        .stands_for = "last_updated_timestamp"},
       {.name = "creation_timestamp_ms", .numeric = true, .stands_for = "creation_timestamp"}},
      {Entity::metric, Entity::param, Entity::tag},
      false,
      "Invalid order by field name: "};
  return kDialect;
}

bool asks_metric(const Filter::Node& node) {
  return (node.kind == Filter::Node::clause && node.key.entity == Entity::metric) ||
         std::any_of(node.children.begin(), node.children.end(), asks_metric);
}

struct Search : SearchPage {
  std::vector<std::string> experiments;
  std::vector<DatasetName> datasets;
  std::vector<std::vector<DatasetName>> order_datasets;  // of each order: none, or one
  bool only_measured = false;  // no metric is asked for: it must have one on the datasets
  std::string asked;           // what the next page must be asked with too
};

struct Found {
  LoggedModelRow row;
  std::vector<Value> keys;
};

bool before(const Search& search, const Found& a, const Found& b) {
  bool by_time = false;
  for (std::size_t i = 0; i < search.orders.size(); ++i) {
    const auto& order = search.orders[i];
    if (const int c = compare(a.keys[i], b.keys[i], order.descending)) return c < 0;
    by_time = by_time || order.key.name == "creation_timestamp";
  }
  const auto created_a = milliseconds(a.row.created_time);
  const auto created_b = milliseconds(b.row.created_time);
  if (!by_time && created_a != created_b) return created_a > created_b;
  return a.row.model_id < b.row.model_id;
}

Expected<std::string> run_search(const QueryContext& q, const Search& search) {
  std::vector<Found> found;
  for (const auto& experiment : search.experiments)
    for (auto& row : projections::list_logged_models(q.reader, kTenant, experiment, q.as_of)) {
      const ModelSubject subject(q, row, search.datasets);
      if (!search.filter.matches(subject)) continue;
      if (search.only_measured && !subject.measured()) continue;
      Found one{std::move(row), {}};
      for (std::size_t i = 0; i < search.orders.size(); ++i)
        one.keys.push_back(
            ModelSubject(q, one.row, search.order_datasets[i]).value(search.orders[i].key));
      found.push_back(std::move(one));
    }
  std::sort(found.begin(), found.end(),
            [&](const Found& a, const Found& b) { return before(search, a, b); });
  const auto page = page_of(search, found.size());
  std::string token;
  if (page.last < found.size())
    append_base64(token, search.asked + ",\"offset\":" + std::to_string(page.last) + "}");
  std::string out;
  Object(out)
      .array("models", std::span(found).subspan(page.first, page.last - page.first),
             [&](std::string& each, const Found& one) { write_logged_model(each, q, one.row); })
      .some_text("next_page_token", token);
  return out;
}

// [{"field_name": "metrics.auc", "ascending": false, "dataset_name": ..}]: ascending unless said.
std::vector<std::string> read_orders(Fields& fields, Search& search) {
  std::vector<std::string> out;
  for (auto& each : fields.list("order_by")) {
    const auto name = each.text("field_name", Need::required);
    if (const auto dot = name.find('.'); dot != name.npos && name.substr(0, dot) != "metrics")
      fields.set_error({ErrorCode::invalid_argument,
                        "Invalid order by field name: " + name + ". Only metrics are supported.",
                        "order_by"});
    out.push_back(name + (each.has("ascending") && !each.boolean("ascending") ? " DESC" : " ASC"));
    DatasetName dataset{each.text("dataset_name"), each.text("dataset_digest")};
    const bool any = dataset.name.empty() && dataset.digest.empty();
    search.order_datasets.push_back(any ? std::vector<DatasetName>()
                                        : std::vector<DatasetName>{std::move(dataset)});
  }
  return out;
}

void read_experiments(Fields& fields, Search& search) {
  const auto need = fields.has("experiment_ids") ? Need::optional : Need::required;
  for (const auto& text : fields.texts("experiment_ids", need)) {
    auto id = experiment_id_of(text);
    if (id)
      search.experiments.push_back(*std::move(id));
    else
      fields.set_error(id.error());
  }
}

// The beginning of what a page token says: one that is used with another search is refused.
std::string asked(const Fields& fields, const Search& search, const std::string& filter) {
  std::string out = "{\"experiment_ids\":[";
  for (std::size_t i = 0; i < search.experiments.size(); ++i) {
    if (i) out += ',';
    append_json_string(out, search.experiments[i]);
  }
  out += "],\"filter_string\":";
  append_json_string(out, filter);
  out += ",\"order_by\":";
  const auto orders = fields.array("order_by");
  return out += orders ? std::string(simdjson::minify(*orders)) : "[]";
}

Expected<std::size_t> read_token(const std::string& token, const std::string& expected) {
  if (token.empty()) return std::size_t{0};
  const auto refuse = [](std::string why) {
    return Error{ErrorCode::invalid_argument, std::move(why), "page_token"};
  };
  const auto plain = parse_base64(token);
  const auto said = plain ? codec::parse(*plain) : Expected<simdjson::dom::element>(refuse(""));
  std::uint64_t offset = 0;
  if (!said || said->at_key("offset").get(offset) != simdjson::SUCCESS || offset > 1u << 31)
    return refuse("Invalid page token: it must be the next_page_token of the page before");
  static constexpr std::pair<const char*, const char*> kParts[] = {
      {"experiment_ids",
       "Experiment IDs in the page token do not match the requested experiment "
       "IDs."},
      {"filter_string",
       "Filter string in the page token does not match the requested filter "
       "string."},
      {"order_by", "Order by in the page token does not match the requested order by."}};
  std::string again = "{";
  for (const auto& [name, why] : kParts) {
    simdjson::dom::element part;
    if (said->at_key(name).get(part) != simdjson::SUCCESS) return refuse(why);
    again += (again.size() > 1 ? ",\"" : "\"") + std::string(name) +
             "\":" + std::string(simdjson::minify(part));
    if (!expected.starts_with(again)) return refuse(why);
  }
  return static_cast<std::size_t>(offset);
}

void search(App& app, Fields& fields, const Request&, Reply reply) {
  Search search;
  read_experiments(fields, search);
  for (auto& each : fields.list("datasets")) {
    search.datasets.push_back({each.text("dataset_name"), each.text("dataset_digest")});
    if (search.datasets.back().name.empty())
      fields.set_error({ErrorCode::invalid_argument,
                        "`dataset_name` in the `datasets` clause must be specified.", "datasets"});
  }
  auto orders = read_orders(fields, search);
  search.asked = asked(fields, search, fields.text("filter"));
  const auto token = fields.text("page_token");
  if (!read_search(fields, reply, dialect(), {100, kMostModels}, search, std::move(orders))) return;
  const auto offset = read_token(token, search.asked);  // the message is read: this parses another
  if (!offset) return fail(reply, offset.error());
  search.offset = *offset;
  search.only_measured =
      !search.datasets.empty() && !(search.filter.root() && asks_metric(*search.filter.root()));
  const auto as_of = search.as_of;
  answer_query(app, std::move(reply), as_of,
               [search = std::make_shared<Search>(std::move(search))](const QueryContext& q) {
                 return run_search(q, *search);
               });
}

}  // namespace
}  // namespace search_logged_models_local

void add_logged_model_search(App& app, http::Router& router) {
  add_route(app, router, Method::post, "logged-models/search", search_logged_models_local::search);
}

}  // namespace mlforge::gateway::mlflow
