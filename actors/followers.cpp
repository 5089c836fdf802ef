#include "actors/followers.hpp"

#include <spdlog/spdlog.h>

#include <chrono>

#include "actors/nats_publisher.hpp"

namespace mlforge::actors {
namespace {

constexpr std::size_t kBatch = 2000;
constexpr std::chrono::milliseconds kGather{10};

struct ProjectorState {
  Position head = 0;
  bool scheduled = false;  // to run at once
  bool gathering = false;  // to run soon
};

}  // namespace

ProjectorActor spawn_projector(caf::actor_system& system, projections::ProjectionEngine& engine,
                               std::function<void()> index, ReadBarrier& projected) {
  return system.spawn<caf::detached>(
      [&engine, index, &projected](
          ProjectorActor::stateful_pointer<ProjectorState> self) -> ProjectorActor::behavior_type {
        const auto schedule = [self] {
          if (!std::exchange(self->state.scheduled, true)) self->send(self, StartAtom::value);
        };
        return {[self, schedule, &projected](CommittedAtom, Position head) {
                  self->state.head = std::max(self->state.head, head);
                  if (projected.awaited()) return schedule();
                  if (!std::exchange(self->state.gathering, true))
                    self->delayed_send(self, kGather, StartAtom::value);
                },
                [self, schedule, &engine, index, &projected](StartAtom) {
                  self->state.scheduled = self->state.gathering = false;
                  const auto reached = engine.catch_up(kBatch);
                  if (!reached) {
                    spdlog::error("the read models stand still: {}", reached.error().message);
                    projected.fail();
                    self->delayed_send(self, std::chrono::seconds(1), StartAtom::value);
                    self->state.scheduled = true;
                    return;
                  }
                  index();
                  projected.reached(*reached);
                  if (*reached < self->state.head) schedule();
                }};
      });
}

BroadcasterActor spawn_broadcaster(caf::actor_system& system, NatsPublisher& publisher) {
  return system.spawn([&publisher](BroadcasterActor::pointer) -> BroadcasterActor::behavior_type {
    return {[&publisher](CommittedAtom, Position head) { publisher.notify(head); }};
  });
}

}  // namespace mlforge::actors
