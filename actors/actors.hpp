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
// The CAF actor behind a handle.
template <class H>
using ActorOf = typename ActorFor<H>::type;

// Overrides receive() for each type of message, one a level.
template <class H, class... Messages>
class Sends : public H::Target {
 public:
  explicit Sends(ActorOf<H> to) : actor(std::move(to)) {}
  const ActorOf<H> actor;
};
template <class H, class Message, class... Rest>
class Sends<H, Message, Rest...> : public Sends<H, Rest...> {
 public:
  using Sends<H, Rest...>::Sends;
  using Sends<H, Rest...>::receive;
  void receive(Message message) const override { caf::anon_send(this->actor, std::move(message)); }
};

template <class H>
class ActorTarget;
template <class... Messages>
class ActorTarget<Handle<Messages...>> final : public Sends<Handle<Messages...>, Messages...> {
 public:
  using Sends<Handle<Messages...>, Messages...>::Sends;
  void end() const override {
    caf::scoped_actor self{this->actor->home_system()};
    caf::anon_send_exit(this->actor, caf::exit_reason::user_shutdown);
    self->wait_for(this->actor);
  }
};

template <class H>
H handle_of(ActorOf<H> actor) {
  return H(std::make_shared<const ActorTarget<H>>(std::move(actor)));
}

// The handle is not empty.
template <class H>
const ActorOf<H>& actor_of(const H& handle) {
  return static_cast<const ActorTarget<H>*>(handle.target())->actor;
}

}  // namespace mlforge::actors

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(mlforge::actors::Start)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(mlforge::actors::Committed)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(mlforge::actors::ForgetStream)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(mlforge::actors::RunPipeline)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(mlforge::actors::AppendPtr)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(mlforge::actors::DatasetRequest)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(mlforge::actors::EnvironmentRequest)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(mlforge::actors::TrackingRequest)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(mlforge::actors::RegistryRequest)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(mlforge::actors::PipelineRequest)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(mlforge::actors::DeploymentRequest)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(mlforge::actors::DriftRequest)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(mlforge::actors::SubscriptionRequest)
