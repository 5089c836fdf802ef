// The same log under another policy: only what the policy touches differs, and what follows from
// it.
#include "actors/whatif.hpp"

#include <catch2/catch.hpp>
#include <limits>

#include "actors/gate.hpp"
#include "events/aggregates.hpp"
#include "events/event_codec.hpp"
#include "storage/memory_log.hpp"

namespace whatif_tests {

using namespace mlforge;
using namespace mlforge::actors;

namespace {

const std::string kHex(64, 'a');

// Decides and appends, as the managers and the rules do, with a policy of its own.
struct Life {
  std::unique_ptr<storage::MemoryLog> log =
      std::make_unique<storage::MemoryLog>(storage::system_clock(), storage::seeded_ids(1));
  ModelState model;
  DriftState drift;
  std::uint64_t versions = 0;
  double gate_minimum = 0.5, max_regression = 1, lead = 0.01, psi = 0.2;
  std::string retrain_pipeline = "pipe";

  Position append(const std::string& stream, const Event& event) {
    storage::AppendRequest request{.tenant = "default", .actor = "ann"};
    request.events.push_back(encode_event(event, stream));
    const auto answer = log->append({&request, 1});
    REQUIRE(answer.front());
    return answer.front()->last;
  }
  template <class State, class Command>
  Events act(State& state, const std::string& stream, const Command& command) {
    const auto events = decide(state, command);
    INFO((events ? "" : events.error().message));
    REQUIRE(events);
    for (const auto& each : *events) {
      fold(state, each);
      append(stream, each);
    }
    return *events;
  }

  // Trained, staged, through the gate and weighed; answers whether it was promoted.
  bool version(double auc, const std::string& pipeline_run = "") {
    const auto number = ++versions;
    act(model, "model/m",
        CreateModelVersion{.model = "m",
                           .run_id = "r" + std::to_string(number),
                           .pipeline_run_id = pipeline_run,
                           .artifacts = {{"model.ubj", kHex, 1}},
                           .metrics = {{"auc", auc}}});
    act(model, "model/m", TransitionStage{"m", number, "Staging", ""});
    std::optional<Figures> champion;
    if (const auto* other = model.version(model.alias(kChampion))) champion = other->metrics;
    auto checks = evaluate_figures(model.version(number)->metrics, champion,
                                   {"auc", gate_minimum, max_regression});
    checks.insert(checks.begin(), Check{"integrity", "artifacts", true, "1 files match", "all"});
    act(model, "model/m", RecordGate{"m", number, checks});
    const auto events =
        act(model, "model/m", Promote{.model = "m", .version = number, .min_delta = lead});
    return get<ModelPromotionDecided>(events.front()).approved;
  }

  void endpoint() {
    append(
        "deployment/e",
        EndpointCreated{
            .name = "e", .model = "m", .retrain_pipeline = retrain_pipeline, .psi_threshold = psi});
  }

  // A report, and what the rules make of it; answers the pipeline run of a retraining.
  std::string report(const std::string& id, double worst) {
    const auto n = drift.last_position;
    DriftReported report{
        .report_id = id,
        .model_version = model.alias(kChampion),
        .first_position = n + 1,
        .last_position = n + 2,
        .predictions = 100,
        .features = {
            {.feature = "age", .kind = "numeric", .psi = worst, .test = "ks", .p_value = 0.03},
            {.feature = "prediction", .kind = "prediction", .psi = 0.5}}};
    report.severity = "alert";
    report.features[0].severity = worst > psi ? "alert" : worst >= 0.1 ? "investigate" : "stable";
    report.features[1].severity = "alert";
    report.triggered = worst > psi;
    act(drift, "drift/e", RecordDriftReport{"e", report});
    if (!report.triggered) return {};
    act(drift, "drift/e", RaiseDriftAlert{"e", id, psi});
    const auto events = act(drift, "drift/e", TriggerRetraining{"e", id, "pipe", "run-" + id});
    return events.empty() ? "" : "run-" + id;
  }

