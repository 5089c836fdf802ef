#include "actors/open_lineage.hpp"

#include <algorithm>
#include <cstring>

#include "actors/open_lineage_json.hpp"
#include "actors/streams.hpp"
#include "storage/digest.hpp"

namespace mlforge::actors {
namespace {

using lineage::array;
using lineage::Members;
using lineage::Writer;
using Strings = std::vector<std::string>;

class Mapper {
 public:
  Mapper(const EventView& view, LineageSource& source, const LineageOptions& options)
      : e_(view), source_(source), w_(view, options), name_(name_of(view.stream)) {}

  template <class Other>
  Strings operator()(const Other&) {
    return {};
  }
  Strings operator()(const PipelineRunStarted& s) {
    auto run = pipeline_run(s.pipeline);
    run.facets.add(w_.own_facet("mlforge_trigger", Members()
                                                       .text("trigger", s.trigger)
                                                       .value("overrides", s.overrides)
                                                       .text("environment", s.environment)
                                                       .value("version", s.pipeline_version)));
    return {w_.event("START", run)};
  }
  Strings operator()(const PipelineRunEnded& ended) {
    return {w_.event(ended.status == "succeeded" ? "COMPLETE" : "FAIL", pipeline_run(pipeline()))};
  }
  Strings operator()(const PipelineStepStarted& s) {
    return {w_.event("START", step_run(s.step, s.kind))};
  }
  Strings operator()(const PipelineStepCompleted& s) {
    auto run = step_run(s.step, s.kind);
    run.facets.add(w_.own_facet("mlforge_step", Members()
                                                    .text("kind", s.kind)
                                                    .value("cached", s.cached)
                                                    .text("cachedFrom", s.cached_from)
                                                    .value("figures", s.figures)
                                                    .value("seconds", s.seconds)));
    if (s.cached) return w_.whole(run);
    return {w_.event("COMPLETE", run)};
  }
  Strings operator()(const PipelineStepFailed& s) {
    auto run = step_run(s.step, s.kind);
    run.facets.add(w_.facet("errorMessage", "1-0-0/ErrorMessageRunFacet",
                            Members().text("message", s.error).text("programmingLanguage", "C++")));
    return {w_.event("FAIL", run)};
  }
  Strings operator()(const RunStarted&) { return {w_.event("START", tracked_run())}; }
  Strings operator()(const RunEnded& ended) {
    const auto end = ended.status == "finished" ? "COMPLETE"
                     : ended.status == "killed" ? "ABORT"
                                                : "FAIL";
    return {w_.event(end, tracked_run())};
  }
  Strings operator()(const DatasetCommitted& c) {
    Writer::Run run{.id = to_string(e_.id), .job = "dataset/" + name_ + "/commit"};
    run.outputs = {dataset(name_, c.version)};
    return w_.whole(run);
  }
  Strings operator()(const DatasetValidated& v);
  Strings operator()(const ModelVersionCreated& v);
  Strings operator()(const ModelPromotionDecided& d);
  Strings operator()(const EndpointVersionActivated& a) {
    Writer::Run run{.id = to_string(e_.id), .job = "endpoint/" + name_ + "/activate"};
    const auto model = source_.model_of_endpoint(name_, e_.position);
    if (a.version > 0 && !model.empty()) run.inputs = {model_version(model, a.version)};
    run.outputs = {w_.dataset("endpoint/" + name_, w_.version(std::to_string(e_.version)))};
    run.facets = w_.own_facet(
        "mlforge_activation",
        Members().text("route", a.route).value("version", a.version).value("previous", a.previous));
    return w_.whole(run);
  }
  Strings operator()(const DriftReported& r);
  Strings operator()(const DriftAlertRaised& a) {
    auto run = drift_run(a.report_id);
    run.facets = w_.own_facet("mlforge_driftAlert", Members()
                                                        .text("reportId", a.report_id)
                                                        .value("psiThreshold", a.psi_threshold)
                                                        .value("worstPsi", a.worst_psi)
                                                        .value("features", a.features));
    return {w_.event("OTHER", run)};
  }
  Strings operator()(const RetrainingTriggered& t) {
    auto run = drift_run(t.report_id);
    run.facets = w_.own_facet("mlforge_retraining",
                              Members()
                                  .text("reportId", t.report_id)
                                  .text("pipeline", "pipeline/" + t.pipeline)
                                  .text("pipelineRunId", lineage_run_id(t.pipeline_run_id))
                                  .value("modelVersion", t.model_version));
    return {w_.event("OTHER", run)};
  }

