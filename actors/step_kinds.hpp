// The function behind each kind of step; run_step (pipeline_steps.hpp) chooses among them.
#pragma once
#include "actors/pipeline_steps.hpp"

namespace mlforge::actors {

// Raised whenever a step's code changes what it makes: results computed before are then not reused.
struct StepVersion {
  std::string_view kind;
  std::uint32_t version;
};
inline constexpr StepVersion kStepVersions[] = {
    {"split", 1}, {"features", 1}, {"train", 1}, {"cross_validate", 1}, {"evaluate", 2},
};

Expected<StepOutcome> run_split(const StepContext& context, const SplitConfig& config);
Expected<StepOutcome> run_features(const StepContext& context, const FeaturesConfig& config);
Expected<StepOutcome> run_train(const StepContext& context, const TrainConfig& config);
Expected<StepOutcome> run_cross_validate(const StepContext& context,
                                         const CrossValidateConfig& config);
Expected<StepOutcome> run_evaluate(const StepContext& context, const EvaluateConfig& config);
Expected<StepOutcome> run_register(const StepContext& context, const RegisterConfig& config);

}  // namespace mlforge::actors
