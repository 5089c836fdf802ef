#include "actors/followers.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>

#include "actors/actors.hpp"
#include "actors/nats_publisher.hpp"

namespace mlforge::actors {
namespace {

constexpr std::size_t kBatch = 2000;
// While nobody waits for them, the read models take what comes together for so long, or for four
// times as long as the last round took: under load they leave most of the time to the appends, and
// write a row once for many events.
constexpr std::chrono::milliseconds kGather{10}, kMostGather{200};

struct ProjectorState {
  bool scheduled = false;  // to run at once
  bool gathering = false;  // to run soon
  std::chrono::milliseconds gather = kGather;
};

}  // namespace

ProjectorActor spawn_projector(caf::actor_system& system, const ProjectorContext& context) {
  using Actor = ActorOf<ProjectorActor>;
  return handle_of<ProjectorActor>(system.spawn<caf::detached>(
      [c = context](Actor::stateful_pointer<ProjectorState> self) -> Actor::behavior_type {
        const auto schedule = [self] {
          if (!std::exchange(self->state.scheduled, true)) self->send(self, Start{});
        };
        return {[self, schedule, c](Committed) {
                  if (c.projected.awaited()) return schedule();
                  if (!std::exchange(self->state.gathering, true))
                    self->delayed_send(self, self->state.gather, Start{});
                },
                [self, schedule, c](Start) {
                  self->state.scheduled = self->state.gathering = false;
                  c.bell.silence();
                  const auto head = c.log.head();
                  const auto start = std::chrono::steady_clock::now();
                  const auto reached = c.engine.catch_up(kBatch);
                  self->state.gather =
                      std::clamp(std::chrono::duration_cast<std::chrono::milliseconds>(
                                     4 * (std::chrono::steady_clock::now() - start)),
                                 kGather, kMostGather);
                  if (!reached) {
                    spdlog::error("the read models stand still: {}", reached.error().message);
                    c.projected.fail();
                    self->delayed_send(self, std::chrono::seconds(1), Start{});
                    self->state.scheduled = true;
                    return;
                  }
                  c.index();
                  c.projected.reached(*reached);
                  if (*reached < head) schedule();
                }};
      }));
}

BroadcasterActor spawn_broadcaster(caf::actor_system& system, NatsPublisher& publisher) {
  using Actor = ActorOf<BroadcasterActor>;
  return handle_of<BroadcasterActor>(
      system.spawn([&publisher](Actor::pointer) -> Actor::behavior_type {
        return {[&publisher](Committed committed) { publisher.notify(committed.head); }};
      }));
}

}  // namespace mlforge::actors
