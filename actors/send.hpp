// What goes to the managers and the writer: one function for each, so that CAF's templates for
// sending are compiled once. Any thread.
#pragma once
#include "actors/actors.hpp"

namespace mlforge::actors {

void send(const DatasetActor& manager, DatasetRequest request);
void send(const EnvironmentActor& manager, EnvironmentRequest request);
void send(const TrackingActor& manager, TrackingRequest request);
void send(const RegistryActor& manager, RegistryRequest request);
void send(const PipelineActor& manager, PipelineRequest request);
void send(const DeploymentActor& manager, DeploymentRequest request);
void send(const DriftActor& manager, DriftRequest request);
void send(const SubscriptionActor& manager, SubscriptionRequest request);
void send(const WriterActor& writer, AppendPtr append);

}  // namespace mlforge::actors
