#include "actors/managers.hpp"

#include "actors/actors.hpp"
#include "actors/rename_model.hpp"
#include "events/checks.hpp"

namespace mlforge::actors {
namespace {

std::string stream_of(const StageFiles& c) { return "dataset/" + c.dataset; }
std::string stream_of(const UnstageFile& c) { return "dataset/" + c.dataset; }
std::string stream_of(const CommitDataset& c) { return "dataset/" + c.dataset; }
std::string stream_of(const RecordValidation& c) { return "dataset/" + c.dataset; }
std::string stream_of(const CaptureEnvironment& c) { return "environment/" + c.name; }
std::string stream_of(const RegisterModel& c) { return "model/" + c.name; }
std::string stream_of(const DefinePipeline& c) { return "pipeline/" + c.name; }
std::string stream_of(const CreateEndpoint& c) { return "deployment/" + c.name; }
std::string stream_of(const ChangeSplit& c) { return "deployment/" + c.endpoint; }
std::string stream_of(const ActivateVersion& c) { return "deployment/" + c.endpoint; }
std::string stream_of(const RecordPredictions& c) { return "predictions/" + c.endpoint; }
std::string stream_of(const CreateExperiment&) { return "experiments/all"; }
std::string stream_of(const NewExperiment&) { return "experiments/all"; }
std::string stream_of(const RenameExperiment&) { return "experiments/all"; }
std::string stream_of(const DeleteExperiment&) { return "experiments/all"; }
std::string stream_of(const RestoreExperiment&) { return "experiments/all"; }
std::string stream_of(const TagExperiment&) { return "experiments/all"; }
std::string stream_of(const UntagExperiment&) { return "experiments/all"; }
std::string stream_of(const EnsureDefaultExperiment&) { return "experiments/all"; }
std::string stream_of(const ImportExperiment&) { return "experiments/all"; }
std::string stream_of(const NewModel& c) { return "model/" + c.name; }
std::string stream_of(const RecordModel& c) { return "run/" + c.run_id; }
std::string stream_of(const RecordModelVersion& c) { return "logged_model/" + c.logged_model_id; }
std::string stream_of(const StoreArtifact& c) { return "artifacts/" + c.root; }
std::string stream_of(const RemoveArtifact& c) { return "artifacts/" + c.root; }

template <class C>
requires requires(const C& c) {
  c.run_id;
  c.model;
}
std::string stream_of(const C& c) { return "model/" + c.model; }
template <class C>
requires(
    requires(const C& c) { c.model; } && !requires(const C& c) { c.run_id; } &&
    !std::is_same_v<C, CreateEndpoint>) std::string stream_of(const C& c) {
  return "model/" + c.model;
}
template <class C>
requires(
    requires(const C& c) { c.run_id; } && !requires(const C& c) { c.model; }) std::string
    stream_of(const C& c) {
  return "run/" + c.run_id;
}
template <class C>
requires requires(const C& c) { c.logged_model_id; }
std::string stream_of(const C& c) { return "logged_model/" + c.logged_model_id; }
template <class C>
requires requires(const C& c) { c.trace_id; }
std::string stream_of(const C& c) { return "trace/" + c.trace_id; }
template <class C>
requires requires(const C& c) { c.dataset_id; }
std::string stream_of(const C& c) { return "evaluation_dataset/" + c.dataset_id; }
template <class C>
requires requires(const C& c) { c.scorer_name; }
std::string stream_of(const C& c) { return "scorers/" + c.experiment_id; }
template <class C>
requires requires(const C& c) { c.issue_id; }
std::string stream_of(const C& c) { return "issue/" + c.issue_id; }
template <class C>
requires requires(const C& c) { c.label_experiment; }
std::string stream_of(const C& c) { return "label_schemas/" + c.label_experiment; }
template <class C>
requires requires(const C& c) {
  c.pipeline_run_id;
} &&(!requires(const C& c) { c.run_id; }) && (!requires(const C& c) { c.report_id; })std::string
    stream_of(const C& c) {
  return "pipeline_run/" + c.pipeline_run_id;
}
std::string stream_of(const RecordDriftReport& c) { return "drift/" + c.endpoint; }
std::string stream_of(const RaiseDriftAlert& c) { return "drift/" + c.endpoint; }
std::string stream_of(const TriggerRetraining& c) { return "drift/" + c.endpoint; }

template <class C>
requires requires(const SubscriptionState& s, const C& c) { decide(s, c); }
std::string stream_of(const C& c) { return "subscription/" + c.name; }

// Which state decides a command.
template <class Command, class... States>
struct StateFor;
template <class Command, class State, class... Rest>
struct StateFor<Command, State, Rest...> {
  static constexpr bool here = requires(const State& s, const Command& c) { decide(s, c); };
  using type = typename std::conditional_t<here, std::type_identity<State>,
                                           StateFor<Command, Rest...>>::type;
};
template <class Command>
struct StateFor<Command> {
  using type = void;
};

// What a manager does with a message, whatever its commands are: CAF's part is compiled once for
// all of them.
class Stage {
 public:
  explicit Stage(ManagerContext c) : context(std::move(c)) {}
  virtual ~Stage() = default;
  virtual void decide(std::shared_ptr<void> first_request) = 0;
  virtual void forget_stream(const ForgetStream& which) = 0;

