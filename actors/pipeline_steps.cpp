#include "actors/pipeline_steps.hpp"

#include <xgboost/c_api.h>

#include "actors/dataset_table.hpp"
#include "actors/step_kinds.hpp"
#include "storage/digest.hpp"

namespace mlforge::actors {
namespace {

std::string hash(std::string_view text) {
  return storage::to_string(storage::sha256(storage::as_bytes(text)));
}

std::string library_version() {
  int major = 0, minor = 0, patch = 0;
  XGBoostVersion(&major, &minor, &patch);
  return "xgboost " + std::to_string(major) + "." + std::to_string(minor) + "." +
         std::to_string(patch);
}

std::string function_of(const std::string& kind) {
  std::uint32_t version = 0;
  for (const auto& each : kStepVersions)
    if (each.kind == kind) version = each.version;
  return kind + " " + std::to_string(version) + "\n" + library_version() + "\n";
}

// Lengths in front keep different lists apart.
void append(std::string& out, std::string_view text) {
  out += std::to_string(text.size()) + ":";
  out += text;
  out += '\n';
}

}  // namespace

Expected<std::shared_ptr<const ml::Table>> TableSource::get() {
  const std::lock_guard lock(mutex_);
  if (table_) return table_;
  auto table = load_dataset_table(dataset_.files, blobs_);
  if (!table) return table.error();
  table_ = std::make_shared<const ml::Table>(*std::move(table));
  return table_;
}

Expected<StepOutcome> run_step(const StepContext& context) {
  struct Chooser {
    const StepContext& context;
    Expected<StepOutcome> operator()(const SplitConfig& c) const { return run_split(context, c); }
    Expected<StepOutcome> operator()(const FeaturesConfig& c) const {
      return run_features(context, c);
    }
    Expected<StepOutcome> operator()(const TrainConfig& c) const { return run_train(context, c); }
    Expected<StepOutcome> operator()(const CrossValidateConfig& c) const {
      return run_cross_validate(context, c);
    }
    Expected<StepOutcome> operator()(const EvaluateConfig& c) const {
      return run_evaluate(context, c);
    }
    Expected<StepOutcome> operator()(const RegisterConfig& c) const {
      return run_register(context, c);
    }
  };
  return std::visit(Chooser{context}, context.step.config);
}

bool is_cacheable(const std::string& kind) { return kind != RegisterConfig::kind; }

std::string cache_key(const StepSpec& step, const ResolvedDataset& dataset,
                      const std::map<std::string, StepOutcome>& inputs) {
  std::string input;
  append(input, dataset.digest);
  for (const auto& [name, outcome] : inputs) {
    append(input, name);
    for (const auto& [key, value] : outcome.outputs) {
      append(input, key);
      append(input, value);
    }
  }
  return hash(hash(input) + hash(step.canonical) + hash(function_of(step.kind)));
}

}  // namespace mlforge::actors
