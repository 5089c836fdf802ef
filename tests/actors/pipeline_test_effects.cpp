#include "pipeline_test_effects.hpp"

#include <stdlib.h>

#include <algorithm>
#include <catch2/catch.hpp>

#include "ml/synthetic.hpp"

namespace mlforge::actors {
namespace {

std::unique_ptr<storage::BlobStore> open_blobs(const std::filesystem::path& folder) {
  auto store = storage::open_local_blobs(folder);
  if (!store) throw std::runtime_error(store.error().message);
  return *std::move(store);
}

}  // namespace

TempFolder::TempFolder() {
  auto name = (std::filesystem::temp_directory_path() / "mlforge-pipeline-XXXXXX").string();
  if (!mkdtemp(name.data())) throw std::runtime_error("no temporary folder");
  path_ = name;
}

TempFolder::~TempFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

TestBlobs::TestBlobs() : store(open_blobs(folder.path() / "blobs")), blobs(*store, "default") {}

FileRef TestBlobs::put(const std::string& path, const std::string& bytes) {
  const auto file = blobs.put(path, bytes);
  REQUIRE(file);
  return *file;
}

double TestRun::last(const std::string& key) const {
  for (auto it = metrics.rbegin(); it != metrics.rend(); ++it)
    if (it->key == key) return it->value;
  FAIL("no metric " << key);
  return 0;
}

std::size_t TestRun::count(const std::string& key) const {
  return static_cast<std::size_t>(std::count_if(
      metrics.begin(), metrics.end(), [&](const Metric& each) { return each.key == key; }));
}

std::string test_schema() {
  return "csv: {header: false, skip_prefix: '|', trim: true, strip_dot: income, missing: ['?'],\n"
         "      missing_as_category: true}\n"
         "columns:\n"
         "  - {name: age, kind: numeric, min: 0, max: 120}\n"
         "  - {name: workclass, kind: categorical, max_null_fraction: 0.2}\n"
         "  - {name: fnlwgt, kind: numeric}\n"
         "  - {name: education, kind: categorical}\n"
         "  - {name: education-num, kind: numeric}\n"
         "  - {name: marital-status, kind: categorical}\n"
         "  - {name: occupation, kind: categorical}\n"
         "  - {name: relationship, kind: categorical}\n"
         "  - {name: race, kind: categorical}\n"
         "  - {name: sex, kind: categorical}\n"
         "  - {name: capital-gain, kind: numeric}\n"
         "  - {name: capital-loss, kind: numeric}\n"
         "  - {name: hours-per-week, kind: numeric}\n"
         "  - {name: native-country, kind: categorical}\n"
         "  - {name: income, kind: categorical, allowed: ['<=50K', '>50K']}\n";
}

TestEffects::TestEffects() { add_version(800, 1); }

void TestEffects::add_version(std::uint32_t rows, std::uint64_t seed, bool valid) {
  ResolvedDataset next;
  next.name = "adult";
  next.version = versions.size() + 1;
  next.digest = "digest of version " + std::to_string(next.version);
  next.valid = valid;
  next.files = {storage.put("adult.data", ml::synthetic_adult({.rows = rows, .seed = seed})),
                storage.put("schema.yaml", test_schema())};
  versions.push_back(std::move(next));
}

Expected<ResolvedDataset> TestEffects::resolve_dataset(const std::string& name,
                                                       std::uint64_t version) {
  for (auto it = versions.rbegin(); it != versions.rend(); ++it)
    if (it->name == name && (version == 0 ? it->valid : it->version == version)) return *it;
  return Error{ErrorCode::not_found, "there is no valid version of dataset '" + name + "'", ""};
}

Expected<std::string> TestEffects::start_run(const RunRequest& request) {
  if (before_run)
    if (auto bad = before_run(request)) return *bad;
  const std::lock_guard lock(mutex_);
  for (auto& [id, run] : runs)
    if (run.request.pipeline_run_id == request.pipeline_run_id &&
        run.request.step == request.step && run.status == "running")
      run.status = "killed";
  const auto id = "run-" + std::to_string(runs.size() + 1);
  runs[id].request = request;
  return id;
}

Status TestEffects::log_params(const std::string& run_id, const Texts& params) {
  const std::lock_guard lock(mutex_);
  runs.at(run_id).params = params;
  return {};
}

Status TestEffects::log_metrics(const std::string& run_id, std::span<const Metric> metrics) {
  if (before_metrics)
    if (auto bad = before_metrics(run_id)) return bad;
  const std::lock_guard lock(mutex_);
  auto& run = runs.at(run_id);
  ++run.metric_calls;
  run.metrics.insert(run.metrics.end(), metrics.begin(), metrics.end());
  return {};
}

Status TestEffects::log_artifact(const std::string& run_id, const FileRef& file) {
  const std::lock_guard lock(mutex_);
  runs.at(run_id).artifacts[file.path] = file;
  return {};
}

Status TestEffects::log_run_input(const std::string& run_id, const RunInputLogged& input) {
  const std::lock_guard lock(mutex_);
  runs.at(run_id).inputs.push_back(input);
  return {};
}

Status TestEffects::end_run(const std::string& run_id, const std::string& status) {
  const std::lock_guard lock(mutex_);
  runs.at(run_id).status = status;
  return {};
}

Expected<RegisteredVersion> TestEffects::create_model_version(const CreateModelVersion& command) {
  const std::lock_guard lock(mutex_);
  for (std::size_t i = 0; i < models.size(); ++i)
    if (models[i].command.run_id == command.run_id &&
        models[i].command.artifacts == command.artifacts)
      return RegisteredVersion{i + 1, models[i].stage, false};
  models.push_back({command, "None"});
  return RegisteredVersion{models.size(), "None", true};
}

Status TestEffects::transition_stage(const TransitionStage& command) {
  const std::lock_guard lock(mutex_);
  models.at(command.version - 1).stage = command.stage;
  return {};
}

Status TestEffects::step_started(const std::string&, const std::string& step, const std::string&,
                                 const std::string&) {
  const std::lock_guard lock(mutex_);
  record.push_back("started " + step);
  return {};
}

Status TestEffects::step_completed(const std::string& id, const PipelineStepCompleted& outcome) {
  if (before_completed)
    if (auto bad = before_completed(outcome.step)) return bad;
  const std::lock_guard lock(mutex_);
  record.push_back((outcome.cached ? "cached " : "completed ") + outcome.step);
  completed[outcome.step] = outcome;
  if (!outcome.cached) cache.try_emplace(outcome.cache_key, id, outcome.outputs, outcome.figures);
  return {};
}

Status TestEffects::step_failed(const std::string&, const std::string& step, const std::string&,
                                const std::string& error) {
  const std::lock_guard lock(mutex_);
  record.push_back("failed " + step + ": " + error);
  return {};
}

Status TestEffects::run_ended(const std::string&) {
  const std::lock_guard lock(mutex_);
  record.push_back("end");
  return {};
}

Expected<std::optional<CachedStep>> TestEffects::find_cached(const std::string& cache_key) {
  const std::lock_guard lock(mutex_);
  const auto at = cache.find(cache_key);
  return at == cache.end() ? std::optional<CachedStep>{} : std::optional(at->second);
}

const TestRun& TestEffects::run_of(const std::string& step) const {
  const TestRun* found = nullptr;
  for (const auto& [id, run] : runs) {
    if (run.request.step != step) continue;
    if (found) FAIL("more than one run of step " << step);
    found = &run;
  }
  if (!found) FAIL("no run of step " << step);
  return *found;
}

std::size_t TestEffects::count(const std::string& prefix) const {
  return static_cast<std::size_t>(
      std::count_if(record.begin(), record.end(),
                    [&](const std::string& each) { return each.starts_with(prefix); }));
}

const std::string kSmallPipeline =
    "pipeline: small\n"
    "dataset: adult\n"
    "label: income\n"
    "positive: \">50K\"\n"
    "experiment: tests\n"
    "model: adult\n"
    "seed: 7\n"
    "steps:\n"
    "  split: {kind: split, test: 0.25, validation: 0.15}\n"
    "  features: {kind: features, needs: [split], numeric: {impute: median}}\n"
    "  deep: {kind: train, needs: [features], rounds: 8, early_stopping: 4,\n"
    "         params: {max_depth: 4, learning_rate: 0.3}}\n"
    "  wide: {kind: train, needs: [features], rounds: 3, early_stopping: 0,\n"
    "         params: {max_depth: 1, learning_rate: 0.1}}\n"
    "  evaluate: {kind: evaluate, needs: [deep, wide]}\n"
    "  register: {kind: register, needs: [evaluate], stage: Staging}\n";

PipelineSpec small_pipeline(const Texts& overrides) {
  auto spec = compile_pipeline(kSmallPipeline, overrides);
  if (!spec) FAIL(spec.error().message);
  return *spec;
}

PipelineOutcome run_to_end(const std::string& id, const PipelineSpec& spec, TestEffects& effects,
                           const CompletedSteps& completed, unsigned max_parallel) {
  auto outcome = run_pipeline(id, spec, completed, effects, max_parallel);
  if (!outcome) FAIL(outcome.error().message);
  return *outcome;
}

}  // namespace mlforge::actors
