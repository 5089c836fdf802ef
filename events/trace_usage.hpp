// How many tokens a trace has taken and what they cost, of what its spans say.
#pragma once
#include <map>
#include <string>

#include "events/vocabulary_traces.hpp"

namespace mlforge {

inline constexpr const char* kTraceTokens = "mlflow.trace.tokenUsage";  // metadata
inline constexpr const char* kTraceCost = "mlflow.trace.cost";          // metadata

// By their ids.
using SpanUsages = std::map<std::string, SpanUsage>;

// JSON of the sums, as MLflow has it; empty where no span says anything. A span below one that says
// something is not counted: frameworks say on the outer span what the inner ones took together.
// Spans whose parent is not among them are roots.
std::string sum_of_tokens(const SpanUsages& spans);
std::string sum_of_costs(const SpanUsages& spans);

}  // namespace mlforge
