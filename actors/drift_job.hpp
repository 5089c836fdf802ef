// Windows of predictions against the distributions that the model was trained on.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "actors/bundle.hpp"

namespace mlforge::actors {

// The predictions since the last report, as columns. Not thread-safe.
class DriftWindow {
 public:
  // Batches in ascending position.
  void add(Position position, const PredictionsLogged& batch);
  std::uint64_t size() const { return size_; }
  Position first_position() const { return first_; }
  Position last_position() const { return last_; }
  void clear();  // last_position() stays: it says which predictions have been looked at

  const std::map<std::string, std::vector<double>>& numeric() const { return numeric_; }
  const std::map<std::string, std::map<std::string, std::uint64_t, std::less<>>>& categorical()
      const {
    return categorical_;
  }
  // Of the answers that the champion gave: a challenger's say nothing about it.
  const std::vector<double>& probabilities() const { return probabilities_; }

 private:
  std::uint64_t size_ = 0;
  Position first_ = 0, last_ = 0;
  std::map<std::string, std::vector<double>> numeric_;
  std::map<std::string, std::map<std::string, std::uint64_t, std::less<>>> categorical_;
  std::vector<double> probabilities_;
};

struct DriftThresholds {
  double psi = 0.2;  // above: alert
  double ks_p_value = 0.05;
};

// PSI and KS of numeric features, PSI and chi-squared of categorical ones, and PSI and KS of the
// probabilities as the feature "prediction". Where either side has missing values they are one more
// bin of the PSI, so that a feature that is no longer sent is seen; KS and chi-squared compare what
// is there. Severity by PSI: below 0.1 stable, up to the threshold investigate, above it alert; the
// p-values are reported beside it and decide nothing alone. Features by name, "prediction" last.
// triggered: any feature (not the prediction alone) is at alert.
DriftReported evaluate_drift(const ReferenceSet& reference, const DriftWindow& window,
                             std::uint64_t model_version, const DriftThresholds& thresholds,
                             std::string report_id);

// Sets the severities, and whether it triggers, of a report whose statistics are there.
void judge_drift(DriftReported& report, const DriftThresholds& thresholds);

}  // namespace mlforge::actors
