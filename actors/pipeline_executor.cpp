#include "actors/pipeline_executor.hpp"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <optional>
#include <thread>

#include "actors/pipeline_steps.hpp"
#include "storage/digest.hpp"

namespace mlforge::actors {
namespace {

// An output of a split step: which version of the dataset the run began with.
constexpr auto kDatasetVersion = "dataset_version";

class Execution {
 public:
  Execution(const std::string& id, const PipelineSpec& spec, const CompletedSteps& completed,
            PipelineEffects& effects)
      : id_(id), spec_(spec), effects_(effects) {
    for (const auto& step : spec.steps) {
      const auto at = completed.find(step.name);
      if (at == completed.end()) {
        waiting_.push_back(&step);
      } else {
        settle(at->second);
      }
    }
  }

  Expected<PipelineOutcome> run(unsigned max_parallel) {
    if (auto unresolved = resolve_dataset()) {
      if (effects_.cancelled()) return stopped();
      if (auto bad = fail_first(*unresolved)) return *bad;
    } else {
      TableSource table(dataset_, effects_.blobs());
      table_ = &table;
      run_workers(max_parallel);
    }
    if (broken_) return *broken_;
    if (!waiting_.empty()) return stopped();
    outcome_.status = outcome_.failed.empty() ? "succeeded" : "failed";
    if (auto bad = effects_.run_ended(id_)) return *bad;
    return std::move(outcome_);
  }

 private:
  // Nothing where there is nothing left to do.
  Status resolve_dataset() {
    if (waiting_.empty()) return {};
    auto version = spec_.dataset_version;
    for (const auto& [name, step] : outcome_.completed)
      if (const auto at = step.outputs.find(kDatasetVersion); at != step.outputs.end())
        version = std::strtoull(at->second.c_str(), nullptr, 10);
    auto dataset = effects_.resolve_dataset(spec_.dataset, version);
    if (!dataset) return dataset.error();
    dataset_ = *std::move(dataset);
    if (dataset_.valid) return {};
    return Error{ErrorCode::conflict,
                 "version " + std::to_string(dataset_.version) + " of dataset '" + dataset_.name +
                     "' has not passed its checks; a pipeline reads valid versions only",
                 "dataset"};
  }

  // Without its dataset no step can run: the first says why.
  Status fail_first(const Error& error) {
    const auto& step = *waiting_.front();
    if (auto bad = effects_.step_failed(id_, step.name, step.kind, error.message)) return bad;
    outcome_.failed[step.name] = error.message;
    waiting_.erase(waiting_.begin());
    for (const auto* other : waiting_) outcome_.skipped.push_back(other->name);
    waiting_.clear();
    return {};
  }

  void run_workers(unsigned max_parallel) {
    const auto count = std::min<std::size_t>(std::max(max_parallel, 1u), waiting_.size());
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < count; ++i) threads.emplace_back([this] { work(); });
  }

  void work() {
    std::unique_lock lock(mutex_);
    while (!waiting_.empty() && !broken_) {
      if (effects_.cancelled()) return changed_.notify_all();
      const auto* step = take_ready();
      if (!step) {
        changed_.wait(lock);
        continue;
      }
      auto inputs = inputs_of(*step);
      lock.unlock();
      auto result = execute_guarded(*step, inputs);
      lock.lock();
      settle(*step, std::move(result));
      changed_.notify_all();
    }
  }

  const StepSpec* take_ready() {
    for (auto it = waiting_.begin(); it != waiting_.end(); ++it) {
      const auto& needs = (*it)->needs;
      const bool ready = std::all_of(needs.begin(), needs.end(), [&](const auto& need) {
        return outcome_.completed.contains(need);
      });
      if (!ready) continue;
      const auto* step = *it;
      waiting_.erase(it);
      return step;
    }
    return nullptr;
  }

  std::map<std::string, StepOutcome> inputs_of(const StepSpec& step) const {
    std::map<std::string, StepOutcome> inputs;
    for (const auto& need : step.needs) {
      const auto& done = outcome_.completed.at(need);
      inputs[need] = {done.outputs, done.figures, {}};
    }
    return inputs;
  }

  // What a step comes to: completed, failed (Error inside), or an Error of the record itself.
  using StepResult = std::variant<PipelineStepCompleted, Error>;

