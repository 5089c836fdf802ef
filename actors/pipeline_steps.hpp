// The kinds of steps, each a function of its inputs, configuration and seed to outputs: blobs by
// digest, short texts, and figures. What a step makes is enough for the steps behind it; none looks
// further back than to the steps that it needs.
//
//   split           split: letters T, V, E, one a row; dataset_version
//   features        split (handed on), preprocessor, feature_names (JSON), options (JSON)
//   train           split, preprocessor (handed on), model, run_id, pipeline_run_id
//   cross_validate  run_id, report (JSON)
//   evaluate        for each model <train step>/: model, preprocessor, reference, manifest, run_id,
//                   pipeline_run_id; figures <train step>/auc and so on
//   register        model, version, run_id, selected
#pragma once
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "actors/pipeline_effects.hpp"
#include "actors/pipeline_spec.hpp"
#include "ml/table.hpp"

namespace mlforge::actors {

// The dataset's table, read on first use and then shared by all steps of a run. Any thread.
class TableSource {
 public:
  TableSource(const ResolvedDataset& dataset, const StepBlobs& blobs)
      : dataset_(dataset), blobs_(blobs) {}
  Expected<std::shared_ptr<const ml::Table>> get();

 private:
  const ResolvedDataset& dataset_;
  const StepBlobs& blobs_;
  std::mutex mutex_;
  std::shared_ptr<const ml::Table> table_;
};

struct StepOutcome {
  Texts outputs;
  Figures figures;
  std::string found_in;  // the pipeline run whose effect is already there; else empty
};

// What a step sees; all of it outlives the call.
struct StepContext {
  const PipelineSpec& spec;
  const StepSpec& step;
  const std::string& pipeline_run_id;
  const ResolvedDataset& dataset;
  TableSource& table;
  const std::map<std::string, StepOutcome>& inputs;  // by the name of the step that is needed
  PipelineEffects& effects;
};

// Runs one step, without its record. Blocks until it is done. The same inputs, configuration and
// seed give bit-identical blobs. Any thread.
Expected<StepOutcome> run_step(const StepContext& context);

// False for a step whose work is its effect (register): it runs every time, and is idempotent.
bool is_cacheable(const std::string& kind);

// SHA-256 in hex over the hashes of input (dataset, outputs of the needed steps), configuration
// (StepSpec::canonical) and function (kind, version of its code, version of XGBoost).
std::string cache_key(const StepSpec& step, const ResolvedDataset& dataset,
                      const std::map<std::string, StepOutcome>& inputs);

}  // namespace mlforge::actors
