#include "ml/metrics.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>

namespace mlforge::ml {
namespace {

Error refuse(std::string message, std::string field) {
  return Error{ErrorCode::invalid_argument, std::move(message), std::move(field)};
}

Status check(std::span<const float> labels, std::span<const double> scores) {
  if (labels.size() != scores.size())
    return refuse("There are " + std::to_string(labels.size()) + " labels and " +
                      std::to_string(scores.size()) + " scores; both must have one entry a row.",
                  "scores");
  if (labels.empty()) return refuse("There are no rows; a metric needs at least one.", "labels");
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (labels[i] != 0.0f && labels[i] != 1.0f)
      return refuse("The label of row " + std::to_string(i) + " (from 0) is neither 0 nor 1.",
                    "labels");
    if (!std::isfinite(scores[i]))
      return refuse("The score of row " + std::to_string(i) + " (from 0) is not a finite number.",
                    "scores");
  }
  return std::nullopt;
}

Status check_probabilities(std::span<const float> labels, std::span<const double> p) {
  if (auto error = check(labels, p)) return error;
  for (std::size_t i = 0; i < p.size(); ++i)
    if (p[i] < 0 || p[i] > 1)
      return refuse("The probability of row " + std::to_string(i) + " (from 0) is outside 0 to 1.",
                    "scores");
  return std::nullopt;
}

// Counts of negatives and positives at each distinct score, scores descending.
struct Level {
  std::uint64_t negatives = 0, positives = 0;
};

std::vector<Level> levels(std::span<const float> labels, std::span<const double> scores) {
  std::vector<std::uint32_t> order(scores.size());
  std::iota(order.begin(), order.end(), 0u);
  std::sort(order.begin(), order.end(), [&](auto a, auto b) { return scores[a] > scores[b]; });
  std::vector<Level> out;
  for (std::size_t i = 0; i < order.size(); ++i) {
    if (i == 0 || scores[order[i]] != scores[order[i - 1]]) out.emplace_back();
    ++(labels[order[i]] == 1.0f ? out.back().positives : out.back().negatives);
  }
  return out;
}

double ratio(double numerator, double denominator) {
  return denominator == 0 ? 0 : numerator / denominator;
}

}  // namespace

Expected<double> roc_auc(std::span<const float> labels, std::span<const double> scores) {
  if (auto error = check(labels, scores)) return *error;
  std::uint64_t positives = 0, negatives = 0;
  double pairs = 0;  // doubled pairs would be integers; halves are exact in a double up to 2^52
  for (const auto& level : levels(labels, scores)) {
    pairs += static_cast<double>(level.negatives) *
             (static_cast<double>(positives) + 0.5 * static_cast<double>(level.positives));
    positives += level.positives;
    negatives += level.negatives;
  }
  if (positives == 0 || negatives == 0)
    return refuse("ROC AUC needs at least one row of each class.", "labels");
  return pairs / (static_cast<double>(positives) * static_cast<double>(negatives));
}

Expected<double> average_precision(std::span<const float> labels, std::span<const double> scores) {
  if (auto error = check(labels, scores)) return *error;
  std::uint64_t tp = 0, seen = 0;
  double sum = 0;
  for (const auto& level : levels(labels, scores)) {
    tp += level.positives;
    seen += level.positives + level.negatives;
    sum +=
        static_cast<double>(level.positives) * static_cast<double>(tp) / static_cast<double>(seen);
  }
  if (tp == 0) return refuse("Average precision needs at least one positive row.", "labels");
  return sum / static_cast<double>(tp);
}

Expected<double> log_loss(std::span<const float> labels, std::span<const double> probabilities) {
  if (auto error = check_probabilities(labels, probabilities)) return *error;
  constexpr double eps = std::numeric_limits<double>::epsilon();
  double sum = 0;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const double p = std::clamp(probabilities[i], eps, 1 - eps);
    sum -= labels[i] == 1.0f ? std::log(p) : std::log1p(-p);
  }
  return sum / static_cast<double>(labels.size());
}

Expected<double> brier(std::span<const float> labels, std::span<const double> probabilities) {
  if (auto error = check_probabilities(labels, probabilities)) return *error;
  double sum = 0;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const double d = probabilities[i] - static_cast<double>(labels[i]);
    sum += d * d;
  }
  return sum / static_cast<double>(labels.size());
}

Expected<ClassMetrics> class_metrics(std::span<const float> labels, std::span<const double> scores,
                                     double threshold) {
  if (auto error = check(labels, scores)) return *error;
  ClassMetrics out;
  auto& c = out.confusion;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const bool said = scores[i] >= threshold;
    ++(labels[i] == 1.0f ? (said ? c.tp : c.fn) : (said ? c.fp : c.tn));
  }
  const auto tn = static_cast<double>(c.tn), fp = static_cast<double>(c.fp);
  const auto fn = static_cast<double>(c.fn), tp = static_cast<double>(c.tp);
  out.accuracy = (tp + tn) / static_cast<double>(labels.size());
  out.precision = ratio(tp, tp + fp);
  out.recall = ratio(tp, tp + fn);
  out.f1 = ratio(2 * tp, 2 * tp + fp + fn);
  out.mcc = ratio(tp * tn - fp * fn, std::sqrt(tp + fp) * std::sqrt(tp + fn) * std::sqrt(tn + fp) *
                                         std::sqrt(tn + fn));
  return out;
}

Expected<BinaryMetrics> binary_metrics(std::span<const float> labels,
                                       std::span<const double> probabilities, double threshold) {
  const auto auc = roc_auc(labels, probabilities);
  if (!auc) return auc.error();
  const auto ap = average_precision(labels, probabilities);
  if (!ap) return ap.error();
  const auto loss = log_loss(labels, probabilities);
  if (!loss) return loss.error();
  const auto squared = brier(labels, probabilities);
  if (!squared) return squared.error();
  const auto classes = class_metrics(labels, probabilities, threshold);
  if (!classes) return classes.error();
  return BinaryMetrics{*auc, *ap, *loss, *squared, *classes};
}

MeanSd mean_sd(std::span<const double> values) {
  MeanSd out;
  if (values.empty()) return out;
  const auto n = static_cast<double>(values.size());
  for (const double v : values) out.mean += v / n;
  if (values.size() < 2) return out;
  double squares = 0;
  for (const double v : values) squares += (v - out.mean) * (v - out.mean);
  out.sd = std::sqrt(squares / (n - 1));
  return out;
}

}  // namespace mlforge::ml