  ManagerContext context;
  std::shared_ptr<const Forget> forget;
  RecentIds recent;
};

template <class... States>
class ManagerState : public Stage {
 public:
  explicit ManagerState(ManagerContext c) : Stage(std::move(c)) { begin(); }
  // Folds all states again from the log.
  void begin() {
    states =
        std::make_unique<std::tuple<Repository<States>...>>(Repository<States>(*context.log)...);
  }
  void forget_stream(const ForgetStream& which) override {
    recent.clear();
    (std::get<Repository<States>>(*states).forget(which.tenant, which.stream), ...);
  }
  template <class Command>
  auto& states_for() {
    return std::get<Repository<typename StateFor<Command, States...>::type>>(*states);
  }

  std::unique_ptr<std::tuple<Repository<States>...>> states;
};

// Conditions on other streams of the same manager, looked at before a command is decided.
template <class Manager, class Command>
Status precondition(Manager&, const CommandMeta&, Command&) {
  return {};
}

template <class Manager>
Expected<const ExperimentsState*> experiments_of(Manager& manager, const CommandMeta& meta) {
  auto entry =
      std::get<Repository<ExperimentsState>>(*manager.states).load(meta.tenant, "experiments/all");
  if (!entry) return manager.context.log->writable().value_or(entry.error());
  return &(*entry)->state;
}

// The default experiment stands in the log before anything that is in it.
template <class Manager>
void ensure_logged(Manager& manager, const CommandMeta& meta, const std::string& experiment_id) {
  if (experiment_id != kDefaultExperiment) return;
  const auto experiments = experiments_of(manager, meta);
  if (!experiments || (*experiments)->by_id.at(experiment_id).logged) return;
  CommandMeta own{.tenant = meta.tenant,
                  .actor = meta.actor,
                  .command_id = {},
                  .causation = {},
                  .correlation = meta.correlation};
  Completion done;
  EnsureDefaultExperiment command{manager.context.artifact_root};
  decide_and_append(manager.context, std::get<Repository<ExperimentsState>>(*manager.states),
                    manager.recent, manager.forget, "experiments/all", command, {}, own, done);
}

// 32 hexadecimal digits as a UUID is written.
std::string dashed(std::string id) {
  for (const std::size_t at : {8, 13, 18, 23}) id.insert(at, 1, '-');
  return id;
}

template <class Manager>
Status precondition(Manager& manager, const CommandMeta& meta, StartRun& c) {
  if (c.run_id.empty()) c.run_id = fresh_id(meta, *manager.context.ids, *manager.context.clock);
  const auto experiments = experiments_of(manager, meta);
  if (!experiments) return experiments.error();
  if (!(*experiments)->by_id.contains(c.experiment_id)) {
    auto error = not_found("experiment", c.experiment_id);
    error.field = "experiment_id";
    return error;
  }
  ensure_logged(manager, meta, c.experiment_id);
  return {};
}

// Where the artifacts of something new in an experiment go: below the experiment's location, which
// must be active. `below` is what follows it.
template <class Manager>
Expected<std::string> place_in(Manager& manager, const CommandMeta& meta,
                               const std::string& experiment_id, const std::string& below) {
  const auto experiments = experiments_of(manager, meta);
  if (!experiments) return experiments.error();
  const auto at = (*experiments)->by_id.find(experiment_id);
  if (at == (*experiments)->by_id.end())
    return Error{ErrorCode::not_found, "No Experiment with id=" + experiment_id + " exists",
                 "experiment_id"};
  if (at->second.deleted)
    return Error{ErrorCode::invalid_argument,
                 "The experiment " + experiment_id +
                     " must be in the 'active' state. Current state is deleted.",
                 "experiment_id"};
  const auto& own = at->second.artifact_location;
  std::string place = (own.empty() ? default_artifact_location(experiment_id) : own);
  if (!place.ends_with('/')) place += '/';
  ensure_logged(manager, meta, experiment_id);
  return place + below;
}

template <class Manager>
Status precondition(Manager& manager, const CommandMeta&, NewExperiment& c) {
  c.artifact_root = manager.context.artifact_root;
  return {};
}
template <class Manager>
Status precondition(Manager& manager, const CommandMeta&, EnsureDefaultExperiment& c) {
  c.artifact_root = manager.context.artifact_root;
  return {};
}

template <class Manager>
Status precondition(Manager& manager, const CommandMeta& meta, NewRun& c) {
  if (c.run_id.empty()) c.run_id = fresh_id(meta, *manager.context.ids, *manager.context.clock);
  auto place = place_in(manager, meta, c.experiment_id, c.run_id + "/artifacts");
  if (!place) return place.error();
  c.artifact_uri = *std::move(place);
  return {};
}

template <class Manager>
Status precondition(Manager& manager, const CommandMeta& meta, NewLoggedModel& c) {
  auto place =
      place_in(manager, meta, c.experiment_id, "models/" + c.logged_model_id + "/artifacts");
  if (!place) return place.error();
  c.artifact_uri = *std::move(place);
  return {};
}

template <class Manager>
Status precondition(Manager& manager, const CommandMeta& meta, RecordTrace& c) {
  auto place = place_in(manager, meta, c.experiment_id, "traces/" + c.trace_id + "/artifacts");
  if (!place) return place.error();
  c.artifact_uri = *std::move(place);
  return {};
}

template <class Manager>
Status precondition(Manager& manager, const CommandMeta& meta, LogSpans& c) {
  auto place = place_in(manager, meta, c.experiment_id, "traces/" + c.trace_id + "/artifacts");
  if (!place) return place.error();
  c.artifact_uri = *std::move(place);
  return {};
}

// Set where the experiment is not there, or not active.
template <class Manager>
Status check_active(Manager& manager, const CommandMeta& meta, const std::string& experiment_id) {
  const auto place = place_in(manager, meta, experiment_id, "");
  return place ? Status() : Status(place.error());
}

template <class Manager>
Status precondition(Manager& manager, const CommandMeta& meta, NewEvaluationDataset& c) {
  c.dataset_id = "d-" + fresh_id(meta, *manager.context.ids, *manager.context.clock);
  return {};
}
template <class Manager>
Status precondition(Manager& manager, const CommandMeta& meta, LinkEvaluationDataset& c) {
  const auto experiments = experiments_of(manager, meta);
  if (!experiments) return experiments.error();
  for (const auto& id : c.experiment_ids)
    if (c.unknown_experiment.empty() && !(*experiments)->by_id.contains(id))
      c.unknown_experiment = id;
  return {};
}
template <class Manager>
Status precondition(Manager& manager, const CommandMeta& meta, RegisterScorer& c) {
  c.scorer_id = dashed(fresh_id(meta, *manager.context.ids, *manager.context.clock));
  return check_active(manager, meta, c.experiment_id);
}
template <class Manager>
Status precondition(Manager& manager, const CommandMeta& meta, DeleteScorer& c) {
  return check_active(manager, meta, c.experiment_id);
}
template <class Manager>
Status precondition(Manager& manager, const CommandMeta& meta, ConfigureOnlineScoring& c) {
  c.config_id = fresh_id(meta, *manager.context.ids, *manager.context.clock);
  return check_active(manager, meta, c.experiment_id);
}
// The same for what knows deleted experiments as none.
template <class Manager>
Status check_there(Manager& manager, const CommandMeta& meta, const std::string& experiment_id) {
  auto bad = check_active(manager, meta, experiment_id);
  if (!bad || bad->code != ErrorCode::invalid_argument) return bad;
  return Error{ErrorCode::not_found, "No Experiment with id=" + experiment_id + " exists",
               "experiment_id"};
}

template <class Manager>
Status precondition(Manager& manager, const CommandMeta& meta, CreateIssue& c) {
  c.issue_id = "iss-" + fresh_id(meta, *manager.context.ids, *manager.context.clock);
  return check_there(manager, meta, c.experiment_id);
}
template <class Manager>
Status precondition(Manager& manager, const CommandMeta& meta, CreateLabelSchema& c) {
  c.schema_id = "ls-" + fresh_id(meta, *manager.context.ids, *manager.context.clock);
  return check_there(manager, meta, c.label_experiment);
}

// An imported run is one of its experiment, also where that is deleted.
template <class Manager>
Status precondition(Manager& manager, const CommandMeta& meta, ImportRun& c) {
  const auto experiments = experiments_of(manager, meta);
  if (!experiments) return experiments.error();
  const auto at = (*experiments)->by_id.find(c.experiment_id);
  if (at == (*experiments)->by_id.end()) return not_found("experiment", c.experiment_id);
  c.experiment = {at->second.deleted, at->second.restored};
  ensure_logged(manager, meta, c.experiment_id);
  return {};
}

template <class Manager>
Status precondition(Manager& manager, const CommandMeta& meta, ImportLoggedModel& c) {
  const auto experiments = experiments_of(manager, meta);
  if (!experiments) return experiments.error();
  if (!(*experiments)->by_id.contains(c.experiment_id))
    return not_found("experiment", c.experiment_id);
  ensure_logged(manager, meta, c.experiment_id);
  return {};
}

// What is asked of a run by MLflow depends on its experiment's lifecycle stage.
template <class Manager, class Command>
requires requires(Command& c) { c.experiment.generation; }
Status precondition(Manager& manager, const CommandMeta& meta, Command& c) {
  auto run = std::get<Repository<RunState>>(*manager.states).load(meta.tenant, stream_of(c));
  if (!run) return manager.context.log->writable().value_or(run.error());
  const std::string id = (*run)->state.experiment_id;
  const auto experiments = experiments_of(manager, meta);
  if (!experiments) return experiments.error();
  if (const auto at = (*experiments)->by_id.find(id); at != (*experiments)->by_id.end())
    c.experiment = {at->second.deleted, at->second.restored};
  return {};
}

// A command names its stream, so its name must be one before the stream is looked up.
Status check_stream(std::string_view stream) {
  const auto field = stream.starts_with("run/")             ? "run_id"
                     : stream.starts_with("logged_model/")  ? "model_id"
                     : stream.starts_with("artifacts/")     ? "path"
                     : stream.starts_with("trace/")         ? "trace_id"
                     : stream.starts_with("scorers/")       ? "experiment_id"
                     : stream.starts_with("issue/")         ? "issue_id"
                     : stream.starts_with("label_schemas/") ? "experiment_id"
                     : stream.starts_with("evaluation_d")   ? "dataset_id"
                     : stream.starts_with("pipeline_run/")  ? "pipeline_run_id"
                                                            : "name";
  const auto name = stream.substr(stream.find('/') + 1);
  return stream.starts_with("model/") ? check_name(field, name, kMostModelNameBytes)
                                      : check_name(field, name);
}

template <class Manager, class Command>
void handle_one(Manager& manager, CommandMeta& meta, Completion& done, Command& command) {
  auto* keys = manager.context.subjects;
  if (auto bad = key_fingerprint(keys, meta)) return done(*bad);
  if (auto bad = precondition(manager, meta, command)) return done(*bad);
  auto stream = stream_of(command);
  if (auto bad = check_stream(stream)) return done(*bad);
  const std::string tenant = meta.tenant, name = stream;
  Sealing sealing{tenant, name, {}, {}};
  if (auto bad = seal_command(keys, meta, command, sealing)) return done(*bad);
  decide_and_append(manager.context, manager.template states_for<Command>(), manager.recent,
                    manager.forget, std::move(stream), command, sealing.made, meta, done);
}

template <class Manager, class Body>
void handle(Manager& manager, Request<Body>& request) {
  visit(
      [&]<class Command>(Command& command) {
        if constexpr (std::is_same_v<Command, RenameModel>)
          rename_model(manager.context, std::get<Repository<ModelState>>(*manager.states),
                       manager.forget, command, request);
        else
          handle_one(manager, request.meta, request.done, command);
      },
      request.body);
}

template <class Message, class... States>
class Manager final : public ManagerState<States...> {
 public:
  using ManagerState<States...>::ManagerState;

