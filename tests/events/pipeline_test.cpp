#include "tests/events/given.hpp"

namespace mlforge::test {
namespace {

DefinePipeline define(const std::string& spec, const std::string& digest) {
  return {.name = "train", .spec = spec, .digest = digest, .steps = {"split", "fit"}};
}
PipelineDefined defined(std::uint64_t version, const std::string& spec, const std::string& digest) {
  return {.name = "train",
          .version = version,
          .spec = spec,
          .digest = digest,
          .steps = {"split", "fit"}};
}

const PipelineRunStarted started{.pipeline_run_id = "p1",
                                 .pipeline = "train",
                                 .pipeline_version = 2,
                                 .spec = "steps: []",
                                 .overrides = {{"fit.depth", "3"}},
                                 .trigger = "user",
                                 .environment = "e",
                                 .start_time = 5};

Given<PipelineRunState> running(Events more = {}) {
  more.insert(more.begin(), started);
  return given<PipelineRunState>(more);
}
PipelineStepCompleted completed(const std::string& step, bool cached = false) {
  return {.step = step, .kind = "train", .cache_key = "k", .cached = cached};
}
PipelineStepFailed failed(const std::string& step) {
  return {.step = step, .kind = "train", .error = "out of memory"};
}

}  // namespace

TEST_CASE("pipeline: a new text is a new version, the same one is no event") {
  given<PipelineState>()
      .when(define("one", "d1"))
      .then({defined(1, "one", "d1")})
      .when(define("one", "d1"))
      .nothing()
      .when(define("two", "d2"))
      .then({defined(2, "two", "d2")})
      .when(define("one", "d1"))
      .then({defined(3, "one", "d1")});
  given<PipelineState>()
      .when(DefinePipeline{.name = "..", .spec = "x"})
      .refused(ErrorCode::invalid_argument, "name");
}

TEST_CASE("pipeline run: starts once") {
  const StartPipelineRun start{.pipeline_run_id = "p1",
                               .pipeline = "train",
                               .pipeline_version = 2,
                               .spec = "steps: []",
                               .overrides = {{"fit.depth", "3"}},
                               .environment = "e",
                               .time = 5};
  const auto run = given<PipelineRunState>().when(start).then({started});
  CHECK(run.state().status == "running");
  CHECK(run.state().overrides == start.overrides);
  run.when(start).refused(ErrorCode::already_exists, "", "p1");
}

TEST_CASE("pipeline run: a step starts, completes once, and is not started again") {
  const StartStep start{"p1", "fit", "train", "k"};
  const auto run = running().when(start).then(
      {PipelineStepStarted{.step = "fit", .kind = "train", .cache_key = "k"}});
  const auto done = run.when(CompleteStep{"p1", completed("fit")}).then({completed("fit")});
  done.when(CompleteStep{"p1", completed("fit", true)}).nothing();
  done.when(start).refused(ErrorCode::conflict, "", "already completed");
}

TEST_CASE("pipeline run: a failed step may be tried again, and then no longer counts as failed") {
  const EndPipelineRun end{"p1", 9};
  const auto bad =
      running().when(FailStep{"p1", "fit", "train", "out of memory"}).then({failed("fit")});
  bad.when(end).then({PipelineRunEnded{.status = "failed", .end_time = 9}});
  const auto again =
      bad.when(StartStep{"p1", "fit", "train", "k"})
          .then({PipelineStepStarted{.step = "fit", .kind = "train", .cache_key = "k"}})
          .when(CompleteStep{"p1", completed("fit")})
          .then({completed("fit")});
  again.when(end).then({PipelineRunEnded{.status = "succeeded", .steps_run = 1, .end_time = 9}});
}

TEST_CASE("pipeline run: its end counts what ran and what the cache answered") {
  running({completed("a"), completed("b", true), completed("c", true), failed("d")})
      .when(EndPipelineRun{"p1", 9})
      .then(
          {PipelineRunEnded{.status = "failed", .steps_run = 1, .steps_cached = 2, .end_time = 9}})
      .when(EndPipelineRun{"p1", 10})
      .refused(ErrorCode::conflict, "", "already failed");
}

TEST_CASE("pipeline run: one that does not run takes nothing") {
  const auto each = [](const Given<PipelineRunState>& given, ErrorCode code) {
    given.when(StartStep{"p1", "fit", "train", "k"}).refused(code, "", "p1");
    given.when(CompleteStep{"p1", completed("fit")}).refused(code, "", "p1");
    given.when(FailStep{"p1", "fit", "train", "x"}).refused(code, "", "p1");
    given.when(EndPipelineRun{"p1", 1}).refused(code, "", "p1");
  };
  each(given<PipelineRunState>(), ErrorCode::not_found);
  each(running({PipelineRunEnded{.status = "succeeded"}}), ErrorCode::conflict);
}

TEST_CASE("environment: captured where its facts have changed") {
  const CaptureEnvironment capture{"host", "local", "d1", {{"os", "Debian 12"}}};
  const EnvironmentCaptured captured{
      .name = "host", .kind = "local", .digest = "d1", .facts = {{"os", "Debian 12"}}};
  const auto once = given<EnvironmentState>().when(capture).then({captured});
  once.when(capture).nothing();
  auto changed = capture;
  changed.digest = "d2";
  auto event = captured;
  event.digest = "d2";
  once.when(changed).then({event});
  given<EnvironmentState>()
      .when(CaptureEnvironment{"host", "cloud", "d", {}})
      .refused(ErrorCode::invalid_argument, "kind", "local");
  given<EnvironmentState>()
      .when(CaptureEnvironment{"", "local", "d", {}})
      .refused(ErrorCode::invalid_argument, "name");
}

}  // namespace mlforge::test
