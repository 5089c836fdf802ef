// Which state an event belongs to. An event without an evolve does not compile.
#pragma once
#include "events/dataset.hpp"
#include "events/deployment.hpp"
#include "events/drift.hpp"
#include "events/environment.hpp"
#include "events/evaluation_datasets.hpp"
#include "events/issues.hpp"
#include "events/label_schemas.hpp"
#include "events/log_keys.hpp"
#include "events/logged_model.hpp"
#include "events/mlflow_import.hpp"
#include "events/mlflow_registry.hpp"
#include "events/mlflow_tracking.hpp"
#include "events/pipeline.hpp"
#include "events/registry.hpp"
#include "events/retention.hpp"
#include "events/scorers.hpp"
#include "events/subjects.hpp"
#include "events/subscription.hpp"
#include "events/traces.hpp"
#include "events/tracking.hpp"

namespace mlforge {

// Folds one event into a state; events of other aggregates leave it as it is. Defined for every
// state of events/, in aggregates.cpp.
template <class State>
void fold(State& state, const Event& event);

}  // namespace mlforge
