// All typed signatures: the conversations of the system on one page.
#pragma once
#include <caf/all.hpp>

#include "actors/command.hpp"

namespace mlforge::actors {

// CAF 0.17 writes signatures as replies_to<...>::with<...>; nobody here answers by message: a
// command carries its Completion, which the writer calls when the events are on disk.
template <class... T>
using Takes = caf::reacts_to<T...>;

using StartAtom =
    caf::atom_constant<caf::atom("start")>;  // begin, or go on with, the next batch of work
using CommittedAtom =
    caf::atom_constant<caf::atom("committed")>;  // the log's head is now at that position
using ForgetAtom =
    caf::atom_constant<caf::atom("forget")>;  // tenant, stream: what is cached of it is wrong

// Appends what the managers decided: everything that waits goes into the log under one sync. While
// a sync is under way the next batch gathers in the mailbox.
using WriterActor = caf::typed_actor<Takes<AppendPtr>, Takes<StartAtom>>;

// Brings the read models to the log's head and wakes who waits for that.
using ProjectorActor = caf::typed_actor<Takes<CommittedAtom, Position>, Takes<StartAtom>>;

// Publishes the log over NATS from its own durable cursor.
using BroadcasterActor = caf::typed_actor<Takes<CommittedAtom, Position>>;

// The server's own rules: loads what aliases point to, watches for drift, raises alerts, starts
// retraining.
using RulesActor = caf::typed_actor<Takes<CommittedAtom, Position>, Takes<StartAtom>>;

// Runs one pipeline run after another, the steps in parallel.
using ExecutorActor =
    caf::typed_actor<Takes<StartAtom, std::string, std::string>>;  // tenant, pipeline run

// One manager a life-cycle stage: decides commands on its streams, one at a time, in order of
// arrival.
using DatasetActor =
    caf::typed_actor<Takes<DatasetRequest>, Takes<ForgetAtom, std::string, std::string>>;
using EnvironmentActor =
    caf::typed_actor<Takes<EnvironmentRequest>, Takes<ForgetAtom, std::string, std::string>>;
using TrackingActor =
    caf::typed_actor<Takes<TrackingRequest>, Takes<ForgetAtom, std::string, std::string>>;
using RegistryActor =
    caf::typed_actor<Takes<RegistryRequest>, Takes<ForgetAtom, std::string, std::string>>;
using PipelineActor =
    caf::typed_actor<Takes<PipelineRequest>, Takes<ForgetAtom, std::string, std::string>>;
using DeploymentActor =
    caf::typed_actor<Takes<DeploymentRequest>, Takes<ForgetAtom, std::string, std::string>>;
using DriftActor =
    caf::typed_actor<Takes<DriftRequest>, Takes<ForgetAtom, std::string, std::string>>;
using SubscriptionActor =
    caf::typed_actor<Takes<SubscriptionRequest>, Takes<ForgetAtom, std::string, std::string>>;

}  // namespace mlforge::actors

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(mlforge::actors::AppendPtr)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(mlforge::actors::DatasetRequest)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(mlforge::actors::EnvironmentRequest)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(mlforge::actors::TrackingRequest)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(mlforge::actors::RegistryRequest)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(mlforge::actors::PipelineRequest)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(mlforge::actors::DeploymentRequest)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(mlforge::actors::DriftRequest)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(mlforge::actors::SubscriptionRequest)