  void decide(std::shared_ptr<void> first) override {
    using One = typename Message::element_type;
    Chain<One>::for_each(std::static_pointer_cast<One>(std::move(first)),
                         [this](const Message& request) { decide_one(*request); });
  }

 private:
  // An exception (out of memory, a defect) must not end the stage: forget all, answer, and fold
  // again from the log.
  void decide_one(typename Message::element_type& request) {
    try {
      handle(*this, request);
    } catch (const std::exception& e) {
      this->begin();
      request.done(
          Error{ErrorCode::internal, std::string("the manager was restarted: ") + e.what(), ""});
    }
  }
};

// The first of a chain of requests, of the type that the manager knows.
struct AnyRequest {
  std::shared_ptr<void> first;
};
using StageActor = caf::typed_actor<caf::reacts_to<AnyRequest>, caf::reacts_to<ForgetStream>>;
struct StageState {
  std::shared_ptr<Stage> stage;
};

}  // namespace
}  // namespace mlforge::actors

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(mlforge::actors::AnyRequest)

namespace mlforge::actors {
namespace {

StageActor spawn_stage(caf::actor_system& system, std::shared_ptr<Stage> made) {
  return system.spawn([made = std::move(made)](StageActor::stateful_pointer<StageState> self)
                          -> StageActor::behavior_type {
    const auto& stage = self->state.stage = made;
    const auto weak = caf::actor_cast<caf::actor_addr>(self);
    stage->forget = std::make_shared<const Forget>(
        [weak](const std::string& tenant, const std::string& stream) {
          if (auto manager = caf::actor_cast<StageActor>(weak))
            caf::anon_send(manager, ForgetStream{tenant, stream});
        });
    return {[self](const AnyRequest& request) {
              auto& context = self->state.stage->context;
              self->state.stage->decide(request.first);
              if (!context.decided.empty()) context.writer.send(context.decided.take());
            },
            [self](const ForgetStream& which) { self->state.stage->forget_stream(which); }};
  });
}

void send_to(const StageActor& stage, AnyRequest request) {
  caf::anon_send(stage, std::move(request));
}
void send_to(const StageActor& stage, ForgetStream which) {
  caf::anon_send(stage, std::move(which));
}

template <class Message>
class StageTarget final : public Handle<Message, ForgetStream>::Target {
 public:
  explicit StageTarget(StageActor to) : to_(std::move(to)) {}
  void receive(Message message) const override { send_to(to_, AnyRequest{std::move(message)}); }
  void receive(ForgetStream which) const override { send_to(to_, std::move(which)); }
  caf::actor actor() const override { return caf::actor_cast<caf::actor>(to_); }
  void end() const override { end_actor(actor()); }

