// The gate and the promotion: checks that read artifacts, then the registry's decision.
#pragma once
#include "gateway/handlers.hpp"

namespace mlforge::gateway {

struct GateRequest {
  std::string metric = "auc";
  std::optional<double> minimum, max_regression;  // empty: as configured
  static constexpr auto fields() {
    return FieldList{field("metric", &GateRequest::metric), field("minimum", &GateRequest::minimum),
                     field("max_regression", &GateRequest::max_regression)};
  }
};

struct PromoteRequest {
  std::string metric = "auc";
  std::optional<double> min_delta;  // empty: as configured
  std::string reason;
  static constexpr auto fields() {
    return FieldList{field("metric", &PromoteRequest::metric),
                     field("min_delta", &PromoteRequest::min_delta),
                     field("reason", &PromoteRequest::reason)};
  }
};

// Evaluates the gate of a version and records it; answers {passed, checks}. 400 where minimum or
// max_regression is not from 0 to 1, or of the metric more is not better.
void run_gate(App& app, const http::Request& request, http::Reply reply, std::string model,
              std::uint64_t version, GateRequest gate);

// Evaluates the gate, then promotes. A request whose form is wrong, or whose version is not in
// Staging or lacks the metric, writes nothing (400, 404, 409). 200 when promoted, 409 `refused`
// with the figures when the challenger lost.
void run_promotion(App& app, const http::Request& request, http::Reply reply, std::string model,
                   std::uint64_t version, PromoteRequest promote);

// The schemas of what they answer.
std::string gate_answer();
std::string promotion_answer();

}  // namespace mlforge::gateway
