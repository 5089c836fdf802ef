#include "actors/send.hpp"

namespace mlforge::actors {

void send(const DatasetActor& manager, DatasetRequest request) {
  caf::anon_send(manager, std::move(request));
}

void send(const EnvironmentActor& manager, EnvironmentRequest request) {
  caf::anon_send(manager, std::move(request));
}

void send(const TrackingActor& manager, TrackingRequest request) {
  caf::anon_send(manager, std::move(request));
}

void send(const RegistryActor& manager, RegistryRequest request) {
  caf::anon_send(manager, std::move(request));
}

void send(const PipelineActor& manager, PipelineRequest request) {
  caf::anon_send(manager, std::move(request));
}

void send(const DeploymentActor& manager, DeploymentRequest request) {
  caf::anon_send(manager, std::move(request));
}

void send(const DriftActor& manager, DriftRequest request) {
  caf::anon_send(manager, std::move(request));
}

void send(const SubscriptionActor& manager, SubscriptionRequest request) {
  caf::anon_send(manager, std::move(request));
}

void send(const WriterActor& writer, AppendPtr append) {
  caf::anon_send(writer, std::move(append));
}

}  // namespace mlforge::actors
