#include "actors/drift_job.hpp"

#include <algorithm>

namespace mlforge::actors {
namespace {

FeatureDrift row_of(const std::string& name, std::string_view kind, const ml::NumericDrift& d) {
  return {name,
          std::string(kind),
          d.psi,
          "ks",
          d.ks_statistic,
          d.ks_p_value,
          std::string(ml::to_string(d.severity))};
}

FeatureDrift row_of(const std::string& name, const ml::CategoricalDrift& d) {
  return {name,
          "categorical",
          d.psi,
          "chi2",
          d.chi2_statistic,
          d.chi2_p_value,
          std::string(ml::to_string(d.severity))};
}

int rank(const std::string& severity) {
  return severity == "alert" ? 2 : severity == "investigate" ? 1 : 0;
}

}  // namespace

void DriftWindow::add(Position position, const PredictionsLogged& batch) {
  if (size_ == 0) first_ = position;
  last_ = position;
  const std::size_t n = batch.request_ids.size();
  size_ += n;
  probabilities_.insert(probabilities_.end(), batch.probabilities.begin(),
                        batch.probabilities.end());
  for (std::size_t f = 0;
       f < batch.numeric_names.size() && (f + 1) * n <= batch.numeric_values.size(); ++f) {
    const auto* first = batch.numeric_values.data() + f * n;
    auto& values = numeric_[batch.numeric_names[f]];
    values.insert(values.end(), first, first + n);
  }
  for (std::size_t f = 0;
       f < batch.categorical_names.size() && (f + 1) * n <= batch.categorical_values.size(); ++f) {
    auto& counts = categorical_[batch.categorical_names[f]];
    for (std::size_t i = 0; i < n; ++i) ++counts[batch.categorical_values[f * n + i]];
  }
}

// The last position stays: it says which predictions have been looked at.
void DriftWindow::clear() {
  size_ = 0;
  first_ = 0;
  numeric_.clear();
  categorical_.clear();
  probabilities_.clear();
}

DriftReported evaluate_drift(const ReferenceSet& reference, const DriftWindow& window,
                             std::uint64_t model_version, const DriftThresholds& thresholds,
                             std::string report_id) {
  DriftReported report{.report_id = std::move(report_id),
                       .model_version = model_version,
                       .first_position = window.first_position(),
                       .last_position = window.last_position(),
                       .predictions = window.size()};
  const ml::DriftOptions options{.investigate_from = std::min(0.1, thresholds.psi),
                                 .alert_above = thresholds.psi};
  for (const auto& [name, each] : reference.features) {
    if (const auto* numeric = std::get_if<ml::NumericReference>(&each)) {
      const auto at = window.numeric().find(name);
      if (at == window.numeric().end()) continue;
      report.features.push_back(
          row_of(name, "numeric", ml::drift(*numeric, ml::count_values(at->second), options)));
    } else if (const auto at = window.categorical().find(name); at != window.categorical().end()) {
      ml::CategoryCounts current;
      for (const auto& [category, count] : at->second)
        if (category.empty())
          current.missing += count;
        else
          current.counts[category] = count;
      report.features.push_back(
          row_of(name, ml::drift(std::get<ml::CategoricalReference>(each), current, options)));
    }
  }
  for (const auto& each : report.features)
    report.triggered = report.triggered || each.severity == "alert";
  if (reference.probabilities.sample.total() > 0)
    report.features.push_back(row_of(
        "prediction", "prediction",
        ml::drift(reference.probabilities, ml::count_values(window.probabilities()), options)));
  report.severity = "stable";
  for (const auto& each : report.features)
    if (rank(each.severity) > rank(report.severity)) report.severity = each.severity;
  return report;
}

}  // namespace mlforge::actors
