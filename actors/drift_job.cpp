#include "actors/drift_job.hpp"

#include <algorithm>

namespace mlforge::actors {
namespace {

// PSI with one more bin for the missing, where there are any: of categories, where a missing marker
// is one of them.
double psi_of(std::vector<std::uint64_t> reference, std::uint64_t missing_reference,
              std::vector<std::uint64_t> current, std::uint64_t missing_current, double psi) {
  if (missing_reference + missing_current == 0) return psi;
  reference.push_back(missing_reference);
  current.push_back(missing_current);
  return ml::population_stability_index(reference, current);
}

FeatureDrift row_of(const std::string& name, std::string_view kind,
                    const ml::NumericReference& reference, const std::vector<double>& current,
                    const ml::DriftOptions& options) {
  const auto d = ml::drift(reference, ml::count_values(current), options);
  return {name,
          std::string(kind),
          d.psi,
          "ks",
          d.ks_statistic,
          d.ks_p_value,
          std::string(ml::to_string(ml::severity_of(d.psi, options)))};
}

// Missing numbers are in none of the bins, so that their share is a row of its own where there are
// any: a feature that stops arriving has drifted.
std::optional<FeatureDrift> missing_row(const std::string& name,
                                        const ml::NumericReference& reference,
                                        const std::vector<double>& current,
                                        const ml::DriftOptions& options) {
  const auto shares = [](const ml::ValueCounts& values) {
    return ml::CategoryCounts{{{"missing", values.missing}, {"present", values.total()}}, 0};
  };
  const auto now = ml::count_values(current);
  if (reference.sample.missing + now.missing == 0) return std::nullopt;
  const auto d =
      ml::drift(ml::CategoricalReference{shares(reference.sample)}, shares(now), options);
  return FeatureDrift{name + " missing",
                      "missing",
                      d.psi,
                      "chi2",
                      d.chi2_statistic,
                      d.chi2_p_value,
                      std::string(ml::to_string(ml::severity_of(d.psi, options)))};
}

FeatureDrift row_of(const std::string& name, const ml::CategoricalReference& reference,
                    const std::map<std::string, std::uint64_t, std::less<>>& window,
                    const ml::DriftOptions& options) {
  ml::CategoryCounts current;
  for (const auto& [category, count] : window)
    if (category.empty())
      current.missing += count;
    else
      current.counts[category] = count;
  const auto d = ml::drift(reference, current, options);
  const double psi =
      psi_of(d.reference_counts, d.missing_reference, d.current_counts, d.missing_current, d.psi);
  return {name,
          "categorical",
          psi,
          "chi2",
          d.chi2_statistic,
          d.chi2_p_value,
          std::string(ml::to_string(ml::severity_of(psi, options)))};
}

ml::DriftOptions options_of(const DriftThresholds& thresholds) {
  return {.investigate_from = std::min(0.1, thresholds.psi), .alert_above = thresholds.psi};
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
  for (std::size_t i = 0; i < batch.probabilities.size(); ++i)
    if (i >= batch.challenger.size() || batch.challenger[i] == 0)
      probabilities_.push_back(batch.probabilities[i]);
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
  const auto options = options_of(thresholds);
  for (const auto& [name, each] : reference.features) {
    if (const auto* numeric = std::get_if<ml::NumericReference>(&each)) {
      const auto at = window.numeric().find(name);
      if (at == window.numeric().end()) continue;
      report.features.push_back(row_of(name, "numeric", *numeric, at->second, options));
      if (auto missing = missing_row(name, *numeric, at->second, options))
        report.features.push_back(*std::move(missing));
    } else if (const auto at = window.categorical().find(name); at != window.categorical().end()) {
      report.features.push_back(
          row_of(name, std::get<ml::CategoricalReference>(each), at->second, options));
    }
  }
  if (reference.probabilities.sample.total() > 0)
    report.features.push_back(row_of("prediction", "prediction", reference.probabilities,
                                     window.probabilities(), options));
  judge_drift(report, thresholds);
  return report;
}

void judge_drift(DriftReported& report, const DriftThresholds& thresholds) {
  const auto options = options_of(thresholds);
  report.severity = "stable";
  report.triggered = false;
  for (auto& each : report.features) {
    each.severity = ml::to_string(ml::severity_of(each.psi, options));
    if (rank(each.severity) > rank(report.severity)) report.severity = each.severity;
    report.triggered = report.triggered || (each.severity == "alert" && each.kind != "prediction");
  }
}

}  // namespace mlforge::actors