 private:
  const StageActor to_;
};

template <class Message, class... States>
Handle<Message, ForgetStream> spawn_manager(caf::actor_system& system,
                                            const ManagerContext& context) {
  auto stage = spawn_stage(system, std::make_shared<Manager<Message, States...>>(context));
  return Handle<Message, ForgetStream>(
      std::make_shared<const StageTarget<Message>>(std::move(stage)));
}

}  // namespace

Managers spawn_managers(caf::actor_system& system, const ManagerContext& context) {
  return {
      spawn_manager<DatasetRequest, DatasetState>(system, context),
      spawn_manager<EnvironmentRequest, EnvironmentState>(system, context),
      spawn_manager<TrackingRequest, RunState, ExperimentsState, LoggedModelState, ArtifactsState,
                    TraceState, EvaluationDatasetState, ScorersState, IssueState,
                    LabelSchemasState>(system, context),
      spawn_manager<RegistryRequest, ModelState>(system, context),
      spawn_manager<PipelineRequest, PipelineRunState, PipelineState>(system, context),
      spawn_manager<DeploymentRequest, EndpointState, PredictionsState>(system, context),
      spawn_manager<DriftRequest, DriftState>(system, context),
      spawn_manager<SubscriptionRequest, SubscriptionState>(system, context),
  };
}

}  // namespace mlforge::actors
