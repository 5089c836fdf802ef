// The spans of a trace, from the file traces.json that MLflow's client stores, as OpenTelemetry's
// messages.
#pragma once
#include <string>
#include <string_view>

#include "events/error.hpp"

namespace mlforge::gateway::mlflow {

// Appends a JSON list of opentelemetry.proto.trace.v1.Span. `corrupt` where the file is no list of
// spans.
Status append_otel_spans(std::string& out, std::string_view traces_json);

}  // namespace mlforge::gateway::mlflow
