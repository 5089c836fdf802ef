// A trace, or one of its spans, as the search language sees it.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "gateway/mlflow/search.hpp"
#include "gateway/mlflow/traces.hpp"

namespace mlforge::gateway::mlflow {

struct SpanFacts {
  std::string name, type, status;  // OK, ERROR, UNSET
  std::string content;             // JSON
  std::uint64_t start_ns = 0, end_ns = 0;
  std::map<std::string, std::string, std::less<>> attributes;  // texts without quotes, else JSON
};

// Of {"spans":[..]}; none where it is something else.
std::vector<SpanFacts> read_span_facts(std::string_view spans_json);

class TraceSubject : public Subject {
 public:
  // Without a span, what is asked of spans is absent. Both must outlive it.
  explicit TraceSubject(const TraceRow& row, const SpanFacts* span = nullptr)
      : row_(row), span_(span) {}
  Value value(const Key& key) const override;

 private:
  Value assessed(const char* kind, const Key& key) const;
  Value attribute(const std::string& name) const;
  Value of_span(const std::string& name) const;

  const TraceRow& row_;
  const SpanFacts* span_;
};

const Dialect& trace_dialect();

// Whether a filter or a part of it asks of spans.
bool asks_of_spans(const Filter::Node* node);

// Whether the trace fits but for what is asked of its spans; where it does not, they need not be
// read.
bool fits_without_spans(const Filter::Node* node, const TraceRow& row);

}  // namespace mlforge::gateway::mlflow