 private:
  std::string pipeline() { return source_.pipeline_run(name_, e_.position).pipeline; }

  Writer::Run pipeline_run(const std::string& pipeline) {
    return {.id = lineage_run_id(name_), .job = "pipeline/" + pipeline, .job_type = "PIPELINE"};
  }
  Writer::Run step_run(const std::string& step, const std::string& kind) {
    const auto pipeline = this->pipeline();
    return {.id = lineage_run_id("step/" + name_ + "/" + step),
            .job = "pipeline/" + pipeline + "/" + step,
            .job_type = "STEP_" + kind,
            .facets = w_.parent(lineage_run_id(name_), "pipeline/" + pipeline)};
  }
  Writer::Run tracked_run() {
    const auto run = source_.run(name_, e_.position);
    const auto& s = run.started;
    Writer::Run out{.id = lineage_run_id(name_),
                    .job = "experiment/" +
                           (run.experiment.empty() ? s.experiment_id : run.experiment) +
                           (s.step.empty() ? "" : "/" + s.step),
                    .job_type = "TRAINING"};
    if (!s.pipeline_run_id.empty()) {
      const auto pipeline = source_.pipeline_run(s.pipeline_run_id, e_.position).pipeline;
      out.facets.add(w_.parent(lineage_run_id("step/" + s.pipeline_run_id + "/" + s.step),
                               "pipeline/" + pipeline + "/" + s.step));
    }
    out.facets.add(w_.own_facet(
        "mlforge_run",
        Members().text("runId", name_).text("name", s.name).value("params", run.params)));
    for (const auto& input : run.inputs)
      out.inputs.push_back(dataset(input.dataset, input.version));
    if (run.artifacts > 0)
      out.outputs.push_back(w_.dataset("run/" + name_ + "/artifacts", w_.version("1")));
    return out;
  }

  // A version of a dataset, with its columns where they are known.
  Members dataset_facets(const std::string& name, std::uint64_t version) {
    Members facets = w_.version(std::to_string(version));
    Strings fields;
    for (const auto& column : source_.columns(name, version, e_.position)) {
      Members field = Members().text("name", column.name);
      if (!column.type.empty()) field.text("type", column.type);
      fields.push_back(field.object());
    }
    if (!fields.empty())
      facets.add(
          w_.facet("schema", "1-0-0/SchemaDatasetFacet", Members().raw("fields", array(fields))));
    return facets;
  }
  std::string dataset(const std::string& name, std::uint64_t version) {
    return w_.dataset("dataset/" + name, dataset_facets(name, version));
  }
  std::string model_version(const std::string& model, std::uint64_t version) {
    return w_.dataset("model/" + model, w_.version(std::to_string(version)));
  }
  Writer::Run drift_run(const std::string& report_id) {
    return {.id = lineage_run_id("drift/" + name_ + "/" + report_id),
            .job = "endpoint/" + name_ + "/drift"};
  }

