// Stratified cross-validation of preprocessing and training together: nothing of a fold's test rows
// is seen before its test.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "ml/metrics.hpp"
#include "ml/preprocess.hpp"
#include "ml/xgb.hpp"

namespace mlforge::ml {

struct FoldResult {
  std::uint32_t fold = 0;
  BinaryMetrics metrics;  // on the fold's own rows
  int trees = 0;
};

struct CvOptions {
  std::uint32_t folds = 5;
  std::uint64_t seed = 42;  // of the folds and of the held-out rows
  std::uint32_t holdout_basis_points =
      1250;  // of the training part, stratified, for early stopping; 0: none
  double threshold = 0.5;
  std::uint32_t max_parallel = 1;  // folds at the same time; results do not depend on it
  PreprocessOptions preprocess;
  TrainOptions train;  // its eval_sets, feature_names and on_metric are not used
  // After each fold, one at a time, in the order in which they finish. False: no further fold
  // starts, and conflict is answered.
  std::function<bool(const FoldResult&)> on_fold;
};

struct CvResult {
  std::vector<FoldResult> folds;  // by fold number
  MeanSd roc_auc, average_precision, log_loss, brier, accuracy, precision, recall, f1,
      mcc;  // over folds
};

// `label` names the column to predict, `positive` its positive class; all other columns are
// features. Errors as those of binary_labels, stratified_folds, Preprocessor and train; the first
// fold's error wins. Blocks; any thread.
Expected<CvResult> cross_validate(const Table& table, std::string_view label,
                                  std::string_view positive, const CvOptions& options);

}  // namespace mlforge::ml
