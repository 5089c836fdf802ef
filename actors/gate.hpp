// The gate before a promotion: is the artifact whole, does it fit, is it good enough, is it no step
// back?
#pragma once
#include <optional>

#include "actors/bundle.hpp"

namespace mlforge::actors {

struct GatePolicy {
  std::string metric = "auc";   // one of which more is better
  double minimum = 0.85;        // of the metric
  double max_regression = 0.0;  // how much worse than the champion the metric may be
};

// The checks, in order: integrity (every artifact against its SHA-256), shape (the model loads,
// takes as many features as the preprocessor gives, and scores a sample row to a probability),
// metric_minimum, no_regression (passed where there is no champion, or none with that metric). A
// broken model is a failed check with a readable text, never an exception. Reads blobs: may block.
std::vector<Check> evaluate_gate(const std::vector<FileRef>& artifacts, const Figures& metrics,
                                 const std::optional<Figures>& champion_metrics,
                                 const GatePolicy& policy, const storage::BlobStore& blobs,
                                 std::string_view tenant);

// Those of the checks above that figures alone decide: metric_minimum and no_regression.
std::vector<Check> evaluate_figures(const Figures& metrics,
                                    const std::optional<Figures>& champion_metrics,
                                    const GatePolicy& policy);

}  // namespace mlforge::actors
