#include "actors/bundle.hpp"
#include "actors/step_data.hpp"
#include "actors/step_kinds.hpp"

namespace mlforge::actors {
namespace {

// The train step whose model has the best figure; of equals the first in the order of the needs.
Expected<std::string> select(const StepContext& context, const SelectConfig& config,
                             const StepOutcome& evaluated,
                             const std::vector<std::string>& train_steps) {
  const std::string* best = nullptr;
  double best_value = 0;
  for (const auto& step : train_steps) {
    const auto at = evaluated.figures.find(step + "/" + config.metric);
    if (at == evaluated.figures.end())
      return Error{ErrorCode::invalid_argument,
                   "step '" + context.step.name + "' selects by '" + config.metric + "', which '" +
                       step + "' does not have",
                   "select.metric"};
    const bool better = config.mode == "max" ? at->second > best_value : at->second < best_value;
    if (best && !better) continue;
    best = &step;
    best_value = at->second;
  }
  return *best;
}

Expected<std::vector<FileRef>> bundle_files(const StepContext& context,
                                            const StepOutcome& evaluated,
                                            const std::string& prefix) {
  std::vector<FileRef> files;
  for (const auto& [output, path] : {std::pair{"model", kModelFile},
                                     {"preprocessor", kPreprocessorFile},
                                     {"reference", kReferenceFile},
                                     {"manifest", kManifestFile}}) {
    const auto digest = output_of(evaluated, prefix + output);
    if (!digest) return digest.error();
    const auto size = context.effects.blobs().size(*digest);
    if (!size) return size.error();
    files.push_back({std::string(path), *digest, *size});
  }
  return files;
}

Figures metrics_of(const StepOutcome& evaluated, const std::string& prefix) {
  Figures out;
  for (const auto& [name, value] : evaluated.figures)
    if (name.starts_with(prefix)) out[name.substr(prefix.size())] = value;
  return out;
}

// To Staging only from None: a version that has gone further on since is left where it is.
Status stage(const StepContext& context, const RegisterConfig& config,
             const RegisteredVersion& version) {
  if (config.stage == "None" || version.stage != "None") return {};
  return context.effects.transition_stage(
      {.model = context.spec.model,
       .version = version.version,
       .stage = config.stage,
       .reason = "registered by pipeline run " + context.pipeline_run_id});
}

}  // namespace

Expected<StepOutcome> run_register(const StepContext& context, const RegisterConfig& config) {
  const auto& evaluate = context.step.needs.front();
  const auto& evaluated = context.inputs.at(evaluate);
  const auto& train_steps = context.spec.find(evaluate)->needs;
  const auto selected = select(context, config.select, evaluated, train_steps);
  if (!selected) return selected.error();
  const auto prefix = *selected + "/";
  auto files = bundle_files(context, evaluated, prefix);
  if (!files) return files.error();
  const auto run_id = output_of(evaluated, prefix + "run_id");
  if (!run_id) return run_id.error();
  const auto trained_in = output_of(evaluated, prefix + "pipeline_run_id");
  if (!trained_in) return trained_in.error();
  const auto metrics = metrics_of(evaluated, prefix);

  // The pipeline run that trained it, not this one: so that the same model is one version.
  const auto version = context.effects.create_model_version(
      {.model = context.spec.model,
       .run_id = *run_id,
       .pipeline_run_id = *trained_in,
       .dataset = context.dataset.name,
       .dataset_version = context.dataset.version,
       .artifacts = *std::move(files),
       .metrics = metrics,
       .params = std::get<TrainConfig>(context.spec.find(*selected)->config).params});
  if (!version) return version.error();
  if (auto bad = stage(context, config, *version)) return *bad;
  StepOutcome out{.outputs = {{"model", context.spec.model},
                              {"version", std::to_string(version->version)},
                              {"run_id", *run_id},
                              {"selected", *selected}},
                  .figures = {{"version", static_cast<double>(version->version)},
                              {config.select.metric, metrics.at(config.select.metric)}}};
  if (!version->created) out.found_in = *trained_in;
  return out;
}

}  // namespace mlforge::actors
