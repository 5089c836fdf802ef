// What travels between the gateway, the managers and the writer. In-process only: never on disk,
// never on a wire.
#pragma once
#include <functional>
#include <memory>
#include <utility>

#include "events/aggregates.hpp"
#include "events/one_of.hpp"
#include "storage/log.hpp"

namespace mlforge::actors {

// Who asks, in whose name, and why.
struct CommandMeta {
  std::string tenant = "default";
  std::string actor = "anonymous";
  std::string command_id;  // empty: not idempotent
  Uuid causation, correlation;
  // What must still hold when the events are written, also of streams that are only read; else the
  // command is answered `conflict` and writes nothing.
  std::vector<storage::Expectation> conditions = {};
  // Whom the personal fields are about: they are encrypted under that subject's key. Empty: none.
  std::string subject = {};
};

// What a command came to. `events` are the new ones, or, for a repeated command id, those of the
// first time. Without events nothing changed, and `position` is one that the answer reflects.
struct Outcome {
  Position position = 0;
  bool duplicate = false;
  Events events;

  // The first event of type E, or nothing.
  template <class E>
  const E* find() const {
    for (const auto& event : events)
      if (const auto* found = get_if<E>(&event)) return found;
    return nullptr;
  }
};

// Called once, from any thread, when the events are on disk or the command has been refused. Must
// not block. One that nobody called answers `unavailable` when it goes: so does the shutdown for
// what it cuts off.
class Completion {
 public:
  Completion() = default;
  template <class F>
  requires(!std::is_same_v<std::remove_cvref_t<F>, Completion>) Completion(F f)
      : impl_(std::make_unique<Impl<F>>(std::move(f))) {}
  Completion(Completion&&) = default;
  Completion& operator=(Completion&& other) {
    drop();
    impl_ = std::move(other.impl_);
    return *this;
  }
  ~Completion() { drop(); }
  void operator()(Expected<Outcome> result) {
    if (auto impl = std::move(impl_)) impl->call(std::move(result));
  }

 private:
  struct Base {
    virtual ~Base() = default;
    virtual void call(Expected<Outcome> result) = 0;
  };
  template <class F>
  struct Impl : Base {
    explicit Impl(F f) : f_(std::move(f)) {}
    void call(Expected<Outcome> result) override { f_(std::move(result)); }
    F f_;
  };
  void drop() {
    if (impl_) (*this)(Error{ErrorCode::unavailable, "the server is stopping", ""});
  }
  std::unique_ptr<Base> impl_;
};

// Items that travel as one message: the first, which holds the next, and so on. Not thread-safe.
template <class T>
class Chain {
 public:
  bool empty() const { return !first_; }
  void add(std::shared_ptr<T> item) {
    T* const last = item.get();
    (first_ ? last_->next : first_) = std::move(item);
    last_ = last;
    ++size_;
  }
  std::size_t size() const { return size_; }
  std::shared_ptr<T> take() {
    size_ = 0;
    return std::move(first_);
  }

  // Calls `visit(std::shared_ptr<T>)` for each, taken apart from the others.
  template <class Visit>
  static void for_each(std::shared_ptr<T> item, Visit visit) {
    while (item) {
      auto next = std::move(item->next);
      visit(std::move(item));
      item = std::move(next);
    }
  }

