#include "fixture.hpp"

namespace mlforge::projections::test {
namespace {

template <class T>
void add(std::string& out, std::string_view title, const Expected<T>& answer) {
  out.append(title).append(" ");
  if (answer)
    codec::write(out, *answer);
  else
    out.append(answer.error().message);
  out += '\n';
}

void add_tracking(std::string& out, ViewReader& v, Position p) {
  const auto& t = kTenant;
  add(out, "experiments", list_experiments(v, t, {.as_of = p}));
  const auto runs = list_runs(v, t, "", {.as_of = p});
  add(out, "runs", runs);
  REQUIRE(runs);
  for (const auto& run : runs->items) {
    add(out, "latest " + run.run_id, latest_metrics(v, t, run.run_id, p));
    add(out, "loss " + run.run_id, get_metric_series(v, t, run.run_id, "loss", p));
  }
  for (const char* id : {"1", "2"}) {
    add(out, "runs of", list_runs(v, t, id, {.as_of = p}));
    add(out, "best", best_run(v, t, id, "auc", "max", p));
    add(out, "worst", best_run(v, t, id, "auc", "min", p));
  }
}

void add_registry(std::string& out, ViewReader& v, Position p) {
  const auto& t = kTenant;
  add(out, "datasets", list_datasets(v, t, {.as_of = p}));
  add(out, "models", list_models(v, t, {.as_of = p}));
  for (const char* i : {"0", "1", "2"}) {
    const std::string model = std::string("model") + i, data = std::string("data") + i;
    add(out, "versions of " + model, list_model_versions(v, t, model, {.as_of = p}));
    add(out, "champion", get_model_version_by_alias(v, t, model, "champion", p));
    add(out, "newest", get_dataset_version(v, t, data, 0, p));
    add(out, "cache", find_cached_step(v, t, std::string("cache") + i, p));
    add(out, "runs of", list_pipeline_runs(v, t, std::string("pipe") + i, {.as_of = p}));
    add(out, "drift", list_drift(v, t, std::string("end") + i, {.as_of = p}));
    add(out, "last drift", latest_drift(v, t, std::string("end") + i, p));
  }
}

}  // namespace

std::string answers_of(ViewReader& v, const storage::Log& log, Position p) {
  const auto& t = kTenant;
  std::string out;
  add_tracking(out, v, p);
  add_registry(out, v, p);
  add(out, "pipelines", list_pipelines(v, t, {.as_of = p}));
  add(out, "pipeline runs", list_pipeline_runs(v, t, "", {.as_of = p}));
  add(out, "running", running_pipeline_runs(v, t, p));
  add(out, "environments", list_environments(v, t, {.as_of = p}));
  add(out, "environment e1", find_environment(v, t, "e1", p));
  add(out, "endpoints", list_endpoints(v, t, {.as_of = p}));
  add(out, "subscriptions", list_subscriptions(v, t, {.as_of = p}));
  for (const char* name : {"sub0", "sub1", "sub2"})
    add(out, "parked", list_parked(v, t, name, {.as_of = p}));
  add(out, "audit", list_audit(v, log, t, {}, {.as_of = p}));
  add(out, "audit of a stream", list_audit(v, log, t, {.stream = "model/model1"}, {.as_of = p}));
  REQUIRE_FALSE(v.status());
  return out;
}

}  // namespace mlforge::projections::test
