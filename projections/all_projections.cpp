#include "projections/artifacts.hpp"
#include "projections/audit.hpp"
#include "projections/datasets.hpp"
#include "projections/deployments.hpp"
#include "projections/drift.hpp"
#include "projections/environments.hpp"
#include "projections/evaluation_datasets.hpp"
#include "projections/issues.hpp"
#include "projections/label_schemas.hpp"
#include "projections/logged_models.hpp"
#include "projections/metrics.hpp"
#include "projections/models.hpp"
#include "projections/pipelines.hpp"
#include "projections/runs.hpp"
#include "projections/scorers.hpp"
#include "projections/subscriptions.hpp"
#include "projections/traces.hpp"

namespace mlforge::projections {
namespace {

template <class... P>
std::vector<std::unique_ptr<Projection>> make() {
  std::vector<std::unique_ptr<Projection>> all;
  (all.push_back(std::make_unique<P>()), ...);
  return all;
}

}  // namespace

std::vector<std::unique_ptr<Projection>> all_projections() {
  return make<RunsProjection, MetricsProjection, DatasetsProjection, ModelsProjection,
              PipelinesProjection, EnvironmentsProjection, DeploymentsProjection, DriftProjection,
              ArtifactsProjection, LoggedModelsProjection, SubscriptionsProjection,
              TracesProjection, EvaluationDatasetsProjection, ScorersProjection, IssuesProjection,
              LabelSchemasProjection, AuditProjection>();
}

}  // namespace mlforge::projections
