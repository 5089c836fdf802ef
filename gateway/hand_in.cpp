#include "gateway/hand_in.hpp"

#include "gateway/http/mailbox.hpp"

namespace mlforge::gateway {

template <class Body, class Actor>
void hand_in(const Actor& manager, actors::CommandMeta meta, std::type_identity_t<Body> body,
             actors::Completion done) {
  // So few that the manager decides while the next are still being read.
  constexpr std::size_t kTogether = 8;
  thread_local actors::Chain<actors::Request<Body>> turn;
  auto request = std::make_shared<actors::Request<Body>>(
      actors::Request<Body>{std::move(meta), std::move(body), std::move(done)});
  const auto send = [manager] {
    if (!turn.empty()) manager.send(turn.take());
  };
  const bool waits = !turn.empty() || http::Mailbox::at_end_of_turn(send);
  turn.add(std::move(request));
  if (!waits || turn.size() >= kTogether) send();
}

// Here for every manager that requests come to: the mailbox stays in this file.
template void hand_in<actors::DatasetBody>(const actors::DatasetActor&, actors::CommandMeta,
                                           actors::DatasetBody, actors::Completion);
template void hand_in<actors::EnvironmentBody>(const actors::EnvironmentActor&, actors::CommandMeta,
                                               actors::EnvironmentBody, actors::Completion);
template void hand_in<actors::TrackingBody>(const actors::TrackingActor&, actors::CommandMeta,
                                            actors::TrackingBody, actors::Completion);
template void hand_in<actors::RegistryBody>(const actors::RegistryActor&, actors::CommandMeta,
                                            actors::RegistryBody, actors::Completion);
template void hand_in<actors::PipelineBody>(const actors::PipelineActor&, actors::CommandMeta,
                                            actors::PipelineBody, actors::Completion);
template void hand_in<actors::DeploymentBody>(const actors::DeploymentActor&, actors::CommandMeta,
                                              actors::DeploymentBody, actors::Completion);
template void hand_in<actors::SubscriptionBody>(const actors::SubscriptionActor&,
                                                actors::CommandMeta, actors::SubscriptionBody,
                                                actors::Completion);

}  // namespace mlforge::gateway
