#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>

#include "ml/errors.hpp"
#include "ml/xgb.hpp"
#include "ml/xgb_handles.hpp"

namespace mlforge::ml {
namespace {

Status check_shape(const Matrix& x, std::span<const float> labels, const std::string& set) {
  if (x.rows == 0 || x.cols == 0 || x.data.size() != x.rows * x.cols)
    return invalid("The features of the " + set + " set have " + std::to_string(x.data.size()) +
                       " cells for the shape (" + std::to_string(x.rows) + ", " +
                       std::to_string(x.cols) +
                       "); rows * columns, and at least one, would be right.",
                   "features");
  if (labels.size() != x.rows)
    return invalid("The " + set + " set has " + std::to_string(x.rows) + " rows and " +
                       std::to_string(labels.size()) + " labels; one label a row would be right.",
                   "labels");
  return std::nullopt;
}

Status check_options(const Matrix& x, const TrainOptions& options) {
  if (options.rounds < 1) return invalid("The number of rounds must be at least 1.", "rounds");
  if (!options.feature_names.empty() && options.feature_names.size() != x.cols)
    return invalid("There are " + std::to_string(options.feature_names.size()) +
                       " feature names for " + std::to_string(x.cols) + " features.",
                   "feature_names");
  if (options.early_stopping_rounds > 0 && options.eval_sets.empty())
    return invalid("Early stopping needs at least one evaluation set.", "early_stopping_rounds");
  for (const auto& set : options.eval_sets) {
    if (set.features == nullptr)
      return invalid("The evaluation set '" + set.name + "' has no features.", "eval_sets");
    if (set.name.empty() || set.name.find_first_of(" \t\n:") != std::string::npos)
      return invalid("The name of an evaluation set must not be empty nor hold blanks or colons.",
                     "eval_sets");
    if (auto error = check_shape(*set.features, set.labels, set.name)) return error;
    if (set.features->cols != x.cols)
      return invalid("The evaluation set '" + set.name + "' has " +
                         std::to_string(set.features->cols) + " features; the training set has " +
                         std::to_string(x.cols) + ".",
                     "eval_sets");
  }
  return std::nullopt;
}

Expected<DMatrixPtr> make_dmatrix(const Matrix& x, std::span<const float> labels) {
  void* handle = nullptr;
  if (XGDMatrixCreateFromMat(x.data.data(), x.rows, x.cols, std::numeric_limits<float>::quiet_NaN(),
                             &handle) != 0)
    return xgb_error("reading the features", "features");
  DMatrixPtr matrix(handle);
  if (XGDMatrixSetFloatInfo(handle, "label", labels.data(), labels.size()) != 0)
    return xgb_error("reading the labels", "labels");
  return matrix;
}

Status set_params(void* booster, const TrainOptions& options) {
  std::map<std::string, std::string> params{{"objective", "binary:logistic"},
                                            {"tree_method", "hist"},
                                            {"verbosity", "0"},
                                            {"seed", std::to_string(options.seed)},
                                            {"nthread", std::to_string(options.threads)}};
  for (const auto& [key, value] : options.params) params[key] = value;
  for (const auto& [key, value] : params)
    if (XGBoosterSetParam(booster, key.c_str(), value.c_str()) != 0)
      return xgb_error("setting " + key, key);
  if (params.contains("eval_metric")) return std::nullopt;
  for (std::size_t at = 0; at < options.eval_metric.size();) {
    const auto comma = std::min(options.eval_metric.find(',', at), options.eval_metric.size());
    const auto metric = options.eval_metric.substr(at, comma - at);
    if (XGBoosterSetParam(booster, "eval_metric", metric.c_str()) != 0)
      return xgb_error("setting eval_metric", "eval_metric");
    at = comma + 1;
  }
  return std::nullopt;
}

bool higher_is_better(std::string_view metric) {
  constexpr std::array<std::string_view, 5> names{"auc", "map", "ndcg", "pre", "aucpr"};
  const auto base = metric.substr(0, metric.find('@'));
  return std::find(names.begin(), names.end(), base) != names.end();
}

// Keeps the best round and says when it is time to stop.
struct EarlyStopping {
  int patience = 0;
  int best_round = 0;
  double best = 0;
  bool any = false;

