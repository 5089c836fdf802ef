// Where the spans of a trace lie, and what is in them.
#pragma once
#include <string>
#include <vector>

#include "gateway/mlflow/traces.hpp"

namespace mlforge::gateway::mlflow {

// A file below the trace's artifact location; not_found where there is none.
Expected<FileRef> trace_file(const QueryContext& q, const TraceRow& row, const std::string& name);

// The file traces.json that its client uploaded, and those of spans that came by themselves; at
// least one, else not_found.
Expected<std::vector<FileRef>> span_files(const QueryContext& q, const TraceRow& row);

// {"spans":[..]}: all spans of the files. Blocks: for the worker threads.
Expected<std::string> read_spans(const App& app, const std::vector<FileRef>& files);

}  // namespace mlforge::gateway::mlflow
