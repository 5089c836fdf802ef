// What a diff says is what the views say at its two ends.
#include "projections/diff.hpp"

#include "events/aggregates.hpp"
#include "fixture.hpp"

namespace diff_tests {

using namespace mlforge;
using namespace mlforge::projections;
using namespace mlforge::projections::test;

namespace {

const std::string kHex(64, 'a');

// Decides and appends, as the managers do.
struct Life {
  World world;
  ModelState model;
  DatasetState dataset;
  ExperimentsState experiments;
  EndpointState endpoint;
  DriftState drift;
  PipelineState pipeline;

  template <class State, class Command>
  void act(State& state, const std::string& stream, const Command& command) {
    const auto events = decide(state, command);
    INFO((events ? "" : events.error().message));
    REQUIRE(events);
    for (const auto& each : *events) {
      fold(state, each);
      world.append(stream, each);
    }
  }

  void run(const std::string& id, const std::string& experiment, double auc,
           const std::string& status) {
    RunState state;
    act(state, "run/" + id, StartRun{.run_id = id, .experiment_id = experiment, .name = id});
    act(state, "run/" + id, LogMetrics{id, {{"auc", auc, 1, 1}, {"loss", 1 - auc, 1, 1}}, 5});
    if (!status.empty()) act(state, "run/" + id, EndRun{id, status, 9});
  }

  void version(std::uint64_t number, double auc, double lead) {
    act(model, "model/adult",
        CreateModelVersion{.model = "adult",
                           .run_id = "r" + std::to_string(number),
                           .artifacts = {{"model.ubj", kHex, 1}},
                           .metrics = {{"auc", auc}}});
    act(model, "model/adult", TransitionStage{"adult", number, "Staging", ""});
    act(model, "model/adult", RecordGate{"adult", number, {{.name = "shape", .passed = true}}});
    act(model, "model/adult", Promote{.model = "adult", .version = number, .min_delta = lead});
  }

