#include "actors/step_data.hpp"
#include "actors/step_kinds.hpp"
#include "actors/step_run.hpp"
#include "ml/xgb.hpp"

namespace mlforge::actors {
namespace {

Texts params_of(const StepContext& context, const TrainConfig& config) {
  auto params = config.params;
  params["rounds"] = std::to_string(config.rounds);
  params["early_stopping"] = std::to_string(config.early_stopping);
  params["seed"] = std::to_string(context.spec.seed);
  params["label"] = context.spec.label;
  params["positive"] = context.spec.positive;
  if (!context.spec.fresh.empty()) params["fresh"] = context.spec.fresh;
  return params;
}

struct Parts {
  Part train, validation;
  std::vector<std::string> feature_names;
};

Expected<Parts> load_parts(const StepContext& context, const StepOutcome& input) {
  const auto table = context.table.get();
  if (!table) return table.error();
  const auto letters = letters_of(context, input, **table);
  if (!letters) return letters.error();
  const auto preprocessor = preprocessor_of(context, input);
  if (!preprocessor) return preprocessor.error();
  auto train = part_of(context, **table, *preprocessor, *letters, 'T');
  if (!train) return train.error();
  auto validation = part_of(context, **table, *preprocessor, *letters, 'V');
  if (!validation) return validation.error();
  return Parts{*std::move(train), *std::move(validation), preprocessor->feature_names()};
}

// Boosts with both AUC curves going out as they grow. `train_auc` becomes that of the last round.
Expected<ml::Model> boost(const StepContext& context, const TrainConfig& config, const Parts& parts,
                          const std::string& run_id, Figures& figures) {
  MetricStream stream(context.effects, run_id);
  Status failed;
  std::vector<double> train_auc;
  ml::TrainOptions options;
  options.params = config.params;
  options.rounds = static_cast<int>(config.rounds);
  options.early_stopping_rounds = static_cast<int>(config.early_stopping);
  options.seed = context.spec.seed;
  options.threads = 1;
  options.eval_sets = {{"train", &parts.train.features, parts.train.labels},
                       {"validation", &parts.validation.features, parts.validation.labels}};
  options.feature_names = parts.feature_names;
  options.on_metric = [&](const ml::RoundMetric& m) {
    if (m.set == "train") train_auc.push_back(m.value);
    failed = stream.add(std::string(m.set) + "-" + std::string(m.metric), m.value, m.round);
    return !failed && !context.effects.cancelled();
  };
  auto model = ml::train(parts.train.features, parts.train.labels, options);
  if (failed) return *failed;
  if (!model) return model;
  if (auto bad = stream.flush()) return *bad;
  const auto best = static_cast<std::size_t>(model->best_iteration);
  figures = {{"validation_auc", model->best_score},
             {"best_iteration", static_cast<double>(best)},
             {"trees", static_cast<double>(model->trees)},
             {"rounds_run", static_cast<double>(model->rounds_run)}};
  if (best < train_auc.size()) figures["train_auc"] = train_auc[best];
  return model;
}

}  // namespace

Expected<StepOutcome> run_train(const StepContext& context, const TrainConfig& config) {
  const auto& input = context.inputs.at(context.step.needs.front());
  auto run = TrackedRun::start(context, params_of(context, config));
  if (!run) return run.error();
  const auto parts = load_parts(context, input);
  if (!parts) return parts.error();
  StepOutcome out;
  const auto model = boost(context, config, *parts, run->id(), out.figures);
  if (!model) return model.error();
  const auto file = log_file(context, run->id(), "model.ubj", model->bytes);
  if (!file) return file.error();
  if (auto bad = log_figures(context, run->id(), out.figures)) return *bad;
  out.outputs = {{"split", input.outputs.at("split")},
                 {"preprocessor", input.outputs.at("preprocessor")},
                 {"model", file->digest},
                 {"run_id", run->id()},
                 {"pipeline_run_id", context.pipeline_run_id}};
  if (auto bad = run->finish()) return *bad;
  return out;
}

}  // namespace mlforge::actors
