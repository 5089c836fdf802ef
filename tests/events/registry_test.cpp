#include <cmath>

#include "tests/events/given.hpp"

namespace mlforge::test {
namespace {

const FileRef bundle{"model.ubj", digest_of('a'), 100};

CreateModelVersion create(const std::string& run, double auc = 0.9) {
  return {.model = "income",
          .run_id = run,
          .pipeline_run_id = "p-" + run,
          .artifacts = {bundle},
          .metrics = {{"auc", auc}}};
}
ModelVersionCreated created(std::uint64_t version, double auc = 0.9) {
  const auto run = "r" + std::to_string(version);
  return {.version = version,
          .run_id = run,
          .pipeline_run_id = "p-" + run,
          .artifacts = {bundle},
          .metrics = {{"auc", auc}}};
}
ModelStageChanged stage(std::uint64_t version, std::string from, std::string to,
                        std::string reason = "") {
  return {.version = version, .from = from, .to = to, .reason = reason};
}
ModelAliasSet alias(std::string name, std::uint64_t version, std::uint64_t previous,
                    std::string reason = "") {
  return {.alias = name, .version = version, .previous = previous, .reason = reason};
}
ModelAliasRemoved removed(std::string name, std::uint64_t previous, std::string reason) {
  return {.alias = name, .previous = previous, .reason = reason};
}
ModelGateEvaluated gate(std::uint64_t version, bool passed) {
  return {.version = version, .passed = passed, .checks = {{"integrity", "", passed}}};
}
TransitionStage move(std::uint64_t version, std::string to, std::string reason = "why") {
  return {"income", version, to, reason};
}

// Version 1 is champion in Production with this figure, version 2 challenger in Staging.
Events champion_and_challenger(double champion, double challenger) {
  return {ModelRegistered{.name = "income"},
          created(1, champion),
          stage(1, "None", "Staging"),
          alias("challenger", 1, 0),
          gate(1, true),
          stage(1, "Staging", "Production"),
          removed("challenger", 1, "promoted"),
          alias("champion", 1, 0),
          created(2, challenger),
          stage(2, "None", "Staging"),
          alias("challenger", 2, 0)};
}

Events with(Events events, const Events& more) {
  events.insert(events.end(), more.begin(), more.end());
  return events;
}

const Promote promote_two{"income", 2, "auc", 0.005, ""};

}  // namespace

TEST_CASE("model: registered once, or with its first version") {
  given<ModelState>()
      .when(RegisterModel{"income", "of people"})
      .then({ModelRegistered{.name = "income", .description = "of people"}})
      .when(RegisterModel{"income", ""})
      .refused(ErrorCode::already_exists, "name");
  given<ModelState>().when(RegisterModel{"a/b", ""}).refused(ErrorCode::invalid_argument, "name");
  given<ModelState>()
      .when(create("r1"))
      .then({ModelRegistered{.name = "income"}, created(1)})
      .when(create("r2"))
      .then({created(2)});
}

TEST_CASE("model: the same version is made once") {
  const auto one = given<ModelState>({ModelRegistered{.name = "income"}, created(1)});
  one.when(create("r1")).nothing();
  auto other_files = create("r1");
  other_files.artifacts[0].digest = digest_of('b');
  auto other = created(2);
  other.run_id = "r1", other.pipeline_run_id = "p-r1", other.artifacts = other_files.artifacts;
  one.when(other_files).then({other});
  auto by_hand = create("r1");
  by_hand.pipeline_run_id = "";
  auto event = created(2);
  event.run_id = "r1", event.pipeline_run_id = "";
  const auto two = one.when(by_hand).then({event});
  two.when(by_hand).nothing();
  CHECK(find_same_version(two.state(), by_hand) == 2);
  CHECK(find_same_version(two.state(), create("r1")) == 1);
  CHECK(find_same_version(two.state(), other_files) == 0);
}

TEST_CASE("model: a person's version with another figure, parameter or dataset is a new one") {
  auto first = create("r1");
  first.pipeline_run_id = "";
  first.dataset = "adult", first.dataset_version = 1;
  ModelState state;
  const auto events = decide(state, first);
  REQUIRE(events);
  for (const auto& event : *events) fold(state, event);
  REQUIRE(find_same_version(state, first) == 1);
  const auto is_new = [&](auto change) {
    auto command = first;
    change(command);
    return find_same_version(state, command) == 0 && decide(state, command)->size() == 1;
  };
  CHECK(is_new([](auto& c) { c.metrics["auc"] = 0.91; }));
  CHECK(is_new([](auto& c) { c.params["depth"] = "6"; }));
  CHECK(is_new([](auto& c) { c.dataset = "other"; }));
  CHECK(is_new([](auto& c) { c.dataset_version = 2; }));
  CHECK(is_new([](auto& c) { c.run_id = "r2"; }));
  // Of a pipeline run the files and the run say all: its step may be run again with other figures.
  auto again = create("r9");
  given<ModelState>({ModelRegistered{.name = "income"}, created(9)}).when(again).nothing();
  again.metrics["auc"] = 0.1;
  given<ModelState>({ModelRegistered{.name = "income"}, created(9)}).when(again).nothing();
}

TEST_CASE("model: a version without sound files and figures is refused with the field") {
  const auto refused = [](auto change, const std::string& field) {
    auto command = create("r1");
    change(command);
    given<ModelState>().when(command).refused(ErrorCode::invalid_argument, field);
  };
  refused([](auto& c) { c.model = ""; }, "model");
  refused([](auto& c) { c.artifacts = {}; }, "artifacts");
  refused([](auto& c) { c.artifacts[0].path = "/abs"; }, "artifacts.path");
  refused([](auto& c) { c.artifacts[0].digest = "?"; }, "artifacts.digest");
  refused([](auto& c) { c.metrics["auc"] = std::nan(""); }, "metrics.auc");
  refused([](auto& c) { c.metrics["loss"] = INFINITY; }, "metrics.loss");
}

TEST_CASE("model: every stage transition, allowed or not") {
  const auto at = [](const std::string& from) {
    Events events{ModelRegistered{.name = "income"}, created(1)};
    if (from != "None") events.push_back(stage(1, "None", from));
    return given<ModelState>(events);
  };
  const auto challenger = alias("challenger", 1, 0, "entered Staging");
  at("None").when(move(1, "Staging")).then({stage(1, "None", "Staging", "why"), challenger});
  at("None").when(move(1, "Archived")).then({stage(1, "None", "Archived", "why")});
  at("Staging").when(move(1, "Archived")).then({stage(1, "Staging", "Archived", "why")});
  at("Production").when(move(1, "Archived")).then({stage(1, "Production", "Archived", "why")});
  at("Archived")
      .when(move(1, "Staging"))
      .then({stage(1, "Archived", "Staging", "why"), challenger});
  for (const std::string same : {"None", "Staging", "Production", "Archived"})
    at(same).when(move(1, same)).nothing();
  for (const std::string from : {"None", "Staging", "Archived"})
    at(from).when(move(1, "Production")).refused(ErrorCode::refused, "stage", "promotion");
  for (const std::string from : {"Staging", "Production", "Archived"})
    at(from).when(move(1, "None")).refused(ErrorCode::conflict, "stage", "never goes back");
  at("Production").when(move(1, "Staging")).refused(ErrorCode::conflict, "stage", "Archived");
  at("None")
      .when(move(1, "staging"))
      .refused(ErrorCode::invalid_argument, "stage", "None, Staging, Production, Archived");
  at("None").when(move(2, "Staging")).refused(ErrorCode::not_found, "", "'2'");
  given<ModelState>().when(move(1, "Staging")).refused(ErrorCode::not_found, "", "'income'");
}

TEST_CASE("model: a version that is archived gives its aliases up") {
  const auto both = given<ModelState>(champion_and_challenger(0.9, 0.9));
  both.when(move(2, "Archived"))
      .then({stage(2, "Staging", "Archived", "why"), removed("challenger", 2, "archived")});
  const auto none =
      both.when(move(1, "Archived"))
          .then({stage(1, "Production", "Archived", "why"), removed("champion", 1, "archived")});
  CHECK(none.state().alias(kChampion) == 0);
  CHECK(none.state().alias(kChallenger) == 2);
}

TEST_CASE("model: the next version in Staging takes the challenger's place") {
  given<ModelState>(with(champion_and_challenger(0.9, 0.9), {created(3)}))
      .when(move(3, "Staging"))
      .then({stage(3, "None", "Staging", "why"), alias("challenger", 3, 2, "entered Staging")});
}

TEST_CASE("model: aliases are set, compared and removed, but champion only moves by promotion") {
  const auto one = given<ModelState>({ModelRegistered{.name = "income"}, created(1), created(2)});
  const auto set =
      one.when(SetAlias{"income", "blue", 1, "why"}).then({alias("blue", 1, 0, "why")});
  set.when(SetAlias{"income", "blue", 1, "again"}).nothing();
  set.when(SetAlias{"income", "blue", 2, "", 0})
      .refused(ErrorCode::conflict, "expected", "version 1");
  set.when(SetAlias{"income", "blue", 2, "", 1}).then({alias("blue", 2, 1)});
  one.when(SetAlias{"income", "blue", 2, "", 0}).then({alias("blue", 2, 0)});
  one.when(SetAlias{"income", "champion", 1}).refused(ErrorCode::refused, "alias", "promotion");
  one.when(SetAlias{"income", "a/b", 1}).refused(ErrorCode::invalid_argument, "alias");
  one.when(SetAlias{"income", "blue", 3}).refused(ErrorCode::not_found, "", "'3'");
  one.when(SetAlias{"income", "blue", 0}).refused(ErrorCode::not_found, "", "'0'");
  set.when(RemoveAlias{"income", "blue", "done"}).then({removed("blue", 1, "done")});
  one.when(RemoveAlias{"income", "blue", ""}).refused(ErrorCode::not_found, "", "blue");
  given<ModelState>().when(RemoveAlias{"income", "blue", ""}).refused(ErrorCode::not_found);
  given<ModelState>(champion_and_challenger(1, 1))
      .when(RemoveAlias{"income", "champion", ""})
      .refused(ErrorCode::refused, "alias");
}

TEST_CASE("model: an alias of digits would be read as a version") {
  const auto one = given<ModelState>({ModelRegistered{.name = "income"}, created(1), created(2)});
  for (const auto* digits : {"1", "0", "007", "12345678901234567890123"})
    one.when(SetAlias{"income", digits, 2}).refused(ErrorCode::invalid_argument, "alias", "digits");
  one.when(SetAlias{"income", "v1", 2}).then({alias("v1", 2, 0)});
}

TEST_CASE("model: the challenger is a version in Staging, and no other") {
  const auto with_archived = given<ModelState>(
      with(champion_and_challenger(0.9, 0.9), {created(3), stage(3, "None", "Archived"), created(4),
                                               created(5), stage(5, "None", "Staging")}));
  for (const std::uint64_t version : {1, 3, 4})
    with_archived.when(SetAlias{"income", "challenger", version})
        .refused(ErrorCode::refused, "alias", "must be in Staging");
  with_archived.when(SetAlias{"income", "challenger", 2}).nothing();
  with_archived.when(SetAlias{"income", "challenger", 5}).then({alias("challenger", 5, 2)});
  with_archived.when(SetAlias{"income", "shadow", 3}).then({alias("shadow", 3, 0)});
}

TEST_CASE("model: a gate passes where every check does, and the last one counts") {
  const Check good{"integrity", "", true}, bad{"metric_minimum", "auc", false, "0.5", "0.8"};
  const auto one = given<ModelState>({ModelRegistered{.name = "income"}, created(1)});
  const auto failed = one.when(RecordGate{"income", 1, {good, bad}})
                          .then({ModelGateEvaluated{.version = 1, .checks = {good, bad}}});
  CHECK(failed.state().version(1)->gate == false);
  const auto passed =
      failed.when(RecordGate{"income", 1, {good}})
          .then({ModelGateEvaluated{.version = 1, .passed = true, .checks = {good}}});
  CHECK(passed.state().version(1)->gate == true);
  one.when(RecordGate{"income", 9, {good}}).refused(ErrorCode::not_found);
}

TEST_CASE("promotion: won, the former champion is archived") {
  const auto reason = "better by at least the required delta";
  const auto won =
      given<ModelState>(with(champion_and_challenger(0.90, 0.92), {gate(2, true)}))
          .when(promote_two)
          .then({ModelPromotionDecided{.version = 2,
                                       .champion = 1,
                                       .metric = "auc",
                                       .challenger_value = 0.92,
                                       .champion_value = 0.90,
                                       .required_delta = 0.005,
                                       .approved = true,
                                       .reason = reason},
                 stage(2, "Staging", "Production", reason),
                 stage(1, "Production", "Archived", "replaced by version 2"),
                 removed("challenger", 2, "promoted"), alias("champion", 2, 1, reason)});
  CHECK(won.state().alias(kChampion) == 2);
  CHECK(won.state().alias(kChallenger) == 0);
  won.when(promote_two).refused(ErrorCode::conflict, "", "already in Production");
}

TEST_CASE("promotion: lost, the challenger is archived and the champion stays") {
  const auto reason = "not better by the required delta";
  const auto lost =
      given<ModelState>(with(champion_and_challenger(0.90, 0.901), {gate(2, true)}))
          .when(promote_two)
          .then({ModelPromotionDecided{.version = 2,
                                       .champion = 1,
                                       .metric = "auc",
                                       .challenger_value = 0.901,
                                       .champion_value = 0.90,
                                       .required_delta = 0.005,
                                       .approved = false,
                                       .reason = reason},
                 stage(2, "Staging", "Archived", reason), removed("challenger", 2, reason)});
  CHECK(lost.state().alias(kChampion) == 1);
  CHECK(lost.state().version(1)->stage == "Production");
  lost.when(promote_two).refused(ErrorCode::conflict, "", "move it to Staging first");
}

TEST_CASE("promotion: the delta is reached where it is met exactly") {
  const auto by = [](double delta) {
    auto command = promote_two;
    command.min_delta = delta;
    const auto events =
        decide(given<ModelState>(with(champion_and_challenger(0.5, 0.75), {gate(2, true)})).state(),
               command);
    REQUIRE(events);
    return get<ModelPromotionDecided>(events->at(0)).approved;
  };
  CHECK(by(0.25));
  CHECK(by(0.0));
  CHECK_FALSE(by(std::nextafter(0.25, 1)));
}

TEST_CASE("promotion: the first champion needs its gate and nobody to beat") {
  const Events staged{ModelRegistered{.name = "income"}, created(1, 0.6),
                      stage(1, "None", "Staging"), alias("challenger", 1, 0)};
  Promote promote{"income", 1, "auc", 0.005, "the first"};
  given<ModelState>(with(staged, {gate(1, true)}))
      .when(promote)
      .then({ModelPromotionDecided{.version = 1,
                                   .metric = "auc",
                                   .challenger_value = 0.6,
                                   .required_delta = 0.005,
                                   .approved = true,
                                   .reason = "there is no champion yet"},
             stage(1, "Staging", "Production", "the first"), removed("challenger", 1, "promoted"),
             alias("champion", 1, 0, "the first")});
  given<ModelState>(staged).when(promote).refused(ErrorCode::conflict, "", "evaluate its gate");
}

TEST_CASE("promotion: a failed gate loses, however good the figures") {
  const auto reason = "its gate has failed checks";
  given<ModelState>(with(champion_and_challenger(0.5, 0.99), {gate(2, true), gate(2, false)}))
      .when(promote_two)
      .then({ModelPromotionDecided{.version = 2,
                                   .champion = 1,
                                   .metric = "auc",
                                   .challenger_value = 0.99,
                                   .champion_value = 0.5,
                                   .required_delta = 0.005,
                                   .approved = false,
                                   .reason = reason},
             stage(2, "Staging", "Archived", reason), removed("challenger", 2, reason)});
}

TEST_CASE("promotion: what cannot be weighed is refused") {
  const auto ready = given<ModelState>(with(champion_and_challenger(0.9, 0.9), {gate(2, true)}));
  auto command = promote_two;
  command.metric = "f1";
  ready.when(command).refused(ErrorCode::conflict, "metric", "no metric 'f1'");
  command = promote_two;
  for (const double delta : {std::nan(""), -0.001, 1.001, double(INFINITY), -double(INFINITY)}) {
    command = promote_two;
    command.min_delta = delta;
    ready.when(command).refused(ErrorCode::invalid_argument, "min_delta", "from 0 to 1");
    CHECK(check_promotion(ready.state(), command));
  }
  auto state = ready.state();
  for (const char* metric : {"fn", "log_loss", "brier", "trees", "cv_auc_std", ""}) {
    command = promote_two;
    command.metric = metric;
    state.versions[1].metrics[metric] = 0.9;
    const auto bad = check_promotion(state, command);
    REQUIRE(bad);
    CHECK(bad->code == ErrorCode::invalid_argument);
    CHECK(bad->field == "metric");
  }
  for (const char* metric : {"auc", "cv_auc_mean", "F1-score", "average_precision", "val/accuracy"})
    CHECK(more_is_better(metric));
  // Of the champion too, for nothing is not zero.
  state.versions[1].metrics["recall"] = 0.9;
  command.metric = "recall";
  CHECK(check_promotion(state, command)->message.find("the champion, version 1") == 0);
  // Its form is looked at before there is a gate.
  const auto ungated = given<ModelState>(champion_and_challenger(0.9, 0.9));
  CHECK_FALSE(check_promotion(ungated.state(), promote_two));
  command = promote_two;
  command.metric = "f1";
  CHECK(check_promotion(ungated.state(), command)->field == "metric");
  command = promote_two;
  command.version = 1;
  CHECK(check_promotion(ungated.state(), command)->code == ErrorCode::conflict);
  command = promote_two;
  command.version = 3;
  ready.when(command).refused(ErrorCode::not_found);
  given<ModelState>().when(promote_two).refused(ErrorCode::not_found);
}

}  // namespace mlforge::test