  Expected<StepResult> execute_guarded(const StepSpec& step,
                                       const std::map<std::string, StepOutcome>& inputs) {
    auto result = [&]() -> Expected<StepResult> {
      try {
        return execute(step, inputs);
      } catch (const std::exception& e) {
        return StepResult(Error{ErrorCode::internal, e.what(), ""});
      }
    }();
    if (!result || holds_alternative<PipelineStepCompleted>(*result)) return result;
    if (effects_.cancelled()) return stopped();  // it did not fail
    const auto& error = std::get<Error>(*result);
    if (auto bad = effects_.step_failed(id_, step.name, step.kind, error.message)) return *bad;
    return result;
  }

  Expected<StepResult> execute(const StepSpec& step,
                               const std::map<std::string, StepOutcome>& inputs) {
    const auto began = std::chrono::steady_clock::now();
    PipelineStepCompleted done{
        .step = step.name, .kind = step.kind, .cache_key = cache_key(step, dataset_, inputs)};
    auto cached = look_up(step, done.cache_key);
    if (!cached) return cached.error();
    if (*cached) {
      done.cached = true;
      done.cached_from = (*cached)->pipeline_run_id;
      done.outputs = std::move((*cached)->outputs);
      done.figures = std::move((*cached)->figures);
    } else {
      if (auto bad = effects_.step_started(id_, step.name, step.kind, done.cache_key)) return *bad;
      auto outcome = run_step({spec_, step, id_, dataset_, *table_, inputs, effects_});
      if (!outcome) return StepResult(outcome.error());
      done.outputs = std::move(outcome->outputs);
      done.figures = std::move(outcome->figures);
      done.cached = !outcome->found_in.empty() && outcome->found_in != id_;
      if (done.cached) done.cached_from = outcome->found_in;
    }
    done.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
    if (auto bad = effects_.step_completed(id_, done)) return *bad;
    return StepResult(std::move(done));
  }

  // A cached step counts only while all blobs that it made are still there.
  Expected<std::optional<CachedStep>> look_up(const StepSpec& step, const std::string& key) {
    if (!is_cacheable(step.kind)) return std::optional<CachedStep>{};
    auto cached = effects_.find_cached(key);
    if (!cached || !*cached) return cached;
    for (const auto& [name, value] : (*cached)->outputs)
      if (storage::parse_digest(value) && !effects_.blobs().size(value))
        return std::optional<CachedStep>{};
    return cached;
  }

  void settle(const StepSpec& step, Expected<StepResult> result) {
    if (!result) {
      if (!broken_) broken_ = result.error();
    } else if (const auto* done = get_if<PipelineStepCompleted>(&*result)) {
      settle(*done);
    } else {
      outcome_.failed[step.name] = std::get<Error>(*result).message;
      skip_dependants();
    }
  }

  void settle(const PipelineStepCompleted& done) {
    ++(done.cached ? outcome_.steps_cached : outcome_.steps_run);
    outcome_.completed[done.step] = done;
  }

  // The steps are in order, so one pass reaches those that need a skipped one.
  void skip_dependants() {
    const auto lost = [&](const std::string& need) {
      const auto& skipped = outcome_.skipped;
      return outcome_.failed.contains(need) ||
             std::find(skipped.begin(), skipped.end(), need) != skipped.end();
    };
    for (const auto& step : spec_.steps) {
      const auto at = std::find(waiting_.begin(), waiting_.end(), &step);
      if (at == waiting_.end() || std::none_of(step.needs.begin(), step.needs.end(), lost))
        continue;
      outcome_.skipped.push_back(step.name);
      waiting_.erase(at);
    }
  }

  Error stopped() const {
    return {ErrorCode::unavailable,
            "pipeline run '" + id_ +
                "' was stopped; it goes on where it stands when it is "
                "executed again",
            ""};
  }

  const std::string& id_;
  const PipelineSpec& spec_;
  PipelineEffects& effects_;
  ResolvedDataset dataset_;
  TableSource* table_ = nullptr;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<const StepSpec*> waiting_;  // not begun, in the order of the steps
  PipelineOutcome outcome_;
  Status broken_;
};

}  // namespace

Expected<PipelineOutcome> run_pipeline(const std::string& pipeline_run_id, const PipelineSpec& spec,
                                       const CompletedSteps& completed, PipelineEffects& effects,
                                       unsigned max_parallel) {
  return Execution(pipeline_run_id, spec, completed, effects).run(max_parallel);
}

}  // namespace mlforge::actors
