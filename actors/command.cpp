#include "actors/command.hpp"

#include "events/one_of_table.hpp"

namespace mlforge {
namespace {

template <class List>
const Alternative* command_table() {
  static constexpr auto table = one_of::table(List{});
  return table.data();
}

}  // namespace

template <>
const Alternative* alternatives<actors::DatasetCommands>() {
  return command_table<actors::DatasetCommands>();
}
template <>
const Alternative* alternatives<actors::EnvironmentCommands>() {
  return command_table<actors::EnvironmentCommands>();
}
template <>
const Alternative* alternatives<actors::TrackingCommands>() {
  return command_table<actors::TrackingCommands>();
}
template <>
const Alternative* alternatives<actors::RegistryCommands>() {
  return command_table<actors::RegistryCommands>();
}
template <>
const Alternative* alternatives<actors::PipelineCommands>() {
  return command_table<actors::PipelineCommands>();
}
template <>
const Alternative* alternatives<actors::DeploymentCommands>() {
  return command_table<actors::DeploymentCommands>();
}
template <>
const Alternative* alternatives<actors::DriftCommands>() {
  return command_table<actors::DriftCommands>();
}
template <>
const Alternative* alternatives<actors::SubscriptionCommands>() {
  return command_table<actors::SubscriptionCommands>();
}

}  // namespace mlforge