  const EventView& e_;
  LineageSource& source_;
  Writer w_;
  const std::string name_;
};

Strings Mapper::operator()(const DatasetValidated& v) {
  Strings assertions;
  for (const auto& check : v.checks) {
    Members one = Members().text("assertion", check.name).value("success", check.passed);
    if (!check.column.empty()) one.text("column", check.column);
    assertions.push_back(one.object());
  }
  Members facets =
      w_.facet("dataQualityAssertions", "1-0-0/DataQualityAssertionsDatasetFacet",
               Members().raw("assertions", array(assertions)))
          .add(w_.facet("dataQualityMetrics", "1-0-0/DataQualityMetricsInputDatasetFacet",
                        Members().value("rowCount", v.rows).raw("columnMetrics", "{}")));
  Writer::Run run{.id = to_string(e_.id), .job = "dataset/" + name_ + "/validate"};
  run.inputs = {
      w_.dataset("dataset/" + name_, dataset_facets(name_, v.version), "inputFacets", facets)};
  return w_.whole(run, v.passed ? "COMPLETE" : "FAIL");
}

Strings Mapper::operator()(const ModelVersionCreated& v) {
  Writer::Run run{.id = to_string(e_.id), .job = "model/" + name_ + "/register"};
  if (!v.pipeline_run_id.empty()) {
    const auto pipeline = source_.pipeline_run(v.pipeline_run_id, e_.position).pipeline;
    run.facets = w_.parent(lineage_run_id(v.pipeline_run_id), "pipeline/" + pipeline);
  }
  if (!v.dataset.empty()) run.inputs.push_back(dataset(v.dataset, v.dataset_version));
  if (!v.run_id.empty())
    run.inputs.push_back(w_.dataset("run/" + v.run_id + "/artifacts", w_.version("1")));
  const auto facets = w_.version(std::to_string(v.version));
  run.outputs = {
      w_.dataset("model/" + name_, Members(facets).add(w_.own_facet("mlforge_model",
                                                                    Members()
                                                                        .value("version", v.version)
                                                                        .text("runId", v.run_id)
                                                                        .value("metrics", v.metrics)
                                                                        .value("params", v.params),
                                                                    "Dataset")))};
  return w_.whole(run);
}

Strings Mapper::operator()(const ModelPromotionDecided& d) {
  Writer::Run run{.id = to_string(e_.id), .job = "model/" + name_ + "/promote"};
  run.inputs = {model_version(name_, d.version)};
  if (d.champion > 0) run.inputs.push_back(model_version(name_, d.champion));
  if (d.approved) run.outputs = {model_version(name_, d.version)};
  run.facets = w_.own_facet("mlforge_promotion", Members()
                                                     .text("model", name_)
                                                     .value("version", d.version)
                                                     .value("champion", d.champion)
                                                     .text("metric", d.metric)
                                                     .value("challengerValue", d.challenger_value)
                                                     .value("championValue", d.champion_value)
                                                     .value("requiredDelta", d.required_delta)
                                                     .value("approved", d.approved)
                                                     .text("reason", d.reason));
  return w_.whole(run);
}

Strings Mapper::operator()(const DriftReported& r) {
  Strings features;
  for (const auto& f : r.features)
    features.push_back(Members()
                           .text("feature", f.feature)
                           .text("kind", f.kind)
                           .value("psi", f.psi)
                           .text("test", f.test)
                           .value("statistic", f.statistic)
                           .value("pValue", f.p_value)
                           .text("severity", f.severity)
                           .object());
  auto run = drift_run(r.report_id);
  const auto model = source_.model_of_endpoint(name_, e_.position);
  const auto window = std::to_string(r.first_position) + "-" + std::to_string(r.last_position);
  run.inputs = {w_.dataset("predictions/" + name_, w_.version(window))};
  if (!model.empty()) run.inputs.push_back(model_version(model, r.model_version));
  run.facets = w_.own_facet("mlforge_drift", Members()
                                                 .text("endpoint", name_)
                                                 .text("reportId", r.report_id)
                                                 .value("modelVersion", r.model_version)
                                                 .value("predictions", r.predictions)
                                                 .text("severity", r.severity)
                                                 .value("triggered", r.triggered)
                                                 .raw("features", array(features)));
  return w_.whole(run);
}

}  // namespace

std::vector<std::string> lineage_types() {
  return {"pipeline_run.*",
          "run.started",
          "run.ended",
          "dataset.committed",
          "dataset.validated",
          "model.version_created",
          "model.promotion_decided",
          "deployment.version_activated",
          "drift.*"};
}

std::string lineage_run_id(std::string_view text) {
  const auto hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  if (text.size() == 32 && std::all_of(text.begin(), text.end(), hex)) {
    std::string out(text);
    for (const std::size_t at : {8, 13, 18, 23}) out.insert(at, 1, '-');
    return out;
  }
  const auto digest = storage::sha256(storage::as_bytes(text));
  Uuid id;
  std::memcpy(id.bytes.data(), digest.bytes.data(), id.bytes.size());
  id.bytes[6] = static_cast<std::uint8_t>((id.bytes[6] & 0x0F) | 0x80);
  id.bytes[8] = static_cast<std::uint8_t>((id.bytes[8] & 0x3F) | 0x80);
  return to_string(id);
}

std::vector<std::string> lineage_events(const EventView& view, const Event& event,
                                        LineageSource& source, const LineageOptions& options) {
  return visit(Mapper(view, source, options), event);
}

}  // namespace mlforge::actors
