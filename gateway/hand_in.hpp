// How the gateway hands commands to their managers.
#pragma once
#include "actors/handles.hpp"

namespace mlforge::gateway {

// What the server's thread takes from its connections in one turn goes to the manager some at a
// time, as one message that wakes it once; on other threads each command goes at once. `done`: see
// actors::Completion. Any thread.
template <class Body, class Actor>
void hand_in(const Actor& manager, actors::CommandMeta meta, std::type_identity_t<Body> body,
             actors::Completion done);

}  // namespace mlforge::gateway
