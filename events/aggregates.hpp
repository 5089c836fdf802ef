// Which state an event belongs to. An event without an evolve does not compile.
#pragma once
#include "events/dataset.hpp"
#include "events/deployment.hpp"
#include "events/drift.hpp"
#include "events/environment.hpp"
#include "events/log_keys.hpp"
#include "events/logged_model.hpp"
#include "events/mlflow_import.hpp"
#include "events/mlflow_registry.hpp"
#include "events/mlflow_tracking.hpp"
#include "events/pipeline.hpp"
#include "events/registry.hpp"
#include "events/retention.hpp"
#include "events/subjects.hpp"
#include "events/subscription.hpp"
#include "events/traces.hpp"
#include "events/tracking.hpp"

namespace mlforge {

template <class State, class E>
concept Evolves = requires(State& state, const E& event) {
  evolve(state, event);
};

template <class E>
inline constexpr int kStatesOf =
    Evolves<DatasetState, E> + Evolves<ExperimentsState, E> + Evolves<RunState, E> +
    Evolves<ModelState, E> + Evolves<PipelineState, E> + Evolves<PipelineRunState, E> +
    Evolves<EnvironmentState, E> + Evolves<EndpointState, E> + Evolves<PredictionsState, E> +
    Evolves<DriftState, E> + Evolves<LogKeysState, E> + Evolves<LoggedModelState, E> +
    Evolves<ArtifactsState, E> + Evolves<SubjectsState, E> + Evolves<SubscriptionState, E> +
    Evolves<RetentionState, E> + Evolves<TraceState, E>;

template <class T>
struct EveryEventEvolves;
template <class... E>
struct EveryEventEvolves<std::variant<E...>> {
  static constexpr bool value = ((kStatesOf<E> == 1 || std::is_same_v<E, UnknownEvent>)&&...);
};
static_assert(EveryEventEvolves<Event>::value,
              "an event has no evolve, or more than one state evolves by it");

// Folds one event into a state; events of other aggregates leave it as it is.
template <class State>
void fold(State& state, const Event& event) {
  std::visit(
      [&]<class E>(const E& e) {
        if constexpr (Evolves<State, E>) evolve(state, e);
      },
      event);
}

}  // namespace mlforge
