#include "actors/commit_bell.hpp"

#include "tests/actors/manager_support.hpp"

namespace mlforge::actors::test {
namespace {

// A follower that looks at the log when it is told to, and notes what it was told.
struct Follower {
  SteppedSystem& stepped;
  CommitBell& bell;
  std::vector<Position> heads;
  using Actor = ActorOf<BroadcasterActor>;
  BroadcasterActor actor = handle_of<BroadcasterActor>(
      stepped.system.spawn([this](Actor::pointer) -> Actor::behavior_type {
        return {[this](Committed committed) { heads.push_back(committed.head); }};
      }));
};

}  // namespace

TEST_CASE("commit bell: one message until the follower looks, and one for what comes after") {
  SteppedSystem stepped;
  CommitBell bell;
  Follower follower{stepped, bell};
  for (Position head = 1; head <= 3; ++head) bell.ring(follower.actor, head);
  stepped.run();
  CHECK(follower.heads == std::vector<Position>{1});
  bell.ring(follower.actor, 4);
  stepped.run();
  CHECK(follower.heads == std::vector<Position>{1});
  bell.silence();  // it looks at the log, up to 4, and a commit comes before it is done
  bell.ring(follower.actor, 5);
  bell.ring(follower.actor, 6);
  stepped.run();
  CHECK(follower.heads == std::vector<Position>{1, 5});
}

}  // namespace mlforge::actors::test
