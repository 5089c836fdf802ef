// Gradient-boosted trees: training, prediction and importances through the XGBoost C API.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "events/error.hpp"
#include "ml/matrix.hpp"

namespace mlforge::ml {

// Borrowed: both must outlive the call.
struct EvalSet {
  std::string name;  // "validation"; no blanks or colons
  const Matrix* features = nullptr;
  std::span<const float> labels;  // shape (rows)
};

struct RoundMetric {
  int round = 0;  // from 0
  std::string_view set;
  std::string_view metric;
  double value = 0;
};

struct TrainOptions {
  std::map<std::string, std::string>
      params;  // XGBoost's own ("max_depth": "6"); they win over the fields below
  int rounds = 100;
  int early_stopping_rounds = 0;    // 0: off. Watches the last metric of the last evaluation set
  std::string eval_metric = "auc";  // several: separated by commas
  std::uint64_t seed = 0;
  int threads = 1;  // more than 1 gives up bit-identical models
  std::vector<EvalSet> eval_sets;
  std::vector<std::string> feature_names;             // empty: XGBoost's f0, f1, ...
  std::function<bool(const RoundMetric&)> on_metric;  // on the calling thread; false cancels
};

struct Model {
  std::string
      bytes;      // UBJSON as XGBoost saves it; holds the trees up to and with the best iteration
  int trees = 0;  // boosting rounds kept
  int best_iteration = 0;  // from 0; the last round without early stopping
  double best_score = 0;   // watched metric there; 0 without evaluation sets
  int rounds_run = 0;
  std::vector<std::string> feature_names;
};

// Defaults: objective binary:logistic, tree_method hist. Same input, options and seed with one
// thread: bit-identical bytes. Early stopping as in XGBoost's Python package: it stops after that
// many rounds without a strictly better value (higher for auc, aucpr, map, ndcg and pre, lower for
// the rest). invalid_argument: shapes that do not fit, a parameter that XGBoost refuses; conflict:
// cancelled by on_metric. Any thread; calls do not share state.
Expected<Model> train(const Matrix& features, std::span<const float> labels,
                      const TrainOptions& options);

// Probability of the positive class (or the objective's prediction), shape (rows).
// corrupt: not a model; invalid_argument: the model wants another number of features.
Expected<std::vector<float>> predict(std::string_view model, const Matrix& features);

// How the trees use a feature; zeros when they do not. gain and cover are means per split.
struct Importance {
  std::string feature;
  double weight = 0, gain = 0, cover = 0;
};

// All features of the model by descending gain (then by name). Features without names are f0, f1,
// ...
Expected<std::vector<Importance>> importances(std::string_view model);

}  // namespace mlforge::ml
