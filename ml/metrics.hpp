// Quality of binary classification scores. Definitions are those of scikit-learn 1.2
// (sklearn.metrics).
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "events/error.hpp"

namespace mlforge::ml {

struct Confusion {
  std::uint64_t tn = 0, fp = 0, fn = 0, tp = 0;
  bool operator==(const Confusion&) const = default;
};

// A ratio whose denominator is 0 (precision without predicted positives, recall without positives,
// F1, MCC) is 0.
struct ClassMetrics {
  Confusion confusion;
  double accuracy = 0, precision = 0, recall = 0, f1 = 0, mcc = 0;
};

struct BinaryMetrics {
  double roc_auc = 0, average_precision = 0, log_loss = 0, brier = 0;
  ClassMetrics at_threshold;
};

// All functions: labels are 0 or 1, scores finite, both of shape (rows), rows > 0; invalid_argument
// otherwise. Pure; any thread.

// The probability that a random positive scores above a random negative, ties count half
// (Mann-Whitney). invalid_argument when one class does not occur.
Expected<double> roc_auc(std::span<const float> labels, std::span<const double> scores);

// sum_n (R_n - R_{n-1}) P_n over distinct thresholds in descending score, without interpolation.
// invalid_argument when there is no positive.
Expected<double> average_precision(std::span<const float> labels, std::span<const double> scores);

// Mean negative log-likelihood (nats); probabilities in [0, 1] are clipped to [2^-52, 1 - 2^-52].
Expected<double> log_loss(std::span<const float> labels, std::span<const double> probabilities);

// Mean squared difference between probability and label.
Expected<double> brier(std::span<const float> labels, std::span<const double> probabilities);

// Predicted positive when score >= threshold.
Expected<ClassMetrics> class_metrics(std::span<const float> labels, std::span<const double> scores,
                                     double threshold = 0.5);

// All of the above at once.
Expected<BinaryMetrics> binary_metrics(std::span<const float> labels,
                                       std::span<const double> probabilities,
                                       double threshold = 0.5);

// Mean and sample standard deviation (divisor n - 1; 0 for fewer than two values). Two passes.
struct MeanSd {
  double mean = 0, sd = 0;
};
MeanSd mean_sd(std::span<const double> values);

}  // namespace mlforge::ml