  bool update(const RoundMetric& watched) {
    const bool better =
        !any || (higher_is_better(watched.metric) ? watched.value > best : watched.value < best);
    if (better) {
      best = watched.value;
      best_round = watched.round;
      any = true;
    }
    return patience > 0 && watched.round - best_round >= patience;
  }
};

// "[3]\ttrain-auc:0.9\tvalidation-auc:0.8"
std::vector<RoundMetric> parse_evaluation(std::string_view line, int round,
                                          const std::vector<EvalSet>& sets) {
  std::vector<RoundMetric> out;
  for (auto tab = line.find('\t'); tab != std::string_view::npos;) {
    line.remove_prefix(tab + 1);
    tab = line.find('\t');
    const auto item = line.substr(0, tab);
    const auto colon = item.rfind(':');
    if (colon == std::string_view::npos) continue;
    double value = std::numeric_limits<double>::quiet_NaN();
    std::from_chars(item.data() + colon + 1, item.data() + item.size(), value);
    for (const auto& set : sets)
      if (item.size() > set.name.size() && item.starts_with(set.name) &&
          item[set.name.size()] == '-') {
        const auto start = set.name.size() + 1;
        out.push_back({round, set.name, item.substr(start, colon - start), value});
        break;
      }
  }
  return out;
}

class Training {
 public:
  Training(const TrainOptions& options) : options_(options) {}

  Status prepare(const Matrix& x, std::span<const float> labels) {
    auto matrix = make_dmatrix(x, labels);
    if (!matrix) return matrix.error();
    train_ = std::move(*matrix);
    std::vector<DMatrixHandle> all{train_.get()};
    for (const auto& set : options_.eval_sets) {
      auto eval = make_dmatrix(*set.features, set.labels);
      if (!eval) return eval.error();
      handles_.push_back(eval->get());
      names_.push_back(set.name.c_str());
      all.push_back(eval->get());
      evals_.push_back(std::move(*eval));
    }
    void* handle = nullptr;
    if (XGBoosterCreate(all.data(), all.size(), &handle) != 0)
      return xgb_error("making a booster", "params");
    booster_.reset(handle);
    return set_params(handle, options_);
  }

  Status run() {
    stopping_.patience = options_.early_stopping_rounds;
    for (int round = 0; round < options_.rounds; ++round) {
      if (XGBoosterUpdateOneIter(booster_.get(), round, train_.get()) != 0)
        return xgb_error("training round " + std::to_string(round), "params");
      rounds_run_ = round + 1;
      if (evals_.empty()) continue;
      const char* line = nullptr;
      if (XGBoosterEvalOneIter(booster_.get(), round, handles_.data(), names_.data(),
                               handles_.size(), &line) != 0)
        return xgb_error("evaluating round " + std::to_string(round), "eval_metric");
      const auto metrics = parse_evaluation(line, round, options_.eval_sets);
      for (const auto& metric : metrics)
        if (options_.on_metric && !options_.on_metric(metric))
          return Error{ErrorCode::conflict,
                       "Training was cancelled after round " + std::to_string(round) + ".", ""};
      if (!metrics.empty() && stopping_.update(metrics.back())) break;
    }
    return std::nullopt;
  }

  Expected<Model> finish() {
    const bool early = options_.early_stopping_rounds > 0;
    Model out;
    out.rounds_run = rounds_run_;
    out.best_iteration = early ? stopping_.best_round : rounds_run_ - 1;
    out.best_score = stopping_.best;
    out.trees = out.best_iteration + 1;
    out.feature_names = options_.feature_names;
    if (out.trees < rounds_run_) {
      void* sliced = nullptr;
      if (XGBoosterSlice(booster_.get(), 0, out.trees, 1, &sliced) != 0)
        return xgb_error("keeping the best rounds", "early_stopping_rounds");
      booster_.reset(sliced);
    }
    if (auto error = name_features()) return *error;
    bst_ulong size = 0;
    const char* bytes = nullptr;
    if (XGBoosterSaveModelToBuffer(booster_.get(), R"({"format":"ubj"})", &size, &bytes) != 0)
      return xgb_error("saving the model", "model");
    out.bytes.assign(bytes, size);
    return out;
  }

 private:
  Status name_features() {
    if (options_.feature_names.empty()) return std::nullopt;
    std::vector<const char*> names;
    for (const auto& name : options_.feature_names) names.push_back(name.c_str());
    if (XGBoosterSetStrFeatureInfo(booster_.get(), "feature_name", names.data(), names.size()) != 0)
      return xgb_error("naming the features", "feature_names");
    return std::nullopt;
  }

  const TrainOptions& options_;
  DMatrixPtr train_;
  std::vector<DMatrixPtr> evals_;
  std::vector<DMatrixHandle> handles_;
  std::vector<const char*> names_;
  BoosterPtr booster_;
  EarlyStopping stopping_;
  int rounds_run_ = 0;
};

}  // namespace

Expected<Model> train(const Matrix& features, std::span<const float> labels,
                      const TrainOptions& options) {
  if (auto error = check_shape(features, labels, "training")) return *error;
  if (auto error = check_options(features, options)) return *error;
  Training training(options);
  if (auto error = training.prepare(features, labels)) return *error;
  if (auto error = training.run()) return *error;
  return training.finish();
}

}  // namespace mlforge::ml
