// OpenLineage run events from events of the log.
#include "actors/open_lineage.hpp"

#include <simdjson.h>
#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <fstream>
#include <iterator>

#include "events/event_codec.hpp"

namespace mlforge::actors::test {
namespace {

const std::string kRun = "0190a5dac96774bbcceb302099a80571";
const std::string kRunId = "0190a5da-c967-74bb-cceb-302099a80571";

struct Known final : LineageSource {
  LineageRun run(const std::string& run_id, Position) override {
    LineageRun out;
    if (run_id != kRun) return out;
    out.started = {.run_id = kRun,
                   .experiment_id = "3",
                   .name = "first",
                   .pipeline_run_id = kRun,
                   .step = "train"};
    out.experiment = "fit";
    out.inputs = {{.dataset = "people", .version = 2}};
    out.artifacts = 1;
    out.params = {{"depth", "3"}};
    return out;
  }
  PipelineRunStarted pipeline_run(const std::string&, Position) override {
    return {.pipeline = "adult"};
  }
  std::string model_of_endpoint(const std::string&, Position) override { return "adult"; }
  std::vector<LineageColumn> columns(const std::string&, std::uint64_t, Position) override {
    return {{"age", "DOUBLE"}, {"job", ""}};
  }
};

std::vector<std::string> mapped(const std::string& stream, const Event& event,
                                const std::string& tenant = "default") {
  const auto stored = encode_event(event);
  EventView e;
  e.position = 9;
  e.id = *parse_uuid("01890a5d-ac96-774b-bcce-b302099a8057");
  e.tenant = tenant;
  e.stream = stream;
  e.type = stored.type;
  e.actor = "ann";
  e.time = *parse_time("2026-11-21T09:00:00Z");
  e.payload = stored.payload;
  Known known;
  auto out = lineage_events(e, event, known, {"here", "0.1.0", "http://here:1"});
  for (const auto& each : out) {
    INFO(each);
    const auto parsed = codec::parse(each);
    REQUIRE(parsed);
    for (const auto* field : {"eventType", "eventTime", "producer", "schemaURL"})
      REQUIRE((*parsed)[field].is_string());
    const std::string_view id = (*parsed)["run"]["runId"];
    CHECK(parse_uuid(id));
    for (const auto* place : {"inputs", "outputs"})
      for (const auto dataset : (*parsed)[place].get_array())
        for (const auto facet : dataset["facets"].get_object()) {
          CHECK(facet.value["_producer"].is_string());
          CHECK(facet.value["_schemaURL"].is_string());
        }
    for (const auto facet : (*parsed)["run"]["facets"].get_object()) {
      CHECK(facet.value["_producer"].is_string());
      CHECK(facet.value["_schemaURL"].is_string());
    }
  }
  return out;
}

// The value at a path such as "run.facets.parent.run.runId"; numbers are elements of arrays.
std::string at(const std::string& json, const std::string& path) {
  const auto parsed = codec::parse(json);
  REQUIRE(parsed);
  std::string pointer = "/" + path;
  for (char& c : pointer)
    if (c == '.') c = '/';
  auto found = parsed->at_pointer(pointer);
  INFO(json << " " << path);
  REQUIRE(found.error() == simdjson::SUCCESS);
  std::string_view text;
  if (found.get(text) == simdjson::SUCCESS) return std::string(text);
  return simdjson::minify(found.value());
}

}  // namespace

// Every facet of ours that these tests see is in the document that its _schemaURL names.
TEST_CASE("lineage: the schemas of our facets are served where they say") {
  const char* source = std::getenv("MLFORGE_SOURCE");
  if (!source) {
    WARN("skipped: MLFORGE_SOURCE does not name the source tree");
    return;
  }
  std::ifstream in(source + std::string("/web") + std::string(kLineageFacets));
  const std::string text(std::istreambuf_iterator<char>(in), {});
  REQUIRE_FALSE(text.empty());
  const auto has = [&](const std::string& event, const std::string& place, const std::string& key,
                       const std::string& name) {
    CHECK(at(event, place + "." + key + "._schemaURL") ==
          "http://here:1" + std::string(kLineageFacets) + "#/$defs/" + name);
    std::vector<std::string> members;
    const auto facet = codec::parse(at(event, place + "." + key));
    REQUIRE(facet);
    for (const auto member : facet->get_object()) members.emplace_back(member.key);
    const auto schemas = codec::parse(text);
    REQUIRE(schemas);
    const auto properties = schemas->at_pointer("/$defs/" + name + "/allOf/1/properties");
    REQUIRE(properties.error() == simdjson::SUCCESS);
    for (const auto& member : members) {
      INFO(key << "." << member);
      CHECK((member.starts_with('_') || properties[member].error() == simdjson::SUCCESS));
    }
  };
  const auto run = mapped("run/" + kRun, RunStarted{.run_id = kRun});
  has(run[0], "run.facets", "mlforge_event", "MlforgeEventRunFacet");
  has(run[0], "run.facets", "mlforge_run", "MlforgeRunRunFacet");
  const auto pipeline = mapped("pipeline_run/" + kRun, PipelineRunStarted{.pipeline = "adult"});
  has(pipeline[0], "run.facets", "mlforge_trigger", "MlforgeTriggerRunFacet");
  const auto step = mapped("pipeline_run/" + kRun, PipelineStepCompleted{.step = "train"});
  has(step[0], "run.facets", "mlforge_step", "MlforgeStepRunFacet");
  const auto made = mapped("model/adult", ModelVersionCreated{.version = 2});
  has(made[0], "outputs.0.facets", "mlforge_model", "MlforgeModelDatasetFacet");
  const auto decided = mapped("model/adult", ModelPromotionDecided{.version = 2});
  has(decided[0], "run.facets", "mlforge_promotion", "MlforgePromotionRunFacet");
  const auto active = mapped("deployment/in", EndpointVersionActivated{.route = "champion"});
  has(active[0], "run.facets", "mlforge_activation", "MlforgeActivationRunFacet");
  const auto drift = mapped("drift/in", DriftReported{.report_id = "r", .features = {{"age"}}});
  has(drift[0], "run.facets", "mlforge_drift", "MlforgeDriftRunFacet");
  const auto alert = mapped("drift/in", DriftAlertRaised{.report_id = "r"});
  has(alert[0], "run.facets", "mlforge_driftAlert", "MlforgeDriftAlertRunFacet");
  const auto again = mapped("drift/in", RetrainingTriggered{.report_id = "r"});
  has(again[0], "run.facets", "mlforge_retraining", "MlforgeRetrainingRunFacet");
}

TEST_CASE("lineage: a tracked run starts and ends") {
  const auto start = mapped("run/" + kRun, RunStarted{.run_id = kRun});
  REQUIRE(start.size() == 1);
  CHECK(at(start[0], "eventType") == "START");
  CHECK(at(start[0], "eventTime") == "2026-11-21T09:00:00.000000Z");
  CHECK(at(start[0], "run.runId") == kRunId);
  CHECK(at(start[0], "job.namespace") == "here");
  CHECK(at(start[0], "job.name") == "experiment/fit/train");
  CHECK(at(start[0], "run.facets.parent.job.name") == "pipeline/adult/train");
  CHECK(at(start[0], "run.facets.mlforge_event.position") == "9");
  for (const auto& [status, type] :
       {std::pair{"finished", "COMPLETE"}, {"failed", "FAIL"}, {"killed", "ABORT"}}) {
    const auto end = mapped("run/" + kRun, RunEnded{.status = status});
    REQUIRE(end.size() == 1);
    CHECK(at(end[0], "eventType") == type);
    CHECK(at(end[0], "run.runId") == kRunId);
    CHECK(at(end[0], "inputs.0.name") == "dataset/people");
    CHECK(at(end[0], "inputs.0.facets.version.datasetVersion") == "2");
    CHECK(at(end[0], "inputs.0.facets.schema.fields.0.type") == "DOUBLE");
    CHECK(at(end[0], "inputs.0.facets.schema.fields.1.name") == "job");
    CHECK(at(end[0], "outputs.0.name") == "run/" + kRun + "/artifacts");
    CHECK(at(end[0], "run.facets.mlforge_run.params.depth") == "3");
  }
  const auto other = mapped("run/x", RunStarted{}, "acme");
  CHECK(at(other[0], "job.namespace") == "here/acme");
}

TEST_CASE("lineage: pipelines and their steps") {
  const auto stream = "pipeline_run/" + kRun;
  const auto start = mapped(stream, PipelineRunStarted{.pipeline = "adult", .trigger = "drift:in"});
  CHECK(at(start.at(0), "eventType") == "START");
  CHECK(at(start.at(0), "job.name") == "pipeline/adult");
  CHECK(at(start.at(0), "run.facets.mlforge_trigger.trigger") == "drift:in");
  CHECK(at(mapped(stream, PipelineRunEnded{.status = "succeeded"}).at(0), "eventType") ==
        "COMPLETE");
  CHECK(at(mapped(stream, PipelineRunEnded{.status = "failed"}).at(0), "eventType") == "FAIL");
  const auto step = mapped(stream, PipelineStepStarted{.step = "train", .kind = "train"}).at(0);
  const auto done = mapped(stream, PipelineStepCompleted{.step = "train", .kind = "train"}).at(0);
  const auto failed =
      mapped(stream, PipelineStepFailed{.step = "train", .error = "no \"data\""}).at(0);
  CHECK(at(step, "eventType") == "START");
  CHECK(at(done, "eventType") == "COMPLETE");
  CHECK(at(failed, "eventType") == "FAIL");
  CHECK(at(failed, "run.facets.errorMessage.message") == "no \"data\"");
  CHECK(at(step, "run.runId") == at(failed, "run.runId"));
  CHECK(at(step, "run.runId") != kRunId);
  CHECK(at(step, "run.facets.parent.run.runId") == kRunId);
  // One that was taken from another run never started.
  const auto cached = mapped(stream, PipelineStepCompleted{.step = "split", .cached = true});
  REQUIRE(cached.size() == 2);
  CHECK(at(cached[0], "eventType") == "START");
  CHECK(at(cached[1], "run.facets.mlforge_step.cached") == "true");
}

TEST_CASE("lineage: promotions and drift have facets") {
  const auto promoted = mapped("model/adult", ModelPromotionDecided{.version = 4,
                                                                    .champion = 3,
                                                                    .metric = "auc",
                                                                    .challenger_value = 0.93,
                                                                    .champion_value = 0.92,
                                                                    .required_delta = 0.005,
                                                                    .approved = true,
                                                                    .reason = "better"});
  REQUIRE(promoted.size() == 2);
  CHECK(at(promoted[0], "eventType") == "START");
  CHECK(at(promoted[1], "eventType") == "COMPLETE");
  CHECK(at(promoted[1], "job.name") == "model/adult/promote");
  CHECK(at(promoted[1], "run.facets.mlforge_promotion.challengerValue") == "0.93");
  CHECK(at(promoted[1], "run.facets.mlforge_promotion.approved") == "true");
  CHECK(at(promoted[1], "inputs.1.facets.version.datasetVersion") == "3");
  CHECK(at(promoted[1], "outputs.0.facets.version.datasetVersion") == "4");
  const auto refused = mapped("model/adult", ModelPromotionDecided{.version = 4, .reason = "no"});
  CHECK(at(refused.at(1), "outputs") == "[]");

  const auto drift =
      mapped("drift/income", DriftReported{.report_id = "r1",
                                           .model_version = 3,
                                           .first_position = 5,
                                           .last_position = 8,
                                           .predictions = 1000,
                                           .severity = "alert",
                                           .triggered = true,
                                           .features = {{.feature = "age", .psi = 0.31}}});
  REQUIRE(drift.size() == 2);
  CHECK(at(drift[1], "job.name") == "endpoint/income/drift");
  CHECK(at(drift[1], "run.facets.mlforge_drift.features.0.psi") == "0.31");
  CHECK(at(drift[1], "inputs.0.name") == "predictions/income");
  CHECK(at(drift[1], "inputs.1.name") == "model/adult");
  const auto alert = mapped("drift/income", DriftAlertRaised{.report_id = "r1", .worst_psi = 0.31});
  CHECK(at(alert.at(0), "eventType") == "OTHER");
  CHECK(at(alert.at(0), "run.runId") == at(drift[1], "run.runId"));
  const auto retraining =
      mapped("drift/income", RetrainingTriggered{.report_id = "r1", .pipeline_run_id = kRun});
  CHECK(at(retraining.at(0), "run.facets.mlforge_retraining.pipelineRunId") == kRunId);
}

TEST_CASE("lineage: datasets, models and endpoints") {
  const auto committed = mapped("dataset/people", DatasetCommitted{.version = 2});
  CHECK(at(committed.at(1), "outputs.0.facets.version.datasetVersion") == "2");
  const auto bad = mapped(
      "dataset/people",
      DatasetValidated{.version = 2, .rows = 10, .checks = {{.name = "min", .column = "age"}}});
  CHECK(at(bad.at(1), "eventType") == "FAIL");
  CHECK(at(bad[1], "inputs.0.inputFacets.dataQualityAssertions.assertions.0.success") == "false");
  CHECK(at(bad[1], "inputs.0.inputFacets.dataQualityMetrics.rowCount") == "10");
  const auto model = mapped("model/adult", ModelVersionCreated{.version = 1,
                                                               .run_id = kRun,
                                                               .dataset = "people",
                                                               .dataset_version = 2,
                                                               .metrics = {{"auc", 0.9}}});
  CHECK(at(model.at(1), "inputs.1.name") == "run/" + kRun + "/artifacts");
  CHECK(at(model[1], "outputs.0.facets.mlforge_model.metrics.auc") == "0.9");
  const auto active =
      mapped("deployment/income", EndpointVersionActivated{.route = "champion", .version = 3});
  CHECK(at(active.at(1), "inputs.0.name") == "model/adult");
}

TEST_CASE("lineage: other events have none, and the filter holds those that have") {
  CHECK(mapped("run/x", RunTagsSet{}).empty());
  CHECK(mapped("model/x", ModelAliasSet{}).empty());
  CHECK_FALSE(lineage_types().empty());
  CHECK(lineage_run_id(kRun) == kRunId);
  CHECK(lineage_run_id("a") != lineage_run_id("b"));
  CHECK(parse_uuid(lineage_run_id("a")));
}

}  // namespace mlforge::actors::test