 private:
  std::shared_ptr<T> first_;
  T* last_ = nullptr;
  std::size_t size_ = 0;
};

template <class Body>
struct Request {
  CommandMeta meta;
  Body body;
  Completion done;
  std::shared_ptr<Request> next = {};  // in the same message; decided after this one
};

struct DatasetCommands : TypeList<StageFiles, UnstageFile, CommitDataset, RecordValidation> {};
using DatasetBody = OneOf<DatasetCommands>;
struct EnvironmentCommands : TypeList<CaptureEnvironment> {};
using EnvironmentBody = OneOf<EnvironmentCommands>;
struct TrackingCommands
    : TypeList<LogMetrics, CreateExperiment, StartRun, LogParams, SetRunTags, LogArtifact,
               LogRunInput, EndRun,  //
               NewExperiment, RenameExperiment, DeleteExperiment, RestoreExperiment, TagExperiment,
               UntagExperiment,
               EnsureDefaultExperiment,  //
               LogBatch, NewRun, UntagRun, UpdateRun, DeleteRun, RestoreRun, LogInputs, RecordModel,
               RemoveRunArtifact,  //
               NewLoggedModel, SetLoggedModelStatus, LogLoggedModelParams, TagLoggedModel,
               UntagLoggedModel, RecordModelVersion,
               DeleteLoggedModel,                               //
               StoreArtifact, RemoveArtifact,                   //
               ImportExperiment, ImportRun, ImportLoggedModel,  //
               RecordTrace, LogSpans, TagTrace, UntagTrace, LinkTraceToRun, LinkPrompts,
               AssessTrace, ChangeAssessment, RemoveAssessment, DeleteTrace,  //
               NewEvaluationDataset, TagEvaluationDataset, UntagEvaluationDataset,
               MergeEvaluationRecords, RemoveEvaluationRecords, LinkEvaluationDataset,
               UnlinkEvaluationDataset, DeleteEvaluationDataset,      //
               RegisterScorer, DeleteScorer, ConfigureOnlineScoring,  //
               CreateIssue, UpdateIssue,                              //
               CreateLabelSchema, UpdateLabelSchema, DeleteLabelSchema> {};
using TrackingBody = OneOf<TrackingCommands>;
struct RegistryCommands
    : TypeList<RegisterModel, CreateModelVersion, SetAlias, RemoveAlias, TransitionStage,
               RecordGate, Promote,  //
               NewModel, DescribeModel, RenameModel, DeleteModel, TagModel, UntagModel, NewVersion,
               DescribeVersion, TagVersion, UntagVersion, DeleteVersion, MoveStage, PointAlias,
               DropAlias, ImportModel> {};
using RegistryBody = OneOf<RegistryCommands>;
struct PipelineCommands : TypeList<DefinePipeline, StartPipelineRun, StartStep, CompleteStep,
                                   FailStep, EndPipelineRun> {};
using PipelineBody = OneOf<PipelineCommands>;
struct DeploymentCommands
    : TypeList<RecordPredictions, CreateEndpoint, ChangeSplit, ActivateVersion> {};
using DeploymentBody = OneOf<DeploymentCommands>;
struct DriftCommands : TypeList<RecordDriftReport, RaiseDriftAlert, TriggerRetraining> {};
using DriftBody = OneOf<DriftCommands>;

struct SubscriptionCommands : TypeList<CreateSubscription, UpdateSubscription, DeleteSubscription,
                                       ParkEvent, ReleaseParked> {};
using SubscriptionBody = OneOf<SubscriptionCommands>;

}  // namespace mlforge::actors

namespace mlforge {
template <>
const Alternative* alternatives<actors::DatasetCommands>();
template <>
const Alternative* alternatives<actors::EnvironmentCommands>();
template <>
const Alternative* alternatives<actors::TrackingCommands>();
template <>
const Alternative* alternatives<actors::RegistryCommands>();
template <>
const Alternative* alternatives<actors::PipelineCommands>();
template <>
const Alternative* alternatives<actors::DeploymentCommands>();
template <>
const Alternative* alternatives<actors::DriftCommands>();
template <>
const Alternative* alternatives<actors::SubscriptionCommands>();
}  // namespace mlforge

namespace mlforge::actors {

using DatasetRequest = std::shared_ptr<Request<DatasetBody>>;
using EnvironmentRequest = std::shared_ptr<Request<EnvironmentBody>>;
using TrackingRequest = std::shared_ptr<Request<TrackingBody>>;
using RegistryRequest = std::shared_ptr<Request<RegistryBody>>;
using PipelineRequest = std::shared_ptr<Request<PipelineBody>>;
using DeploymentRequest = std::shared_ptr<Request<DeploymentBody>>;
using DriftRequest = std::shared_ptr<Request<DriftBody>>;
using SubscriptionRequest = std::shared_ptr<Request<SubscriptionBody>>;

// Tells a manager (tenant, stream) that the state it has cached is wrong.
using Forget = std::function<void(const std::string&, const std::string&)>;

// A decided command on its way to the log. Without events it is a barrier: answered after all that
// came before it.
struct Append {
  storage::AppendRequest request;
  Events events;
  Completion done;
  std::string stream;  // of the command
  Status refusal;      // a barrier that answers this: what was refused may rest on events that are
                       // still on their way
  std::shared_ptr<const Forget> forget;  // called per stream when it was not appended as decided
  std::shared_ptr<Append> next;          // in the same message
};
using AppendPtr = std::shared_ptr<Append>;

}  // namespace mlforge::actors
