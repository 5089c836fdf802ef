#include "actors/managers.hpp"

#include "actors/actors.hpp"
#include "actors/rename_model.hpp"
#include "events/checks.hpp"
#include "storage/digest.hpp"

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

template <class... States>
struct ManagerState {
  ManagerContext context;
  std::shared_ptr<const Forget> forget;
  RecentIds recent;
  std::unique_ptr<std::tuple<Repository<States>...>> states;

  template <class Command>
  auto& states_for() {
    return std::get<Repository<typename StateFor<Command, States...>::type>>(*states);
  }
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
  return check_name(field, stream.substr(stream.find('/') + 1));
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

template <class ManagerActor, class Message, class... States>
ManagerActor spawn_manager(caf::actor_system& system, const ManagerContext& context) {
  using Actor = ActorOf<ManagerActor>;
  using State = ManagerState<States...>;
  return handle_of<ManagerActor>(system.spawn(
      [context](typename Actor::template stateful_pointer<State> self) ->
      typename Actor::behavior_type {
        auto& state = self->state;
        state.context = context;
        state.states = std::make_unique<std::tuple<Repository<States>...>>(
            Repository<States>(*context.log)...);
        const auto weak = caf::actor_cast<caf::actor_addr>(self);
        state.forget = std::make_shared<const Forget>(
            [weak](const std::string& tenant, const std::string& stream) {
              if (auto manager = caf::actor_cast<Actor>(weak))
                caf::anon_send(manager, ForgetStream{tenant, stream});
            });
        // An exception (out of memory, a defect) must not end the stage: forget all, answer, and
        // fold again from the log.
        const auto restart = [self, context] {
          self->state.states = std::make_unique<std::tuple<Repository<States>...>>(
              Repository<States>(*context.log)...);
        };
        const auto decide_one = [self, restart](const Message& request) {
          try {
            handle(self->state, *request);
          } catch (const std::exception& e) {
            restart();
            request->done(Error{ErrorCode::internal,
                                std::string("the manager was restarted: ") + e.what(), ""});
          }
        };
        return {
            [self, decide_one](const Message& first) {
              Chain<typename Message::element_type>::for_each(first, decide_one);
              auto& context = self->state.context;
              if (!context.decided.empty()) context.writer.send(context.decided.take());
            },
            [self](const ForgetStream& which) {
              self->state.recent.clear();
              (std::get<Repository<States>>(*self->state.states).forget(which.tenant, which.stream),
               ...);
            }};
      }));
}

}  // namespace

Expected<Outcome> outcome_from_log(const storage::Log& log, const storage::Appended& appended,
                                   std::string_view stream) {
  if (appended.other_request)
    return Error{ErrorCode::conflict,
                 "this Idempotency-Key was used for another request: draw a new one",
                 "Idempotency-Key"};
  Outcome outcome{.position = appended.last, .duplicate = true};
  Status bad;
  const auto read =
      log.read(appended.first, appended.last - appended.first + 1, [&](const EventView& e) {
        if (e.stream != stream)
          bad = conflict("this Idempotency-Key was used for another request, on " +
                         std::string(e.stream));
        else if (auto event = decode_event(e))
          outcome.events.push_back(*std::move(event));
        else
          bad = event.error();
        return !bad;
      });
  if (!read) return read.error();
  if (bad) return *bad;
  return outcome;
}

void send_barrier(ManagerContext& context, std::string stream, Status refusal, CommandMeta& meta,
                  Completion& done) {
  auto append = std::make_shared<Append>();
  append->request.tenant = std::move(meta.tenant);
  append->request.command_id = std::move(meta.command_id);
  append->stream = std::move(stream);
  append->refusal = std::move(refusal);
  append->done = std::move(done);
  context.decided.add(std::move(append));
}

namespace {

// Set where an event or its stream holds a sealed text that this command did not make.
Status check_foreign(const std::vector<NewEvent>& events, const std::set<std::string>& made) {
  for (const auto& event : events)
    for (const std::string_view text :
         {std::string_view(event.stream), std::string_view(event.payload)})
      if (auto bad = actors::check_foreign(text, made)) return bad;
  return {};
}

Expected<std::vector<NewEvent>> encode_all(const Events& events, const std::string& stream,
                                           const std::set<std::string>& made) {
  std::vector<NewEvent> encoded;
  encoded.reserve(events.size());
  for (const auto& event : events) encoded.push_back(encode_event(event, stream));
  auto bad = check_sizes(encoded);
  if (!bad) bad = check_foreign(encoded, made);
  if (bad) return *bad;
  return encoded;
}

}  // namespace

