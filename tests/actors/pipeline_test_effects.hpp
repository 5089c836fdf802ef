// The in-memory twin of what a pipeline run reaches, and a small dataset to run on.
#pragma once
#include <atomic>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "actors/pipeline_executor.hpp"
#include "storage/blob_store.hpp"

namespace mlforge::actors {

// A folder that goes with its owner.
class TempFolder {
 public:
  TempFolder();
  ~TempFolder();
  TempFolder(const TempFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// A blob store in a temporary folder.
struct TestBlobs {
  TempFolder folder;
  std::unique_ptr<storage::BlobStore> store;
  StepBlobs blobs;
  TestBlobs();
  FileRef put(const std::string& path, const std::string& bytes);
};

struct TestRun {
  RunRequest request;
  Texts params;
  std::vector<Metric> metrics;
  std::size_t metric_calls = 0;
  std::map<std::string, FileRef> artifacts;
  std::vector<RunInputLogged> inputs;
  std::string status = "running";

  double last(const std::string& key) const;  // fails the test where the metric is missing
  std::size_t count(const std::string& key) const;
};

struct TestModelVersion {
  CreateModelVersion command;
  std::string stage = "None";
};

class TestEffects : public PipelineEffects {
 public:
  TestEffects();  // with version 1 of dataset "adult": synthetic, 800 rows, valid
  void add_version(std::uint32_t rows, std::uint64_t seed, bool valid = true);

  Expected<ResolvedDataset> resolve_dataset(const std::string& name,
                                            std::uint64_t version) override;
  StepBlobs& blobs() override { return storage.blobs; }
  Expected<std::string> start_run(const RunRequest& request) override;
  Status log_params(const std::string& run_id, const Texts& params) override;
  Status log_metrics(const std::string& run_id, std::span<const Metric> metrics) override;
  Status log_artifact(const std::string& run_id, const FileRef& file) override;
  Status log_run_input(const std::string& run_id, const RunInputLogged& input) override;
  Status end_run(const std::string& run_id, const std::string& status) override;
  Expected<RegisteredVersion> create_model_version(const CreateModelVersion& command) override;
  Status transition_stage(const TransitionStage& command) override;
  Status step_started(const std::string& id, const std::string& step, const std::string& kind,
                      const std::string& cache_key) override;
  Status step_completed(const std::string& id, const PipelineStepCompleted& outcome) override;
  Status step_failed(const std::string& id, const std::string& step, const std::string& kind,
                     const std::string& error) override;
  Status run_ended(const std::string& id) override;
  Expected<std::optional<CachedStep>> find_cached(const std::string& cache_key) override;
  bool cancelled() override { return cancel; }

  // What happened; to be read when no run is under way.
  TestBlobs storage;
  std::vector<ResolvedDataset> versions;
  std::map<std::string, TestRun> runs;
  std::vector<TestModelVersion> models;
  std::vector<std::string>
      record;  // "started a", "cached a", "completed a", "failed a: why", "end"
  std::map<std::string, CachedStep> cache;
  CompletedSteps completed;  // of the last run

  std::atomic<bool> cancel{false};
  // Called without the lock; may block or answer an Error.
  std::function<Status(const RunRequest&)> before_run;
  std::function<Status(const std::string& run_id)> before_metrics;
  std::function<Status(const std::string& step)> before_completed;

  // The run of a train step; fails the test where there is not exactly one.
  const TestRun& run_of(const std::string& step) const;
  std::size_t count(const std::string& prefix) const;  // records that begin so

 private:
  std::mutex mutex_;
};

// split, features, deep and wide, evaluate, register; few rounds.
extern const std::string kSmallPipeline;

PipelineSpec small_pipeline(const Texts& overrides = {});
// Fails the test on an Error.
PipelineOutcome run_to_end(const std::string& id, const PipelineSpec& spec, TestEffects& effects,
                           const CompletedSteps& completed = {}, unsigned max_parallel = 2);

// ops/demo/schema.yaml without its lower bound of rows.
std::string test_schema();

}  // namespace mlforge::actors
