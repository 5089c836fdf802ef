#include "actors/pipeline_executor.hpp"

#include <catch2/catch.hpp>
#include <chrono>
#include <condition_variable>
#include <set>

#include "pipeline_test_effects.hpp"

namespace mlforge::actors {
namespace {

std::set<std::string> steps_with(const TestEffects& effects, const std::string& word) {
  std::set<std::string> out;
  for (const auto& line : effects.record)
    if (line.starts_with(word + " ")) out.insert(line.substr(word.size() + 1));
  return out;
}

const std::set<std::string> kAllSteps{"split", "features", "deep", "wide", "evaluate", "register"};

// Lets callers go on once `wanted` of them are there; false when they do not come.
class Meeting {
 public:
  explicit Meeting(int wanted) : missing_(wanted) {}
  bool arrive() {
    std::unique_lock lock(mutex_);
    --missing_;
    changed_.notify_all();
    return changed_.wait_for(lock, std::chrono::seconds(60), [&] { return missing_ <= 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int missing_;
};

}  // namespace

TEST_CASE("A pipeline runs to a registered model", "[pipeline]") {
  TestEffects effects;
  const auto outcome = run_to_end("p1", small_pipeline(), effects);
  CHECK(outcome.status == "succeeded");
  CHECK(outcome.steps_run == 6);
  CHECK(outcome.steps_cached == 0);
  CHECK(outcome.failed.empty());
  CHECK(steps_with(effects, "started") == kAllSteps);
  CHECK(steps_with(effects, "completed") == kAllSteps);
  CHECK(effects.record.back() == "end");
  REQUIRE(effects.models.size() == 1);
  CHECK(effects.models[0].stage == "Staging");
  CHECK(outcome.completed.at("register").outputs.at("version") == "1");
}

TEST_CASE("Independent steps run at the same time", "[pipeline]") {
  TestEffects effects;
  Meeting meeting(2);
  effects.before_run = [&](const RunRequest& request) -> Status {
    if (meeting.arrive()) return {};
    return Error{ErrorCode::timeout, request.step + " waited alone", ""};
  };
  const auto outcome = run_to_end("p1", small_pipeline(), effects, {}, 2);
  CHECK(outcome.status == "succeeded");
}

TEST_CASE("No more steps than allowed run at the same time", "[pipeline]") {
  TestEffects effects;
  std::atomic<int> inside{0}, most{0};
  effects.before_run = [&](const RunRequest&) -> Status {
    most = std::max(most.load(), ++inside);
    return {};
  };
  effects.before_completed = [&](const std::string& step) -> Status {
    if (step == "deep" || step == "wide") --inside;
    return {};
  };
  run_to_end("p1", small_pipeline(), effects, {}, 1);
  CHECK(most == 1);
}

TEST_CASE("A second run is all cached and registers nothing new", "[pipeline]") {
  TestEffects effects;
  const auto first = run_to_end("p1", small_pipeline(), effects);
  effects.record.clear();
  const auto second = run_to_end("p2", small_pipeline(), effects);
  CHECK(second.status == "succeeded");
  CHECK(second.steps_run == 0);
  CHECK(second.steps_cached == 6);
  CHECK(steps_with(effects, "cached") == kAllSteps);
  CHECK(steps_with(effects, "started") == std::set<std::string>{"register"});
  for (const auto& [name, step] : second.completed) {
    INFO(name);
    CHECK(step.cached_from == "p1");
    CHECK(step.outputs == first.completed.at(name).outputs);
  }
  CHECK(effects.models.size() == 1);
  CHECK(effects.runs.size() == 2);
}

TEST_CASE("A registered version that went further on stays where it is", "[pipeline]") {
  TestEffects effects;
  run_to_end("p1", small_pipeline(), effects);
  effects.models[0].stage = "Archived";
  run_to_end("p2", small_pipeline(), effects);
  CHECK(effects.models[0].stage == "Archived");
}

TEST_CASE("A changed configuration reaches its dependants only", "[pipeline]") {
  TestEffects effects;
  run_to_end("p1", small_pipeline(), effects);
  const auto changed = [&](const std::string& id, const Texts& overrides) {
    effects.record.clear();
    run_to_end(id, small_pipeline(overrides), effects);
    return steps_with(effects, "completed");
  };
  CHECK(changed("p2", {{"steps.wide.params.max_depth", "2"}}) ==
        std::set<std::string>{"wide", "evaluate"});
  CHECK(changed("p3", {{"steps.evaluate.threshold", "0.4"}}) ==
        std::set<std::string>{"evaluate", "register"});
  CHECK(changed("p4", {{"steps.features.numeric.impute", "mean"}}) ==
        std::set<std::string>{"features", "deep", "wide", "evaluate", "register"});
  CHECK(changed("p5", {{"seed", "8"}}) == kAllSteps);
}

TEST_CASE("Other data run everything anew", "[pipeline]") {
  TestEffects effects;
  run_to_end("p1", small_pipeline(), effects);
  effects.add_version(900, 2);
  const auto outcome = run_to_end("p2", small_pipeline(), effects);
  CHECK(outcome.steps_cached == 0);
  CHECK(effects.models.size() == 2);
  CHECK(effects.models[1].command.dataset_version == 2);
}

TEST_CASE("A retraining run with `fresh` trains anew", "[pipeline]") {
  TestEffects effects;
  run_to_end("p1", small_pipeline(), effects);
  const auto outcome = run_to_end("p2", small_pipeline({{"fresh", "report-1"}}), effects);
  CHECK(outcome.steps_cached == 2);
  CHECK(outcome.completed.at("features").cached);
  CHECK_FALSE(outcome.completed.at("deep").cached);
  CHECK(effects.models.size() == 2);
}

TEST_CASE("A cached step whose blob is gone is computed again", "[pipeline]") {
  TestEffects effects;
  const auto first = run_to_end("p1", small_pipeline(), effects);
  for (auto& [key, cached] : effects.cache)
    if (cached.outputs.contains("split") && !cached.outputs.contains("preprocessor"))
      cached.outputs["split"] = std::string(64, '0');
  const auto second = run_to_end("p2", small_pipeline(), effects);
  CHECK_FALSE(second.completed.at("split").cached);
  CHECK(second.completed.at("features").cached);
}

TEST_CASE("After a crash a run goes on with what had completed", "[pipeline]") {
  TestEffects effects;
  effects.before_completed = [](const std::string& step) -> Status {
    if (step == "wide") return Error{ErrorCode::read_only, "the disk is full", ""};
    return {};
  };
  const auto broken = run_pipeline("p1", small_pipeline(), {}, effects, 1);
  REQUIRE_FALSE(broken);
  CHECK(broken.error().code == ErrorCode::read_only);
  CHECK(effects.count("end") == 0);
  CHECK(steps_with(effects, "completed") == std::set<std::string>{"split", "features", "deep"});

  effects.before_completed = nullptr;
  effects.add_version(900, 2);  // a newer version must not slip into the run
  const auto completed = effects.completed;
  effects.record.clear();
  const auto outcome = run_to_end("p1", small_pipeline(), effects, completed);
  CHECK(outcome.status == "succeeded");
  CHECK(outcome.steps_run == 6);
  CHECK(steps_with(effects, "started") == std::set<std::string>{"wide", "evaluate", "register"});
  REQUIRE(effects.models.size() == 1);
  CHECK(effects.models[0].command.dataset_version == 1);
}

TEST_CASE("A crash between version and stage leaves one version in its stage", "[pipeline]") {
  TestEffects effects;
  run_to_end("p1", small_pipeline(), effects);
  effects.models[0].stage = "None";  // as if the transition had not happened
  auto completed = effects.completed;
  completed.erase("register");
  const auto outcome = run_to_end("p1", small_pipeline(), effects, completed);
  CHECK(effects.models.size() == 1);
  CHECK(effects.models[0].stage == "Staging");
  CHECK_FALSE(outcome.completed.at("register").cached);  // it is this run's own version
}

TEST_CASE("A failed step fails the run, and only what needs it is left out", "[pipeline]") {
  TestEffects effects;
  effects.before_run = [](const RunRequest& request) -> Status {
    if (request.step == "deep") return Error{ErrorCode::internal, "no luck", ""};
    return {};
  };
  const auto outcome = run_to_end("p1", small_pipeline(), effects);
  CHECK(outcome.status == "failed");
  CHECK(outcome.failed == std::map<std::string, std::string>{{"deep", "no luck"}});
  CHECK(outcome.skipped == std::vector<std::string>{"evaluate", "register"});
  CHECK(outcome.completed.contains("wide"));
  CHECK(effects.count("failed deep: no luck") == 1);
  CHECK(effects.record.back() == "end");
  CHECK(effects.models.empty());
}

TEST_CASE("A run whose training fails is ended as failed", "[pipeline]") {
  TestEffects effects;
  effects.before_metrics = [](const std::string&) -> Status {
    return Error{ErrorCode::too_many_requests, "slow down", ""};
  };
  const auto outcome = run_to_end("p1", small_pipeline(), effects);
  CHECK(outcome.failed.at("deep") == "slow down");
  CHECK(effects.run_of("deep").status == "failed");
}

TEST_CASE("Without a valid dataset version the run fails and says why", "[pipeline]") {
  TestEffects effects;
  effects.versions[0].valid = false;
  const auto outcome = run_to_end("p1", small_pipeline(), effects);
  CHECK(outcome.status == "failed");
  CHECK(outcome.failed.at("split") == "there is no valid version of dataset 'adult'");
  CHECK(outcome.skipped.size() == 5);
  const auto pinned = run_to_end("p2", small_pipeline({{"dataset", "adult@1"}}), effects);
  CHECK(pinned.failed.at("split") ==
        "version 1 of dataset 'adult' has not passed its checks; a pipeline reads valid versions "
        "only");
}

TEST_CASE("A stopped run stays open and goes on later", "[pipeline]") {
  TestEffects effects;
  effects.before_metrics = [&](const std::string&) -> Status {
    effects.cancel = true;  // while the first curve is being drawn
    return {};
  };
  const auto stopped = run_pipeline("p1", small_pipeline(), {}, effects, 2);
  REQUIRE_FALSE(stopped);
  CHECK(stopped.error().code == ErrorCode::unavailable);
  CHECK(effects.count("failed") == 0);
  CHECK(effects.count("end") == 0);
  for (const auto& [id, run] : effects.runs) CHECK(run.status == "killed");

  effects.cancel = false;
  effects.before_metrics = nullptr;
  const auto completed = effects.completed;
  CHECK(run_to_end("p1", small_pipeline(), effects, completed).status == "succeeded");
}

}  // namespace mlforge::actors