  WhatIfReport ask(const WhatIfPolicy& policy, Position from = 0, Position to = 0) const {
    const auto out = what_if(*log, "default", from, to ? to : log->head(), policy);
    INFO((out ? "" : out.error().message));
    REQUIRE(out);
    return *out;
  }
};

// Those that differ, as "kind subject: was -> would be".
std::vector<std::string> differences(const WhatIfReport& report) {
  std::vector<std::string> out;
  for (const auto& row : report.rows)
    if (row.differs)
      out.push_back(row.kind + " " + row.subject + ": " + row.decided + " -> " + row.would_be);
  CHECK(out.size() == report.different);
  return out;
}

using Lines = std::vector<std::string>;
using Numbers = std::vector<std::uint64_t>;

bool knows_not(const WhatIfReport& report, const std::string& words) {
  for (const auto& each : report.unknown)
    if (each.find(words) != each.npos) return true;
  return false;
}

}  // namespace

TEST_CASE("under the same policy nothing differs") {
  Life life;
  life.endpoint();
  CHECK(life.version(0.80));
  CHECK(life.version(0.85));
  CHECK_FALSE(life.version(0.855));
  const auto run = life.report("a", 0.4);
  CHECK(life.version(0.90, run));
  life.report("b", 0.15);
  life.report("c", 0.35);
  const auto report = life.ask({});
  CHECK(differences(report).empty());
  CHECK(report.unknown.empty());
  REQUIRE(report.champions.size() == 1);
  CHECK(report.champions[0].decided == Numbers{1, 2, 4});
  CHECK(report.champions[0].would_be == report.champions[0].decided);
  CHECK(report.decisions == 4 + 4 + 3);
  // The same figures given again are the same policy.
  CHECK(differences(life.ask({.min_improvement = 0.01,
                              .gate_minimum = 0.5,
                              .gate_max_regression = 1,
                              .psi_threshold = 0.2}))
            .empty());
}

TEST_CASE("a policy that the server would refuse is refused, by its field") {
  const Life life;
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const auto refused = [&](const WhatIfPolicy& policy, const std::string& field) {
    const auto out = what_if(*life.log, "default", 0, life.log->head(), policy);
    REQUIRE_FALSE(out);
    CHECK(out.error().code == ErrorCode::invalid_argument);
    CHECK(out.error().field == field);
  };
  for (const double wrong : {-0.1, 1.1, nan}) {
    refused({.min_improvement = wrong}, "min_improvement");
    refused({.gate_minimum = wrong}, "gate_minimum");
    refused({.gate_max_regression = wrong}, "gate_max_regression");
    refused({.ks_pvalue_threshold = wrong}, "ks_pvalue_threshold");
  }
  for (const double wrong : {-0.1, 0.0, 100.0, nan})
    refused({.psi_threshold = wrong}, "psi_threshold");
}

TEST_CASE("another required lead changes the champion, and what later ones are compared with") {
  Life life;
  CHECK(life.version(0.80));
  CHECK(life.version(0.82));         // +0.02
  CHECK_FALSE(life.version(0.825));  // +0.005 over 2, +0.025 over 1
  CHECK(life.version(0.84));         // +0.02 over 2, +0.04 over 1
  // With a required lead of 0.022, version 2 is refused, so 3 is weighed against 1 and wins; 4 is
  // then weighed against 3 and loses.
  const auto report = life.ask({.min_improvement = 0.022});
  CHECK(differences(report) == Lines{"promotion m version 2: promoted -> refused",
                                     "promotion m version 3: refused -> promoted",
                                     "promotion m version 4: promoted -> refused"});
  REQUIRE(report.champions.size() == 1);
  CHECK(report.champions[0].decided == Numbers{1, 2, 4});
  CHECK(report.champions[0].would_be == Numbers{1, 3});
  CHECK(knows_not(report, "people and programs may have acted otherwise"));
  for (const auto& row : report.rows)
    if (row.kind == "promotion" && row.subject == "m version 3")
      CHECK(row.why ==
            "better by at least the required delta (auc 0.825 against 0.8 of version 1, "
            "required lead 0.022)");
}

TEST_CASE("a gate under another policy fails, and its version is not promoted") {
  Life life;
  CHECK(life.version(0.80));
  CHECK(life.version(0.90));
  const auto report = life.ask({.gate_minimum = 0.85});
  CHECK(differences(report) == Lines{"gate m version 1: passed -> failed",
                                     "promotion m version 1: promoted -> refused",
                                     "promotion m version 2: promoted -> promoted"});
  CHECK(report.champions[0].would_be == Numbers{2});
  CHECK(report.rows[0].why == "metric_minimum: 0.8, expected at least 0.85");
  Life strict;
  strict.gate_minimum = 0.85;
  CHECK_FALSE(strict.version(0.80));
  CHECK(differences(strict.ask({.gate_minimum = 0.7})) ==
        Lines{"gate m version 1: failed -> passed", "promotion m version 1: refused -> promoted"});
}

TEST_CASE("no regression is measured against the champion that would be") {
  Life life;
  life.max_regression = 0.01;
  life.lead = 0;
  CHECK(life.version(0.80));
  CHECK(life.version(0.90));
  CHECK_FALSE(life.version(0.85));  // a regression of 0.05 against version 2
  CHECK(life.ask({}).different == 0);
  // Version 2 refused: version 3 is no regression against version 1.
  const auto report = life.ask({.min_improvement = 0.2});
  CHECK(differences(report) ==
        Lines{"promotion m version 2: promoted -> refused", "gate m version 3: failed -> passed"});
}

TEST_CASE("a person's command that the other history does not allow is shown as such") {
  Life life;
  CHECK(life.version(0.80));
  CHECK_FALSE(life.version(0.805));
  life.act(life.model, "model/m", TransitionStage{"m", 2, "Staging", "once more"});
  const auto report = life.ask({.min_improvement = 0.001});
  CHECK(differences(report) == Lines{"promotion m version 2: refused -> promoted",
                                     "stage m: version 2 to Staging -> not possible"});
}

TEST_CASE("the policy holds inside of its window only") {
  Life life;
  CHECK(life.version(0.80));
  CHECK(life.version(0.82));
  const Position between = life.log->head();
  CHECK(life.version(0.84));
  CHECK(differences(life.ask({.min_improvement = 0.05}, between)) ==
        Lines{"promotion m version 3: promoted -> refused"});
  CHECK(differences(life.ask({.min_improvement = 0.05}, 0, between)) ==
        Lines{"promotion m version 2: promoted -> refused"});
  CHECK(life.ask({.min_improvement = 0.05}, life.log->head()).decisions == 0);
  CHECK(what_if(*life.log, "default", 2, 1, {}).error().field == "from");
  CHECK(life.ask({}, 0, 0).decisions == 6);
}

TEST_CASE("a higher PSI threshold: no alert, no retraining, no version of it") {
  Life life;
  life.endpoint();
  CHECK(life.version(0.80));
  const auto run = life.report("a", 0.4);
  CHECK(run == "run-a");
  CHECK(life.version(0.90, run));
  const auto report = life.ask({.psi_threshold = 0.5});
  CHECK(differences(report) ==
        Lines{"drift endpoint e, report a: alert, alert raised, retraining started -> investigate",
              "version m version 2: created -> not trained",
              "gate m version 2: passed -> no decision",
              "promotion m version 2: promoted -> no decision"});
  CHECK(report.champions[0].decided == Numbers{1, 2});
  CHECK(report.champions[0].would_be == Numbers{1});
  CHECK(knows_not(report, "whether somebody had trained others instead is not known"));
}

TEST_CASE("a lower PSI threshold: alerts and retrainings that no version tells of") {
  Life life;
  life.endpoint();
  CHECK(life.version(0.80));
  life.report("a", 0.15);
  life.report("b", 0.16);
  const auto report = life.ask({.psi_threshold = 0.12, .ks_pvalue_threshold = 0.01});
  CHECK(differences(report) ==
        Lines{"drift endpoint e, report a: alert -> alert, alert raised, retraining started",
              "drift endpoint e, report b: alert -> alert, alert raised"});
  CHECK(knows_not(report, "1 more retraining(s) would have run"));
  CHECK(knows_not(report, "0 features would be below the p-value threshold instead of 2"));
}

TEST_CASE("reports of a time when another version would have been champion are marked") {
  Life life;
  life.retrain_pipeline = "";
  life.endpoint();
  CHECK(life.version(0.80));
  CHECK(life.version(0.82));
  DriftState& drift = life.drift;
  life.act(drift, "drift/e",
           RecordDriftReport{"e",
                             {.report_id = "x",
                              .model_version = 2,
                              .first_position = 1,
                              .last_position = 2,
                              .severity = "stable"}});
  CHECK_FALSE(knows_not(life.ask({}), "another version would have been champion"));
  CHECK(knows_not(life.ask({.min_improvement = 0.1}), "1 drift report(s) fell into times when"));
}

}  // namespace whatif_tests
