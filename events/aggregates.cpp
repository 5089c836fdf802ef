#include "events/aggregates.hpp"

namespace mlforge {
namespace {

template <class State, class E>
concept Evolves = requires(State& state, const E& event) {
  evolve(state, event);
};

template <class E, class... States>
constexpr int states_of() {
  return (0 + ... + Evolves<States, E>);
}

}  // namespace

template <class State>
void fold(State& state, const Event& event) {
  offer(
      [&]<class E>(const E& e) requires Evolves<State, E> { evolve(state, e); }, event);
}

template void fold(DatasetState&, const Event&);
template void fold(ExperimentsState&, const Event&);
template void fold(RunState&, const Event&);
template void fold(ModelState&, const Event&);
template void fold(PipelineState&, const Event&);
template void fold(PipelineRunState&, const Event&);
template void fold(EnvironmentState&, const Event&);
template void fold(EndpointState&, const Event&);
template void fold(PredictionsState&, const Event&);
template void fold(DriftState&, const Event&);
template void fold(LogKeysState&, const Event&);
template void fold(LoggedModelState&, const Event&);
template void fold(ArtifactsState&, const Event&);
template void fold(SubjectsState&, const Event&);
template void fold(SubscriptionState&, const Event&);
template void fold(RetentionState&, const Event&);
template void fold(TraceState&, const Event&);
template void fold(EvaluationDatasetState&, const Event&);
template void fold(ScorersState&, const Event&);
template void fold(IssueState&, const Event&);
template void fold(LabelSchemasState&, const Event&);

namespace {

template <class E>
constexpr int kStates = states_of<
    E, DatasetState, ExperimentsState, RunState, ModelState, PipelineState, PipelineRunState,
    EnvironmentState, EndpointState, PredictionsState, DriftState, LogKeysState, LoggedModelState,
    ArtifactsState, SubjectsState, SubscriptionState, RetentionState, TraceState,
    EvaluationDatasetState, ScorersState, IssueState, LabelSchemasState>();

template <class... E>
consteval bool every_event_evolves(const TypeList<E...>&) {
  return ((kStates<E> == 1 || std::is_same_v<E, UnknownEvent>)&&...);
}
static_assert(every_event_evolves(EventTypes{}),
              "an event has no evolve, or more than one state evolves by it");

}  // namespace
}  // namespace mlforge
