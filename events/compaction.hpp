// A state as the shortest history that leads to it: what a snapshot of a stream holds. The codec of
// the events is then the codec of the states.
#pragma once
#include "events/aggregates.hpp"

namespace mlforge {

struct Compacted {
  Events events;
  std::uint64_t count = 0;  // what only numbers of events lead to: predictions, the next experiment
};

// restore(compact(s)) is s, for every state that a log which was decided by this program leads to.
Compacted compact(const DatasetState& state);
Compacted compact(const ExperimentsState& state);
Compacted compact(const RunState& state);
Compacted compact(const LoggedModelState& state);
Compacted compact(const ArtifactsState& state);
Compacted compact(const TraceState& state);
Compacted compact(const EvaluationDatasetState& state);
Compacted compact(const ScorersState& state);
Compacted compact(const IssueState& state);
Compacted compact(const LabelSchemasState& state);
Compacted compact(const ModelState& state);
Compacted compact(const PipelineState& state);
Compacted compact(const PipelineRunState& state);
Compacted compact(const EnvironmentState& state);
Compacted compact(const EndpointState& state);
Compacted compact(const PredictionsState& state);
Compacted compact(const DriftState& state);
Compacted compact(const SubscriptionState& state);

template <class State>
State restore(const Compacted& compacted) {
  State state;
  for (const auto& event : compacted.events) fold(state, event);
  if constexpr (std::is_same_v<State, PredictionsState>) state.count = compacted.count;
  if constexpr (std::is_same_v<State, ExperimentsState>) state.next_id = compacted.count;
  return state;
}

}  // namespace mlforge