  void live() {
    act(experiments, "experiments/all", CreateExperiment{"first"});
    act(dataset, "dataset/people", StageFiles{"people", "here", {{"a.csv", kHex, 4}}});
    act(dataset, "dataset/people",
        CommitDataset{.dataset = "people",
                      .message = "all of them",
                      .digest = kHex,
                      .files = files_to_commit(dataset),
                      .validation = RecordValidation{"people", 1, 10, 2, {{.passed = true}}}});
    run("r1", "1", 0.80, "finished");
    version(1, 0.80, 0.005);
    act(endpoint, "deployment/end",
        CreateEndpoint{.name = "end",
                       .model = "adult",
                       .canary_bp = 1000,
                       .drift_window = 50,
                       .psi_threshold = 0.2,
                       .ks_pvalue_threshold = 0.05});
    act(endpoint, "deployment/end", ActivateVersion{"end", "champion", 1});
    run("r2", "1", 0.85, "failed");
    version(2, 0.85, 0.005);
    act(endpoint, "deployment/end", ActivateVersion{"end", "champion", 2});
    act(endpoint, "deployment/end", ChangeSplit{"end", 2500, "more"});
    run("r3", "1", 0.70, "");
    version(3, 0.70, 0.005);
    act(drift, "drift/end",
        RecordDriftReport{"end",
                          {.report_id = "rep",
                           .model_version = 2,
                           .severity = "alert",
                           .triggered = true,
                           .features = {{.feature = "age", .psi = 0.9}}}});
    act(drift, "drift/end", RaiseDriftAlert{"end", "rep", 0.2});
    act(endpoint, "deployment/end", ChangeSplit{"end", 1000, "back"});
  }
};

std::uint64_t champion(ViewReader& view, Position at) {
  const auto row = get_model_version_by_alias(view, kTenant, "adult", "champion", at);
  return row ? row->version : 0;
}

std::map<std::string, std::uint64_t> runs_by_status(ViewReader& view, Position at) {
  std::map<std::string, std::uint64_t> out;
  const auto page = list_runs(view, kTenant, "", {.as_of = at});
  REQUIRE(page);
  for (const auto& row : page->items) ++out[row.status];
  return out;
}

std::uint64_t count_of(const std::map<std::string, std::uint64_t>& all, const std::string& name) {
  const auto at = all.find(name);
  return at == all.end() ? 0 : at->second;
}

// Of the only one of its kind, or an empty one.
template <class Row>
Row only(const std::vector<Row>& rows) {
  REQUIRE(rows.size() <= 1);
  return rows.empty() ? Row{} : rows.front();
}

std::pair<std::uint64_t, std::uint64_t> move_of(const std::vector<PointerMove>& moves,
                                                const std::string& name, std::uint64_t still) {
  for (const auto& each : moves)
    if (each.name == name) return {each.from, each.to};
  return {still, still};
}

bool says(const Diff& diff, const std::string& words) {
  return std::find(diff.words.begin(), diff.words.end(), words) != diff.words.end();
}

}  // namespace

TEST_CASE("between any two positions, a diff agrees with the views at both") {
  Life life;
  life.live();
  auto view = life.world.reader();
  const Position head = life.world.log->head();
  for (Position from = 0; from <= head; ++from)
    for (Position to = from; to <= head; to += 1 + (from + to) % 3) {
      const auto diff = diff_between(*life.world.log, kTenant, from, to);
      REQUIRE(diff);
      INFO("from " << from << " to " << to);
      const auto model = only(diff->models);
      const auto before = champion(view, from), after = champion(view, to);
      REQUIRE(move_of(model.aliases, "champion", before) == std::pair(before, after));
      for (const auto& stage : model.stages) {
        const auto was = get_model_version(view, kTenant, "adult", stage.version, from);
        const auto is = get_model_version(view, kTenant, "adult", stage.version, to);
        REQUIRE(is);
        REQUIRE(is->stage == stage.to);
        REQUIRE((was ? was->stage : "None") == stage.from);
      }
      const auto runs = only(diff->experiments);
      const auto old = runs_by_status(view, from), now = runs_by_status(view, to);
      for (const std::string status : {"finished", "failed"})
        REQUIRE(count_of(runs.ended, status) == count_of(now, status) - count_of(old, status));
      std::uint64_t total = 0;
      for (const auto& each : now) total += each.second;
      for (const auto& each : old) total -= each.second;
      REQUIRE(runs.started == total);
      const auto people = get_dataset(view, kTenant, "people", to);
      const auto then = get_dataset(view, kTenant, "people", from);
      REQUIRE(only(diff->datasets).commits.size() ==
              (people ? people->versions.size() : 0) - (then ? then->versions.size() : 0));
      const auto end = get_endpoint(view, kTenant, "end", to);
      const auto start = get_endpoint(view, kTenant, "end", from);
      if (end && start) {
        const auto split =
            only(diff->endpoints).split.value_or(SplitMove{start->canary_bp, start->canary_bp});
        REQUIRE(split.from_bp == start->canary_bp);
        REQUIRE(split.to_bp == end->canary_bp);
      }
    }
}

TEST_CASE("a diff in words") {
  Life life;
  life.live();
  const Position head = life.world.log->head();
  const auto all = diff_between(*life.world.log, kTenant, 0, head);
  REQUIRE(all);
  INFO(to_json(all->words));
  CHECK(all->events == head);
  CHECK(says(*all, "model adult was registered"));
  CHECK(says(*all, "versions 1 to 3 of model adult were created"));
  CHECK(says(*all,
             "version 1 of model adult was promoted to champion, where there was none (auc 0.8)"));
  CHECK(says(*all,
             "version 2 of model adult was promoted to champion in place of version 1 (auc 0.85 "
             "against 0.8, required lead 0.005)"));
  CHECK(says(*all,
             "version 3 of model adult was refused: not better by the required delta (auc 0.7 "
             "against 0.85, required lead 0.005)"));
  CHECK(says(*all, "alias champion of model adult was set to version 2"));
  CHECK(says(*all,
             "experiment first: 3 runs started, 2 runs ended (1 failed, 1 finished), best auc "
             "0.85 (run r2), best loss 0.15 (run r2)"));
  CHECK(says(*all, "version 1 of dataset people was committed: 1 file, valid, \"all of them\""));
  CHECK(says(*all, "endpoint end was created for model adult"));
  CHECK(says(*all, "endpoint end: 1 drift report (1 alert)"));
  CHECK(says(*all, "endpoint end: drift alert on age (worst PSI 0.9, threshold 0.2)"));
  for (const auto& each : all->words) CHECK(each.find("share") == each.npos);  // it came back
  const auto none = diff_between(*life.world.log, kTenant, head, head);
  REQUIRE(none);
  CHECK(none->words.empty());
  CHECK(none->events == 0);
  CHECK_FALSE(none->from_time.empty());
  CHECK(diff_between(*life.world.log, kTenant, 3, 2).error().field == "from");
  CHECK(diff_between(*life.world.log, "nobody", 0, head)->words.empty());
}

TEST_CASE("random histories, out of place or not, have a diff between any two moments") {
  const auto log = make_log();
  for (const auto& happened : random_history(9, 600)) append(*log, happened);
  std::uint64_t events = 0;
  for (Position from = 0; from < 600; from += 100) {
    const auto diff = diff_between(*log, kTenant, from, from + 100);
    REQUIRE(diff);
    CHECK_FALSE(diff->words.empty());
    CHECK(codec::is_json(to_json(*diff)));
    events += diff->events;
  }
  CHECK(events == diff_between(*log, kTenant, 0, 600)->events);
}

}  // namespace diff_tests
