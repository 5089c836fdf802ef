// The actors that follow the log, each from a cursor of its own and at its own pace.
#pragma once
#include <functional>

#include "actors/commit_bell.hpp"
#include "actors/read_barrier.hpp"
#include "projections/projector.hpp"

namespace mlforge::actors {

class NatsPublisher;

// Brings the read models to the head, then moves the barrier: soon after a commit, so that those of
// a busy moment are taken together, and at once where somebody waits (Start tells it that
// somebody began to). All must outlive the actor.
struct ProjectorContext {
  const storage::Log& log;
  projections::ProjectionEngine& engine;
  ReadBarrier& projected;
  CommitBell& bell;
  std::function<void()> index;  // keeps the log's stream index up, on the same thread
};
ProjectorActor spawn_projector(caf::actor_system& system, const ProjectorContext& context);

// Tells the publisher of new events.
BroadcasterActor spawn_broadcaster(caf::actor_system& system, NatsPublisher& publisher);

}  // namespace mlforge::actors
