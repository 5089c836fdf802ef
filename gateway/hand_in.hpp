// How the gateway hands commands to their managers.
#pragma once
#include "actors/actors.hpp"
#include "gateway/http/mailbox.hpp"

namespace mlforge::gateway {

// What the server's thread takes from its connections in one turn goes to the manager some at a
// time, as one message that wakes it once; on other threads each command goes at once. `done`: see
// actors::Completion.
template <class Body, class Actor>
void hand_in(const Actor& manager, actors::CommandMeta meta, std::type_identity_t<Body> body,
             actors::Completion done) {
  // So few that the manager decides while the next are still being read.
  constexpr std::size_t kTogether = 8;
  thread_local actors::Chain<actors::Request<Body>> turn;
  auto request = std::make_shared<actors::Request<Body>>(
      actors::Request<Body>{std::move(meta), std::move(body), std::move(done)});
  const auto send = [manager] {
    if (!turn.empty()) caf::anon_send(manager, turn.take());
  };
  const bool waits = !turn.empty() || http::Mailbox::at_end_of_turn(send);
  turn.add(std::move(request));
  if (!waits || turn.size() >= kTogether) send();
}

}  // namespace mlforge::gateway
