#include "ml/cv.hpp"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <optional>
#include <thread>

#include "ml/split.hpp"

namespace mlforge::ml {
namespace {

using Rows = std::vector<std::uint32_t>;

template <class T>
std::vector<T> pick(const std::vector<T>& from, const Rows& rows) {
  std::vector<T> out;
  for (const auto row : rows) out.push_back(from[row]);
  return out;
}

struct FoldRows {
  Rows train, holdout, test;
};

class CrossValidation {
 public:
  CrossValidation(const Table& table, std::string_view label, const CvOptions& options)
      : table_(table), label_(label), options_(options) {}

  Status prepare(std::string_view positive) {
    auto labels = binary_labels(table_, label_, positive);
    if (!labels) return labels.error();
    labels_ = std::move(*labels);
    classes_.assign(labels_.begin(), labels_.end());
    auto folds = stratified_folds(classes_, options_.folds, options_.seed);
    if (!folds) return folds.error();
    folds_ = std::move(*folds);
    if (options_.holdout_basis_points >= 10000)
      return Error{ErrorCode::invalid_argument,
                   "The held-out part must be below 10000 basis points.", "holdout_basis_points"};
    return std::nullopt;
  }

  Expected<FoldResult> run(std::uint32_t fold) const {
    const auto rows = rows_of_fold(fold);
    if (!rows) return rows.error();
    auto preprocessor = Preprocessor::fit(table_, rows->train, options_.preprocess, label_);
    if (!preprocessor) return preprocessor.error();
    auto train_x = preprocessor->transform(table_, rows->train);
    auto holdout_x = preprocessor->transform(table_, rows->holdout);
    auto test_x = preprocessor->transform(table_, rows->test);
    for (const auto* part : {&train_x, &holdout_x, &test_x})
      if (!*part) return part->error();
    const auto holdout_y = pick(labels_, rows->holdout);
    TrainOptions train_options = options_.train;
    train_options.feature_names = preprocessor->feature_names();
    train_options.on_metric = nullptr;
    train_options.eval_sets.clear();
    if (!rows->holdout.empty()) train_options.eval_sets = {{"holdout", &*holdout_x, holdout_y}};
    const auto model = train(*train_x, pick(labels_, rows->train), train_options);
    if (!model) return model.error();
    return judge(fold, *model, *test_x, pick(labels_, rows->test));
  }

 private:
  Expected<FoldRows> rows_of_fold(std::uint32_t fold) const {
    FoldRows out;
    Rows rest;
    for (std::uint32_t row = 0; row < folds_.size(); ++row)
      (folds_[row] == fold ? out.test : rest).push_back(row);
    if (options_.holdout_basis_points == 0) {
      out.train = std::move(rest);
      return out;
    }
    const SplitParts parts{10000 - options_.holdout_basis_points, options_.holdout_basis_points, 0};
    const auto letters = stratified_split(pick(classes_, rest), parts, options_.seed);
    if (!letters) return letters.error();
    for (std::size_t i = 0; i < rest.size(); ++i)
      ((*letters)[i] == 'V' ? out.holdout : out.train).push_back(rest[i]);
    return out;
  }

  Expected<FoldResult> judge(std::uint32_t fold, const Model& model, const Matrix& x,
                             const std::vector<float>& labels) const {
    const auto scores = predict(model.bytes, x);
    if (!scores) return scores.error();
    const std::vector<double> probabilities(scores->begin(), scores->end());
    const auto metrics = binary_metrics(labels, probabilities, options_.threshold);
    if (!metrics) return metrics.error();
    return FoldResult{fold, *metrics, model.trees};
  }

  const Table& table_;
  std::string label_;
  const CvOptions& options_;
  std::vector<float> labels_;
  std::vector<std::int32_t> classes_;
  std::vector<std::uint32_t> folds_;
};

// Hands out folds to workers and collects what they answer.
class FoldQueue {
 public:
  FoldQueue(const CrossValidation& job, const CvOptions& options)
      : job_(job), options_(options), results_(options.folds) {}

  void work() {
    for (;;) {
      const auto fold = next_.fetch_add(1);
      if (stop_ || fold >= options_.folds) return;
      auto result = job_.run(fold);
      const std::lock_guard lock(mutex_);
      if (!result) {
        stop_ = true;
      } else if (options_.on_fold && !options_.on_fold(*result)) {
        cancelled_ = true;
        stop_ = true;
      }
      results_[fold].emplace(std::move(result));
    }
  }

  Expected<std::vector<FoldResult>> collect() {
    std::vector<FoldResult> out;
    for (auto& result : results_)
      if (result && !*result) return result->error();
    if (cancelled_) return Error{ErrorCode::conflict, "Cross-validation was cancelled.", ""};
    for (auto& result : results_) out.push_back(std::move(**result));
    return out;
  }

 private:
  const CrossValidation& job_;
  const CvOptions& options_;
  std::atomic<std::uint32_t> next_{0};
  std::atomic<bool> stop_{false};
  std::mutex mutex_;
  bool cancelled_ = false;
  std::vector<std::optional<Expected<FoldResult>>> results_;
};

MeanSd over(const std::vector<FoldResult>& folds, double (*value)(const BinaryMetrics&)) {
  std::vector<double> values;
  for (const auto& fold : folds) values.push_back(value(fold.metrics));
  return mean_sd(values);
}

CvResult summarise(std::vector<FoldResult> folds) {
  CvResult out;
  out.roc_auc = over(folds, [](const BinaryMetrics& m) { return m.roc_auc; });
  out.average_precision = over(folds, [](const BinaryMetrics& m) { return m.average_precision; });
  out.log_loss = over(folds, [](const BinaryMetrics& m) { return m.log_loss; });
  out.brier = over(folds, [](const BinaryMetrics& m) { return m.brier; });
  out.accuracy = over(folds, [](const BinaryMetrics& m) { return m.at_threshold.accuracy; });
  out.precision = over(folds, [](const BinaryMetrics& m) { return m.at_threshold.precision; });
  out.recall = over(folds, [](const BinaryMetrics& m) { return m.at_threshold.recall; });
  out.f1 = over(folds, [](const BinaryMetrics& m) { return m.at_threshold.f1; });
  out.mcc = over(folds, [](const BinaryMetrics& m) { return m.at_threshold.mcc; });
  out.folds = std::move(folds);
  return out;
}

}  // namespace

Expected<CvResult> cross_validate(const Table& table, std::string_view label,
                                  std::string_view positive, const CvOptions& options) {
  CrossValidation job(table, label, options);
  if (auto error = job.prepare(positive)) return *error;
  FoldQueue queue(job, options);
  const auto workers = std::clamp(options.max_parallel, 1u, options.folds);
  std::vector<std::jthread> others;
  for (std::uint32_t i = 1; i < workers; ++i) others.emplace_back([&queue] { queue.work(); });
  queue.work();
  others.clear();  // joins
  auto folds = queue.collect();
  if (!folds) return folds.error();
  return summarise(std::move(*folds));
}

}  // namespace mlforge::ml