void decide_and_append(ManagerContext& context, RecentIds& recent,
                       const std::shared_ptr<const Forget>& forget, std::string stream,
                       Decider& decider, const std::set<std::string>& made, CommandMeta& meta,
                       Completion& done) {
  if (!meta.command_id.empty()) {
    if (const auto known = context.log->find_command(meta.tenant, meta.command_id))
      return done(outcome_from_log(*context.log, *known, stream));
    if (recent.contains(meta))
      return send_barrier(
          context, std::move(stream),
          Error{ErrorCode::unavailable,
                "the first request with this Idempotency-Key failed: try again", ""},
          meta, done);
  }
  if (auto bad = check_conditions(*context.log, meta.tenant, meta.conditions)) return done(*bad);
  if (auto bad = decider.load(meta.tenant, stream))
    return done(context.log->writable().value_or(*bad));
  auto events = decider.decide();
  if (!events) return send_barrier(context, std::move(stream), events.error(), meta, done);
  if (events->empty()) return send_barrier(context, std::move(stream), {}, meta, done);
  auto encoded = encode_all(*events, stream, made);
  if (!encoded) return send_barrier(context, std::move(stream), encoded.error(), meta, done);
  const auto version = decider.fold(*events);
  recent.add(meta);
  auto append = std::make_shared<Append>();
  append->request = {std::move(meta.tenant), std::move(meta.actor), std::move(meta.command_id),
                     meta.causation,         meta.correlation,      {{stream, version}},
                     *std::move(encoded)};
  auto& expected = append->request.expectations;
  expected.insert(expected.end(), meta.conditions.begin(), meta.conditions.end());
  append->stream = std::move(stream);
  append->events = *std::move(events);
  append->done = std::move(done);
  append->forget = forget;
  context.decided.add(std::move(append));
}

std::string fresh_id(const CommandMeta& meta, storage::IdSource& ids, storage::Clock& clock) {
  if (!meta.command_id.empty()) {
    const auto text = meta.tenant + '\n' + meta.command_id;
    return to_string(storage::sha256(storage::as_bytes(text))).substr(0, 32);
  }
  std::string id = to_string(ids.next(clock.now()));
  std::erase(id, '-');
  return id;
}

Status check_conditions(const storage::Log& log, std::string_view tenant,
                        std::span<const storage::Expectation> conditions) {
  for (const auto& each : conditions) {
    const auto holds = log.stream_version(tenant, each.stream);
    if (!holds) return holds.error();
    if (*holds != each.version)
      return Error{ErrorCode::conflict,
                   "the condition " + each.stream + "=" + std::to_string(each.version) +
                       " does not hold: the stream has " + std::to_string(*holds) + " events",
                   "X-Mlforge-Expect"};
  }
  return {};
}

Status check_sizes(const std::vector<NewEvent>& events) {
  constexpr std::size_t kEnvelope = 4096;
  for (const auto& event : events)
    if (event.payload.size() + kEnvelope > storage::Log::max_event_bytes())
      return Error{ErrorCode::payload_too_large,
                   "the request makes an event of " + std::to_string(event.payload.size()) +
                       " bytes, and an event has at most 8 MiB: send it in parts",
                   ""};
  return {};
}

Managers spawn_managers(caf::actor_system& system, const ManagerContext& context) {
  return {
      spawn_manager<DatasetActor, DatasetRequest, DatasetState>(system, context),
      spawn_manager<EnvironmentActor, EnvironmentRequest, EnvironmentState>(system, context),
      spawn_manager<TrackingActor, TrackingRequest, RunState, ExperimentsState, LoggedModelState,
                    ArtifactsState, TraceState, EvaluationDatasetState, ScorersState, IssueState,
                    LabelSchemasState>(system, context),
      spawn_manager<RegistryActor, RegistryRequest, ModelState>(system, context),
      spawn_manager<PipelineActor, PipelineRequest, PipelineRunState, PipelineState>(system,
                                                                                     context),
      spawn_manager<DeploymentActor, DeploymentRequest, EndpointState, PredictionsState>(system,
                                                                                         context),
      spawn_manager<DriftActor, DriftRequest, DriftState>(system, context),
      spawn_manager<SubscriptionActor, SubscriptionRequest, SubscriptionState>(system, context),
  };
}

}  // namespace mlforge::actors
