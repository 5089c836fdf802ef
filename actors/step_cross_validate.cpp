#include <algorithm>

#include "actors/step_data.hpp"
#include "actors/step_kinds.hpp"
#include "actors/step_run.hpp"
#include "events/codec.hpp"
#include "ml/cv.hpp"

namespace mlforge::actors {
namespace {

struct Spread {
  std::string metric;
  double mean = 0, sd = 0;
  static constexpr auto fields() {
    return FieldList{field("metric", &Spread::metric), field("mean", &Spread::mean),
                     field("sd", &Spread::sd)};
  }
};

std::vector<Spread> spreads_of(const ml::CvResult& r) {
  const auto spread = [](const char* name, const ml::MeanSd& m) {
    return Spread{name, m.mean, m.sd};
  };
  return {spread("auc", r.roc_auc),
          spread("average_precision", r.average_precision),
          spread("log_loss", r.log_loss),
          spread("brier", r.brier),
          spread("accuracy", r.accuracy),
          spread("precision", r.precision),
          spread("recall", r.recall),
          spread("f1", r.f1),
          spread("mcc", r.mcc)};
}

// The table without the columns that the features step drops.
ml::Table without(const ml::Table& table, const std::vector<std::string>& drop) {
  ml::Table out;
  for (const auto& column : table.columns)
    if (!std::binary_search(drop.begin(), drop.end(), column.name)) out.columns.push_back(column);
  return out;
}

Figures fold_figures(const ml::FoldResult& fold) {
  return {{"fold_auc", fold.metrics.roc_auc},
          {"fold_average_precision", fold.metrics.average_precision},
          {"fold_log_loss", fold.metrics.log_loss},
          {"fold_f1", fold.metrics.at_threshold.f1},
          {"fold_trees", static_cast<double>(fold.trees)}};
}

Expected<ml::CvResult> validate(const StepContext& context, const CrossValidateConfig& config,
                                const FeaturesConfig& features, const std::string& run_id) {
  const auto table = context.table.get();
  if (!table) return table.error();
  Status failed;
  ml::CvOptions options;
  options.folds = static_cast<std::uint32_t>(config.folds);
  options.seed = context.spec.seed;
  options.preprocess = preprocess_options(features);
  options.train.params = config.params;
  options.train.rounds = static_cast<int>(config.rounds);
  options.train.early_stopping_rounds = static_cast<int>(config.early_stopping);
  options.train.seed = context.spec.seed;
  if (config.early_stopping == 0) options.holdout_basis_points = 0;
  options.on_fold = [&](const ml::FoldResult& fold) {
    failed = log_figures(context, run_id, fold_figures(fold), fold.fold);
    return !failed && !context.effects.cancelled();
  };
  auto result = ml::cross_validate(without(**table, features.drop), context.spec.label,
                                   context.spec.positive, options);
  if (failed) return *failed;
  return result;
}

}  // namespace

Expected<StepOutcome> run_cross_validate(const StepContext& context,
                                         const CrossValidateConfig& config) {
  const auto* needed = context.spec.find(context.step.needs.front());
  const auto& features = std::get<FeaturesConfig>(needed->config);
  auto params = config.params;
  params["rounds"] = std::to_string(config.rounds);
  params["early_stopping"] = std::to_string(config.early_stopping);
  params["folds"] = std::to_string(config.folds);
  params["seed"] = std::to_string(context.spec.seed);
  auto run = TrackedRun::start(context, params);
  if (!run) return run.error();
  const auto result = validate(context, config, features, run->id());
  if (!result) return result.error();
  const auto spreads = spreads_of(*result);
  StepOutcome out;
  for (const auto& each : spreads) {
    out.figures["cv_" + each.metric + "_mean"] = each.mean;
    out.figures["cv_" + each.metric + "_sd"] = each.sd;
  }
  if (auto bad = log_figures(context, run->id(), out.figures)) return *bad;
  const auto report = log_file(context, run->id(), "cross_validation.json", to_json(spreads));
  if (!report) return report.error();
  out.outputs = {{"run_id", run->id()}, {"report", report->digest}};
  if (auto bad = run->finish()) return *bad;
  return out;
}

}  // namespace mlforge::actors
