#include <limits>

#include "tests/events/given.hpp"

namespace mlforge::test::tracking {
namespace {

const RunStarted started{.run_id = "r1", .experiment_id = "1", .name = "one", .start_time = 7};

Given<RunState> running(Events more = {}) {
  more.insert(more.begin(), started);
  return given<RunState>(more);
}

}  // namespace

TEST_CASE("experiments: numbered as they come, names are unique") {
  given<ExperimentsState>()
      .when(CreateExperiment{"adult"})
      .then({ExperimentCreated{.experiment_id = "1", .name = "adult"}})
      .when(CreateExperiment{"wine"})
      .then({ExperimentCreated{.experiment_id = "2", .name = "wine"}})
      .when(CreateExperiment{"adult"})
      .refused(ErrorCode::already_exists, "name", "adult");
  given<ExperimentsState>().when(CreateExperiment{""}).refused(ErrorCode::invalid_argument, "name");
}

TEST_CASE("run: starts once, with its params and tags") {
  StartRun start{.run_id = "r1", .experiment_id = "1", .name = "one", .time = 7};
  given<RunState>().when(start).then({started});
  start.params = {{"depth", "6"}};
  start.tags = {{"owner", "ann"}};
  const auto run = given<RunState>().when(start).then(
      {started, RunParamsLogged{.params = start.params}, RunTagsSet{.tags = start.tags}});
  CHECK(run.state().status == "running");
  CHECK(run.state().params == start.params);
  CHECK(run.state().tags == start.tags);
  run.when(start).refused(ErrorCode::already_exists, "run_id", "r1");
}

TEST_CASE("run: what cannot start is refused with the field") {
  const StartRun good{.run_id = "r1", .experiment_id = "1"};
  const auto refused = [&](auto change, const std::string& field) {
    StartRun command = good;
    change(command);
    given<RunState>().when(command).refused(ErrorCode::invalid_argument, field);
  };
  refused([](auto& c) { c.run_id = ""; }, "run_id");
  refused([](auto& c) { c.name = std::string(251, 'x'); }, "name");
  refused([](auto& c) { c.params = {{"", "1"}}; }, "params");
  refused([](auto& c) { c.params = {{std::string(251, 'k'), "1"}}; }, "params");
  refused([](auto& c) { c.params = {{"depth", std::string(8001, 'v')}}; }, "params.depth");
  refused([](auto& c) { c.tags = {{"a\nb", "1"}}; }, "tags");
  StartRun limits = good;
  limits.name = std::string(250, 'x');
  limits.params = {{std::string(250, 'k'), std::string(8000, 'v')}};
  given<RunState>().when(limits).then(
      {RunStarted{.run_id = "r1", .experiment_id = "1", .name = limits.name},
       RunParamsLogged{.params = limits.params}});
}

TEST_CASE("run: params never change, new ones may come") {
  const auto run = running({RunParamsLogged{.params = {{"depth", "6"}}}});
  run.when(LogParams{"r1", {{"depth", "6"}}}).nothing();
  run.when(LogParams{"r1", {{"depth", "6"}, {"eta", "0.1"}}})
      .then({RunParamsLogged{.params = {{"eta", "0.1"}}}});
  run.when(LogParams{"r1", {{"depth", "7"}, {"eta", "0.1"}}})
      .refused(ErrorCode::conflict, "params.depth", "already '6'");
  run.when(LogParams{"r1", {}}).refused(ErrorCode::invalid_argument, "params");
  run.when(LogParams{"r1", {{"", "7"}}}).refused(ErrorCode::invalid_argument, "params");
}

TEST_CASE("run: tags may change, equal ones are no event") {
  const auto run = running({RunTagsSet{.tags = {{"owner", "ann"}, {"team", "x"}}}});
  run.when(SetRunTags{"r1", {{"owner", "ann"}}}).nothing();
  const auto changed = run.when(SetRunTags{"r1", {{"owner", "bob"}, {"team", "x"}, {"new", "1"}}})
                           .then({RunTagsSet{.tags = {{"owner", "bob"}, {"new", "1"}}}});
  CHECK(changed.state().tags == Texts{{"owner", "bob"}, {"team", "x"}, {"new", "1"}});
  run.when(SetRunTags{"r1", {}}).refused(ErrorCode::invalid_argument, "tags");
}

TEST_CASE("run: metrics become columns, a missing time is the request's in milliseconds") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  running()
      .when(LogMetrics{"r1", {{"auc", 0.9, 3, 1234}, {"loss", nan, 4, 0}}, 5'000'999})
      .then({RunMetricsLogged{.keys = {"auc", "loss"},
                              .values = {0.9, nan},
                              .timestamps = {1234, 5000},
                              .steps = {3, 4}}});
}

