#include <cmath>

#include "tests/events/given.hpp"

namespace mlforge::test::deployment {
namespace {

const CreateEndpoint create{.name = "score", .model = "income"};
const EndpointCreated created{.name = "score", .model = "income", .experiment_id = "score"};

FeatureDrift feature(const std::string& name, double psi) {
  return {.feature = name, .kind = "numeric", .psi = psi, .test = "ks"};
}
DriftReported report(const std::string& id, Position first, Position last) {
  return {.report_id = id,
          .model_version = 1,
          .first_position = first,
          .last_position = last,
          .predictions = 100,
          .severity = "alert",
          .triggered = true,
          .features = {feature("age", 0.3), feature("sex", 0.1), feature("hours", 0.9)}};
}
DriftAlertRaised alert(const std::string& id) {
  return {.report_id = id, .psi_threshold = 0.2, .features = {"hours", "age"}, .worst_psi = 0.9};
}

}  // namespace

TEST_CASE("endpoint: created once, with defaults where the command is silent") {
  CHECK(created.canary_bp == 1000);
  CHECK(created.unit == "request_id");
  CHECK(created.drift_window == 1000);
  given<EndpointState>().when(create).then({created}).when(create).refused(
      ErrorCode::already_exists, "name");
  auto command = create;
  command.experiment_id = "salt";
  command.canary_bp = 0;
  command.unit = "customer";
  command.retrain_pipeline = "train";
  command.drift_window = 50;
  command.psi_threshold = 0.5;
  command.ks_pvalue_threshold = 0;
  given<EndpointState>().when(command).then({EndpointCreated{.name = "score",
                                                             .model = "income",
                                                             .experiment_id = "salt",
                                                             .canary_bp = 0,
                                                             .unit = "customer",
                                                             .retrain_pipeline = "train",
                                                             .drift_window = 50,
                                                             .psi_threshold = 0.5,
                                                             .ks_pvalue_threshold = 0}});
}

TEST_CASE("endpoint: settings out of range are refused with the field") {
  const auto refused = [](auto change, const std::string& field) {
    auto command = create;
    change(command);
    given<EndpointState>().when(command).refused(ErrorCode::invalid_argument, field);
  };
  refused([](auto& c) { c.name = ""; }, "name");
  refused([](auto& c) { c.model = "a/b"; }, "model");
  refused([](auto& c) { c.unit = ""; }, "unit");
  refused([](auto& c) { c.canary_bp = 10001; }, "canary_bp");
  refused([](auto& c) { c.drift_window = 49; }, "drift_window");
  refused([](auto& c) { c.drift_window = 1000001; }, "drift_window");
  for (const double value : {0.0, -1.0, 100.0, std::nan("")})
    refused([&](auto& c) { c.psi_threshold = value; }, "psi_threshold");
  for (const double value : {-0.1, 1.1, std::nan("")})
    refused([&](auto& c) { c.ks_pvalue_threshold = value; }, "ks_pvalue_threshold");
}

TEST_CASE("endpoint: the canary's share changes between 0 and all") {
  const auto endpoint = given<EndpointState>({created});
  endpoint.when(ChangeSplit{"score", 1000, "x"}).nothing();
  endpoint.when(ChangeSplit{"score", 10000, "all"})
      .then({EndpointSplitChanged{.from_bp = 1000, .to_bp = 10000, .reason = "all"}})
      .when(ChangeSplit{"score", 0, "none"})
      .then({EndpointSplitChanged{.from_bp = 10000, .to_bp = 0, .reason = "none"}});
  endpoint.when(ChangeSplit{"score", 10001, ""}).refused(ErrorCode::invalid_argument, "canary_bp");
  given<EndpointState>().when(ChangeSplit{"score", 1, ""}).refused(ErrorCode::not_found);
}

TEST_CASE("endpoint: a version is activated where it is another one") {
  const auto endpoint = given<EndpointState>({created});
  endpoint.when(ActivateVersion{"score", "challenger", 0}).nothing();
  endpoint.when(ActivateVersion{"score", "champion", 3})
      .then({EndpointVersionActivated{.route = "champion", .version = 3}})
      .when(ActivateVersion{"score", "champion", 3})
      .nothing()
      .when(ActivateVersion{"score", "challenger", 4})
      .then({EndpointVersionActivated{.route = "challenger", .version = 4}})
      .when(ActivateVersion{"score", "champion", 0})
      .then({EndpointVersionActivated{.route = "champion", .version = 0, .previous = 3}});
  given<EndpointState>()
      .when(ActivateVersion{"score", "champion", 1})
      .refused(ErrorCode::not_found);
}

TEST_CASE("predictions: a batch is one event, an empty one none") {
  const PredictionsLogged batch{.request_ids = {"a", "b"}, .probabilities = {0.1, 0.9}};
  const auto once = given<PredictionsState>().when(RecordPredictions{"score", batch}).then({batch});
  CHECK(once.state().count == 2);
  once.when(RecordPredictions{"score", {}}).nothing();
}

TEST_CASE("drift: a report over predictions that one covered already is no event") {
  const auto one = given<DriftState>()
                       .when(RecordDriftReport{"score", report("a", 1, 10)})
                       .then({report("a", 1, 10)});
  one.when(RecordDriftReport{"score", report("a", 1, 10)}).nothing();
  one.when(RecordDriftReport{"score", report("b", 10, 20)}).nothing();
  one.when(RecordDriftReport{"score", report("b", 11, 20)}).then({report("b", 11, 20)});
}

TEST_CASE("drift: an alert names the features over the threshold, the worst first, once") {
  const RaiseDriftAlert raise{"score", "a", 0.2};
  given<DriftState>({report("a", 1, 10)}).when(raise).then({alert("a")}).when(raise).nothing();
  given<DriftState>({report("a", 1, 10)}).when(RaiseDriftAlert{"score", "a", 0.9}).nothing();
  given<DriftState>({report("a", 1, 10)})
      .when(RaiseDriftAlert{"score", "z", 0.2})
      .refused(ErrorCode::not_found, "", "'z'");
  given<DriftState>().when(raise).refused(ErrorCode::not_found);
}

TEST_CASE("drift: one retraining an alert, and one a champion") {
  const TriggerRetraining trigger{"score", "a", "train", "p1"};
  const RetrainingTriggered triggered{
      .report_id = "a", .pipeline = "train", .pipeline_run_id = "p1", .model_version = 1};
  given<DriftState>({report("a", 1, 10)}).when(trigger).refused(ErrorCode::not_found, "", "alert");
  const auto retrained =
      given<DriftState>({report("a", 1, 10), alert("a")}).when(trigger).then({triggered});
  retrained.when(trigger).nothing();
  Events second{report("a", 1, 10), alert("a"), triggered, report("b", 11, 20), alert("b")};
  given<DriftState>(second).when(TriggerRetraining{"score", "b", "train", "p2"}).nothing();
  // The last one came to nothing: another may.
  given<DriftState>(second).when(TriggerRetraining{"score", "b", "train", "p2", "p0"}).nothing();
  given<DriftState>(second)
      .when(TriggerRetraining{"score", "b", "train", "p2", "p1"})
      .then({RetrainingTriggered{
          .report_id = "b", .pipeline = "train", .pipeline_run_id = "p2", .model_version = 1}})
      .when(TriggerRetraining{"score", "b", "train", "p2", "p1"})
      .nothing();
  auto of_the_next_champion = report("c", 21, 30);
  of_the_next_champion.model_version = 2;
  second.push_back(of_the_next_champion);
  second.push_back(alert("c"));
  given<DriftState>(second)
      .when(TriggerRetraining{"score", "c", "train", "p3"})
      .then({RetrainingTriggered{
          .report_id = "c", .pipeline = "train", .pipeline_run_id = "p3", .model_version = 2}});
}

TEST_CASE("drift: an older report that called for an alert still raises it") {
  auto calm = report("b", 11, 20);
  calm.triggered = false;
  const auto both = given<DriftState>({report("a", 1, 10), calm});
  both.when(RaiseDriftAlert{"score", "a", 0.2}).then({alert("a")});
  both.when(RaiseDriftAlert{"score", "b", 0.2}).refused(ErrorCode::not_found, "", "'b'");
  Events many{report("a", 1, 10)};
  for (Position p = 2; p <= 33; ++p)
    many.push_back(report("r" + std::to_string(p), p * 10, p * 10));
  const auto later = given<DriftState>(many);
  CHECK(later.state().triggered.size() == 32);
  later.when(RaiseDriftAlert{"score", "a", 0.2}).refused(ErrorCode::not_found, "", "'a'");
}

}  // namespace mlforge::test::deployment
