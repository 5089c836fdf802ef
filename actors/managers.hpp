// The managers, one a life-cycle stage. Each owns the streams of its kind.
#pragma once
#include "actors/manager.hpp"

namespace mlforge::actors {

struct Managers {
  DatasetActor datasets;
  EnvironmentActor environments;
  TrackingActor tracking;
  RegistryActor registry;
  PipelineActor pipelines;
  DeploymentActor deployments;
  DriftActor drift;
  SubscriptionActor subscriptions;
};

// `context` is copied into each manager. A manager that fails is restarted from the log.
Managers spawn_managers(caf::actor_system& system, const ManagerContext& context);

}  // namespace mlforge::actors
