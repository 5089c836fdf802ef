// The spans of a trace as files: what one request brought is one, below spans/<trace id>/. They
// have the form of the file traces.json, which clients upload: {"spans":[..]}, as MLflow's
// Span.to_dict() has them. All are read together.
#pragma once
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/mlflow/otlp.hpp"

namespace mlforge::gateway::mlflow {

std::string hex_id(std::string_view bytes);

// "tr-" and the id's 16 bytes in hexadecimal.
std::string mlflow_trace_id(std::string_view otel_id);

std::string spans_json(std::span<const otlp::Span* const> spans);

// All spans of the files, each once, a trace's first span first, then by their starts. Of a span
// that came again the last counts; in the first `unordered` files, of which nobody knows which came
// last, the one that ends last. One file is answered as it is. `corrupt` where a file is no list of
// spans.
Expected<std::string> merged_spans(const std::vector<std::string>& files,
                                   std::size_t unordered = 0);

// The folder of a trace's files, below the artifact root.
inline std::string spans_folder(std::string_view trace_id) {
  return "spans/" + std::string(trace_id);
}

}  // namespace mlforge::gateway::mlflow
