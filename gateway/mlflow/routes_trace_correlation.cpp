// traces/calculate-filter-correlation: how often two filters hold of the same traces.
// Normalized pointwise mutual information: Bouma, "Normalized (Pointwise) Mutual Information in
// Collocation Extraction", GSCL 2009; smoothed with Jeffreys' prior.
#include <algorithm>
#include <cmath>
#include <optional>
#include <tuple>

#include "gateway/mlflow/trace_files.hpp"
#include "gateway/mlflow/trace_subject.hpp"

namespace mlforge::gateway::mlflow {
namespace trace_correlation {
namespace {

struct Question {
  std::vector<std::string> experiments;
  Filter first, second, base;
  std::string as_of;
};

struct Counts {
  std::int64_t total = 0, first = 0, second = 0, both = 0;
};

bool holds_of(const App& app, const QueryContext& q, const Filter& filter, const TraceRow& row) {
  if (!asks_of_spans(filter.root())) return filter.matches(TraceSubject(row));
  if (!fits_without_spans(filter.root(), row)) return false;
  const auto files = span_files(q, row);
  const auto text = files ? read_spans(app, *files) : files.error();
  if (!text) return filter.matches(TraceSubject(row));
  for (const auto& span : read_span_facts(*text))
    if (filter.matches(TraceSubject(row, &span))) return true;
  return false;
}

// Absent where it is not defined: one of the filters never holds.
std::optional<double> npmi(const Counts& c, double smoothing) {
  const double both = static_cast<double>(c.both) + smoothing;
  const double first = static_cast<double>(c.first) + 2 * smoothing;
  const double second = static_cast<double>(c.second) + 2 * smoothing;
  const double total = static_cast<double>(c.total) + 4 * smoothing;
  if (c.first == 0 || c.second == 0) return std::nullopt;
  if (both <= 0) return -1;
  if (c.both == c.total) return 1;
  const double pmi = std::log(both) + std::log(total) - std::log(first) - std::log(second);
  const double value = pmi / (std::log(total) - std::log(both));
  return std::fmax(-1, std::fmin(1, value));
}

std::string answer(const App& app, const QueryContext& q, const Question& question) {
  Counts counts;
  for (const auto& experiment : question.experiments)
    projections::each_trace(q.reader, kTenant, experiment, q.as_of, [&](const TraceRow& row) {
      if (!holds_of(app, q, question.base, row)) return true;
      const bool first = holds_of(app, q, question.first, row);
      const bool second = holds_of(app, q, question.second, row);
      ++counts.total;
      counts.first += first;
      counts.second += second;
      counts.both += first && second;
      return true;
    });
  std::string out;
  {
    Object to(out);
    if (const auto plain = npmi(counts, 0)) to.number("npmi", *plain);
    if (const auto smoothed = npmi(counts, 0.5)) to.number("npmi_smoothed", *smoothed);
    to.integer("filter1_count", counts.first)
        .integer("filter2_count", counts.second)
        .integer("joint_count", counts.both)
        .integer("total_count", counts.total);
  }
  return out;
}

void correlate(App& app, Fields& fields, const Request&, Reply reply) {
  auto question = std::make_shared<Question>();
  question->experiments = fields.texts("experiment_ids", Need::required);
  std::sort(question->experiments.begin(), question->experiments.end());
  question->experiments.erase(
      std::unique(question->experiments.begin(), question->experiments.end()),
      question->experiments.end());
  for (const auto& [name, filter, need] :
       {std::tuple("filter_string1", &question->first, Need::required),
        std::tuple("filter_string2", &question->second, Need::required),
        std::tuple("base_filter", &question->base, Need::optional)}) {
    auto parsed = Filter::parse(fields.text(name, need), trace_dialect());
    if (parsed)
      *filter = *std::move(parsed);
    else
      fields.set_error(parsed.error());
  }
  question->as_of = fields.text("as_of");
  if (!ok(fields, reply)) return;
  answer_long_query(app, std::move(reply), question->as_of,
                    [&app, question](const QueryContext& q) -> Expected<std::string> {
                      return answer(app, q, *question);
                    });
}

}  // namespace
}  // namespace trace_correlation

void add_trace_correlation_routes(App& app, http::Router& router) {
  add_route_v3(app, router, Method::post, "traces/calculate-filter-correlation",
               trace_correlation::correlate);
}

}  // namespace mlforge::gateway::mlflow