TEST_CASE("run: metrics are refused by their index, and beyond 10,000 of them") {
  running().when(LogMetrics{"r1", {}}).refused(ErrorCode::invalid_argument, "metrics");
  running()
      .when(LogMetrics{"r1", {{"ok", 1}, {"", 2}}})
      .refused(ErrorCode::invalid_argument, "metrics[1].key", "empty");
  running()
      .when(LogMetrics{"r1", {{std::string(251, 'k'), 1}}})
      .refused(ErrorCode::invalid_argument, "metrics[0].key", "250");
  running()
      .when(LogMetrics{"r1", {{"a\tb", 1}}})
      .refused(ErrorCode::invalid_argument, "metrics[0].key", "control");
  std::vector<Metric> many(10000, Metric{"m", 1});
  CHECK(decide(running().state(), LogMetrics{"r1", many, 1}));
  many.push_back({"m", 1});
  running()
      .when(LogMetrics{"r1", many, 1})
      .refused(ErrorCode::invalid_argument, "metrics", "10,000");
}

TEST_CASE("run: artifacts and inputs, the same again is no event") {
  const FileRef file{"model/model.ubj", digest_of('a'), 5}, newer{file.path, digest_of('b'), 6};
  const auto with_file =
      running()
          .when(LogArtifact{"r1", file})
          .then({RunArtifactLogged{.path = file.path, .digest = file.digest, .bytes = 5}});
  with_file.when(LogArtifact{"r1", file}).nothing();
  with_file.when(LogArtifact{"r1", newer})
      .then({RunArtifactLogged{.path = file.path, .digest = newer.digest, .bytes = 6}});
  running()
      .when(LogArtifact{"r1", {"/etc/x", digest_of('a'), 5}})
      .refused(ErrorCode::invalid_argument, "path");
  running().when(LogArtifact{"r1", {"x", "A", 5}}).refused(ErrorCode::invalid_argument, "digest");
  const RunInputLogged input{.dataset = "adult", .version = 2, .digest = digest_of('c')};
  const auto with_input = running().when(LogRunInput{"r1", input}).then({input});
  with_input.when(LogRunInput{"r1", input}).nothing();
  const RunInputLogged next{.dataset = "adult", .version = 3, .digest = digest_of('d')};
  with_input.when(LogRunInput{"r1", next}).then({next});
}

TEST_CASE("run: ends with one of three states") {
  for (const std::string status : {"finished", "failed", "killed"}) {
    running()
        .when(EndRun{"r1", status, 9})
        .then({RunEnded{.status = status, .end_time = 9}})
        .when(EndRun{"r1", status, 10})
        .nothing();
  }
  running()
      .when(EndRun{"r1", "done", 9})
      .refused(ErrorCode::invalid_argument, "status", "finished, failed, killed");
}

TEST_CASE("run: one that never started takes nothing") {
  const auto none = given<RunState>();
  none.when(LogParams{"r1", {{"a", "1"}}}).refused(ErrorCode::not_found, "", "'r1'");
  none.when(SetRunTags{"r1", {{"a", "1"}}}).refused(ErrorCode::not_found);
  none.when(LogMetrics{"r1", {{"a", 1}}}).refused(ErrorCode::not_found);
  none.when(LogArtifact{"r1", {"x", digest_of('a'), 5}}).refused(ErrorCode::not_found);
  none.when(LogRunInput{"r1", {.dataset = "d"}}).refused(ErrorCode::not_found);
  none.when(EndRun{"r1", "finished"}).refused(ErrorCode::not_found);
}

}  // namespace mlforge::test::tracking
