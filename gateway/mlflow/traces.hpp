// Traces and assessments as MLflow's messages (TraceInfoV3, Assessment), in both directions.
#pragma once
#include <simdjson.h>
#include <optional>
#include <string>

#include "events/traces.hpp"
#include "gateway/mlflow/handlers.hpp"
#include "projections/traces.hpp"

namespace mlforge::gateway::mlflow {

using projections::TraceRow;

// The fields of a TraceInfoV3. What it lacks of times is `now` (milliseconds).
RecordTrace read_trace(App& app, Fields info, std::int64_t now);
// What an assessment of that kind holds, as it is stored: a list or an object that is expected
// becomes JSON in a text, as MLflow's server answers it.
std::string assessment_content(std::string_view kind, simdjson::dom::object value);
// Without an id it is given one.
TraceAssessment read_assessment(App& app, Fields& fields, std::int64_t now);

void write_trace_info(std::string& out, const TraceRow& row);
void write_assessment(std::string& out, const TraceAssessment& assessment,
                      std::string_view trace_id);

// not_found in MLflow's words where there is none.
Expected<TraceRow> find_trace_row(const QueryContext& q, const std::string& trace_id);

std::int64_t now_ms(const App& app);

void search_traces(App& app, Fields& fields, const Request& request, Reply reply);

// The same in the words of clients before 3.0: a TraceInfo, and the search for them.
void write_trace_info_v2(std::string& out, const TraceRow& row);
void search_traces_v2(App& app, Fields& fields, const Request& request, Reply reply);

}  // namespace mlforge::gateway::mlflow
