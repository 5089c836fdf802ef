#include "fixture.hpp"

namespace serving_tests {

using namespace mlforge;
using namespace mlforge::projections;
using namespace mlforge::projections::test;

namespace {

PredictionsLogged predictions(std::vector<std::int64_t> versions,
                              std::vector<std::int64_t> challenger) {
  PredictionsLogged e;
  for (std::size_t i = 0; i < versions.size(); ++i) {
    e.request_ids.push_back(std::to_string(i));
    e.probabilities.push_back(0.5);
    e.times.push_back(kStart);
  }
  e.versions = std::move(versions);
  e.challenger = std::move(challenger);
  return e;
}

}  // namespace

TEST_CASE("endpoints count their predictions, as of any position") {
  World w;
  w.append("deployment/adult",
           EndpointCreated{.name = "adult", .model = "adult", .canary_bp = 500});
  w.append("deployment/adult", EndpointVersionActivated{.route = "champion", .version = 1});
  w.append("deployment/adult", EndpointVersionActivated{.route = "challenger", .version = 2});
  w.append("deployment/adult", EndpointSplitChanged{.from_bp = 500, .to_bp = 2000});
  const Position base = w.log->head();
  for (int i = 0; i < 700; ++i) w.append("predictions/adult", predictions({1, 2, 1}, {0, 1, 0}));
  w.append("deployment/adult",
           EndpointVersionActivated{.route = "challenger", .version = 0, .previous = 2});
  auto v = w.reader();
  const auto now = get_endpoint(v, kTenant, "adult");
  REQUIRE(now->canary_bp == 2000);
  REQUIRE(now->active == std::map<std::string, std::uint64_t>{{"champion", 1}});
  REQUIRE(now->predictions == 2100);
  REQUIRE(now->predictions_by_version ==
          std::map<std::string, std::uint64_t>{{"1", 1400}, {"2", 700}});
  REQUIRE(now->predictions_by_route ==
          std::map<std::string, std::uint64_t>{{"challenger", 700}, {"champion", 1400}});
  for (const Position n : {1, 255, 256, 257, 512, 600}) {
    const auto then = get_endpoint(v, kTenant, "adult", base + n);
    REQUIRE(then->predictions == 3 * n);
    REQUIRE(then->predictions_by_version.at("2") == n);
    REQUIRE(then->active.size() == 2);
  }
  const auto none = get_endpoint(v, kTenant, "adult", base);
  REQUIRE(none->predictions == 0);
  REQUIRE(none->predictions_by_version.empty());
  REQUIRE(get_endpoint(v, kTenant, "adult", 1)->canary_bp == 500);
  REQUIRE(list_endpoints(v, kTenant, {})->items.at(0).predictions == 2100);
  REQUIRE(get_endpoint(v, kTenant, "x").error().message == "there is no endpoint 'x'");
}

TEST_CASE("drift reports with alert and retraining, newest first") {
  World w;
  const std::string s = "drift/adult";
  w.append(s, DriftReported{.report_id = "d1", .predictions = 1000, .severity = "stable"});
  w.append(s, DriftReported{.report_id = "d2",
                            .predictions = 1000,
                            .severity = "alert",
                            .triggered = true,
                            .features = {{.feature = "age", .psi = 0.4}}});
  w.append(s, DriftAlertRaised{
                  .report_id = "d2", .psi_threshold = 0.2, .features = {"age"}, .worst_psi = 0.4});
  w.append(
      s, RetrainingTriggered{
             .report_id = "d2", .pipeline = "adult", .pipeline_run_id = "p9", .model_version = 1});
  auto v = w.reader();
  const auto last = latest_drift(v, kTenant, "adult");
  REQUIRE(last->report_id == "d2");
  REQUIRE(last->position == 2);
  REQUIRE(last->features.at(0).psi == 0.4);
  REQUIRE(last->alert);
  REQUIRE(last->alert->position == 3);
  REQUIRE(last->retraining);
  REQUIRE(last->retraining->pipeline_run_id == "p9");
  REQUIRE_FALSE(latest_drift(v, kTenant, "adult", 2)->alert);
  REQUIRE(latest_drift(v, kTenant, "adult", 1)->report_id == "d1");
  const auto all = list_drift(v, kTenant, "adult", {});
  REQUIRE(all->items.size() == 2);
  REQUIRE(all->items[1].report_id == "d1");
  REQUIRE(get_drift(v, kTenant, "adult", "d1")->severity == "stable");
  REQUIRE(latest_drift(v, kTenant, "zoo").error().code == ErrorCode::not_found);
}

TEST_CASE("answers are counted by version, however many there are") {
  World w;
  w.append("endpoint/adult", EndpointCreated{.name = "adult", .model = "adult"});
  for (const std::int64_t many : {1, 16, 17, 500}) {
    std::vector<std::int64_t> versions;
    for (std::int64_t i = 0; i < 2 * many; ++i) versions.push_back(1000 * many + i % many);
    w.append("predictions/adult",
             predictions(versions, std::vector<std::int64_t>(versions.size())));
  }
  auto v = w.reader();
  const auto row = get_endpoint(v, kTenant, "adult");
  REQUIRE(row);
  REQUIRE(row->predictions == 2 * (1 + 16 + 17 + 500));
  REQUIRE(row->predictions_by_version.size() == 1 + 16 + 17 + 500);
  for (const auto& [version, answers] : row->predictions_by_version) REQUIRE(answers == 2);
  REQUIRE(row->predictions_by_route.at("champion") == row->predictions);
}

TEST_CASE("the audit trail says who did what to what, and why") {
  World w;
  w.append("model/adult", ModelRegistered{.name = "adult"});
  const Uuid cause{{9}};
  append(
      *w.log,
      {"model/adult",
       ModelStageChanged{.version = 3, .from = "Staging", .to = "Production", .reason = "better"},
       kTenant, "bob"},
      cause);
  w.append("run/r", RunMetricsLogged{{"loss"}, {1}, {1}, {1}});
  w.append("predictions/adult", predictions({1}, {0}));
  w.append("environment/local", EnvironmentCaptured{.name = "local"});
  w.append("later/x", UnknownEvent{"later.happened", 7, ContentType::json, "{}"});
  auto v = w.reader();
  const auto types = [&](const AuditFilter& filter, PageRequest page = {}) {
    std::string out;
    const auto rows = list_audit(v, *w.log, kTenant, filter, page);
    REQUIRE(rows);
    for (const auto& row : rows->items) out += row.type + " ";
    return out;
  };
  REQUIRE(types({}) == "later.happened environment.captured model.stage_changed model.registered ");
  REQUIRE(types({.stream = "model/adult"}) == "model.stage_changed model.registered ");
  REQUIRE(types({.type_prefix = "model."}) == "model.stage_changed model.registered ");
  REQUIRE(types({.actor = "bob"}) == "model.stage_changed ");
  REQUIRE(types({}, {.as_of = 2}) == "model.stage_changed model.registered ");
  const auto all = list_audit(v, *w.log, kTenant, {}, {});
  const auto when = parse_time(all->items.at(2).time);
  REQUIRE(when);
  REQUIRE(types({.from_time = *when, .until_time = *when}) == "model.stage_changed ");
  REQUIRE(types({.until_time = 0}) == "");
  REQUIRE(types({.from_time = 0}) == types({}));
  const auto& row = all->items.at(2);
  REQUIRE(row.summary == "Version 3 of model 'adult' moved from Staging to Production: better.");
  REQUIRE(row.actor == "bob");
  REQUIRE(row.position == 2);
  REQUIRE(row.causation_id == to_string(cause));
  const auto page = list_audit(v, *w.log, kTenant, {.stream = "model/adult"}, {.limit = 1});
  REQUIRE(types({.stream = "model/adult"}, {.limit = 1, .page_token = page->next_page_token}) ==
          "model.registered ");
}

TEST_CASE("the audit trail of a stream, page by page and as of any position") {
  World w;
  std::vector<Position> own;
  for (int i = 0; i < 333; ++i) {
    own.push_back(w.append("model/adult", ModelTagsSet{.tags = {{"n", std::to_string(i)}}}));
    w.append("model/zoo", ModelTagsSet{.tags = {{"n", std::to_string(i)}}});
    if (i % 50 == 0) (void)w.engine->catch_up();
  }
  auto v = w.reader();
  const auto all_of = [&](const std::string& stream, Position as_of, std::size_t limit) {
    std::vector<Position> out;
    PageRequest page{.limit = limit, .as_of = as_of};
    for (;;) {
      const auto rows = list_audit(v, *w.log, kTenant, {.stream = stream}, page);
      REQUIRE(rows);
      for (const auto& row : rows->items) {
        REQUIRE(row.stream == stream);
        out.push_back(row.position);
      }
      if (rows->next_page_token.empty()) return out;
      REQUIRE(rows->items.size() == limit);
      page.page_token = rows->next_page_token;
    }
  };
  for (const Position as_of : {Position{0}, own[0], own[63], own[64], own[65], own[200], kLatest}) {
    std::vector<Position> expected;
    for (auto at = own.rbegin(); at != own.rend(); ++at)
      if (*at <= as_of) expected.push_back(*at);
    for (const std::size_t limit : {1, 7, 64, 1000})
      REQUIRE(all_of("model/adult", as_of, limit) == expected);
  }
  REQUIRE(all_of("model/none", kLatest, 10).empty());
  const auto bad =
      list_audit(v, *w.log, kTenant, {.stream = "model/adult"}, {.page_token = "6162"});
  REQUIRE(bad.error().field == "page_token");
}

TEST_CASE("every event type has a sentence of its own") {
  for (const auto& happened : random_history(71, 600)) {
    const auto sentence = summarize(entity(happened.stream), happened.event);
    INFO(sentence);
    REQUIRE(sentence.size() > 15);
    REQUIRE(sentence.back() == '.');
  }
}

}  // namespace serving_tests
