// All typed signatures: the conversations of the system on one page. CAF's headers are for the
// files that define actors (actors/actors.hpp), not for all who send to them.
#pragma once
#include <memory>
#include <string>
#include <utility>

#include "actors/command.hpp"

namespace caf {
class actor;
class actor_system;
}  // namespace caf

namespace mlforge::actors {

// Begin, or go on with, the next batch of work.
struct Start {};

// The log's head is now at that position.
struct Committed {
  Position head = 0;
};

// What is cached of the stream is wrong.
struct ForgetStream {
  std::string tenant, stream;
};

struct RunPipeline {
  std::string tenant, pipeline_run_id;
};

// Where one type of message goes.
template <class Message>
class Receiver {
 public:
  virtual void receive(Message message) const = 0;

 protected:
  ~Receiver() = default;
};

// An actor that takes `Messages`, as others see it. Copyable; any thread may send and end. Empty:
// nobody, and what is sent is dropped.
template <class... Messages>
class Handle {
 public:
  class Target : public Receiver<Messages>... {
   public:
    virtual ~Target() = default;
    using Receiver<Messages>::receive...;
    virtual caf::actor actor() const = 0;
    virtual void end() const = 0;
  };

  Handle() = default;
  explicit Handle(std::shared_ptr<const Target> target) : target_(std::move(target)) {}
  explicit operator bool() const { return target_ != nullptr; }

  template <class Message>
  void send(Message message) const {
    if (target_) target_->receive(std::move(message));
  }
  // Lets the actor end after what it has been sent, and waits until it has. Not from an actor.
  void end() const {
    if (target_) target_->end();
  }
  const Target* target() const { return target_.get(); }

 private:
  std::shared_ptr<const Target> target_;
};

// Nobody here answers by message: a command carries its Completion, which the writer calls when the
// events are on disk.

// Appends what the managers decided: everything that waits goes into the log under one sync. While
// a sync is under way the next batch gathers in the mailbox.
using WriterActor = Handle<AppendPtr, Start>;

// Brings the read models to the log's head and wakes who waits for that.
using ProjectorActor = Handle<Committed, Start>;

// Publishes the log over NATS from its own durable cursor.
using BroadcasterActor = Handle<Committed>;

// The server's own rules: loads what aliases point to, watches for drift, raises alerts, starts
// retraining.
using RulesActor = Handle<Committed, Start>;

// Runs one pipeline run after another, the steps in parallel.
using ExecutorActor = Handle<RunPipeline>;

// One manager a life-cycle stage: decides commands on its streams, one at a time, in order of
// arrival.
using DatasetActor = Handle<DatasetRequest, ForgetStream>;
using EnvironmentActor = Handle<EnvironmentRequest, ForgetStream>;
using TrackingActor = Handle<TrackingRequest, ForgetStream>;
using RegistryActor = Handle<RegistryRequest, ForgetStream>;
using PipelineActor = Handle<PipelineRequest, ForgetStream>;
using DeploymentActor = Handle<DeploymentRequest, ForgetStream>;
using DriftActor = Handle<DriftRequest, ForgetStream>;
using SubscriptionActor = Handle<SubscriptionRequest, ForgetStream>;

}  // namespace mlforge::actors
