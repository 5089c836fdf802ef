// CAF's typed actors behind the handles: for the files that define actors.
#pragma once
#include <caf/all.hpp>

#include "actors/handles.hpp"

namespace mlforge::actors {

template <class H>
struct ActorFor;
template <class... Messages>
struct ActorFor<Handle<Messages...>> {
  using type = caf::typed_actor<caf::reacts_to<Messages>...>;
};
// Lets it end after what it has been sent, and waits until it has.
void end_actor(const caf::actor& actor);

// The CAF actor behind a handle.
template <class H>
using ActorOf = typename ActorFor<H>::type;

// Overrides receive() for each type of message, one a level.
template <class H, class... Messages>
class Sends : public H::Target {
 public:
  explicit Sends(ActorOf<H> actor) : to(std::move(actor)) {}
  const ActorOf<H> to;
};
template <class H, class Message, class... Rest>
class Sends<H, Message, Rest...> : public Sends<H, Rest...> {
 public:
  using Sends<H, Rest...>::Sends;
  using Sends<H, Rest...>::receive;
  void receive(Message message) const override { caf::anon_send(this->to, std::move(message)); }
};

template <class H>
class ActorTarget;
template <class... Messages>
class ActorTarget<Handle<Messages...>> final : public Sends<Handle<Messages...>, Messages...> {
 public:
  using Sends<Handle<Messages...>, Messages...>::Sends;
  caf::actor actor() const override { return caf::actor_cast<caf::actor>(this->to); }
  void end() const override { end_actor(actor()); }
};

template <class H>
H handle_of(ActorOf<H> actor) {
  return H(std::make_shared<const ActorTarget<H>>(std::move(actor)));
}

}  // namespace mlforge::actors

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(mlforge::actors::Start)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(mlforge::actors::Committed)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(mlforge::actors::ForgetStream)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(mlforge::actors::RunPipeline)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(mlforge::actors::AppendPtr)
