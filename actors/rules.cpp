#include "actors/rules.hpp"

#include <spdlog/spdlog.h>

#include <fstream>
#include <sstream>

#include "actors/actors.hpp"
#include "actors/ask.hpp"
#include "actors/drift_job.hpp"
#include "actors/repository.hpp"
#include "actors/sealing.hpp"
#include "actors/streams.hpp"
#include "storage/line_checksum.hpp"

namespace mlforge::actors {
namespace {

constexpr std::uint64_t kRulesPage = 2000;
// While nobody waits for them the rules look at what comes together in this time: hardly any of it
// concerns them.
constexpr std::chrono::milliseconds kRulesGather{20};

class Rules {
 public:
  explicit Rules(const RulesContext& context) : c_(context) {}

  void start(const RulesStart& start) {
    load_cursor();
    for (const auto& name : start.endpoints) load_endpoint(name);
    for (const auto& id : start.running) c_.executor.send(RunPipeline{std::string(kTenant), id});
    c_.ruled->reached(cursor_);
  }

  // Whether the last step ended before an action that must be tried again.
  bool blocked() const { return blocked_; }

  // Works through one page of the log; answers whether there is more.
  bool step() {
    std::vector<Envelope> page;
    Position last = cursor_;
    const auto read = c_.log->read(cursor_ + 1, kRulesPage, [&](const EventView& e) {
      last = e.position;
      if (concerns(e.type)) page.emplace_back(e);
      return true;
    });
    if (!read) {
      spdlog::error("the rules stand still: {}", read.error().message);
      c_.ruled->fail();
      return false;
    }
    for (const auto& each : page) {
      if (act(each)) continue;
      // It could not be done now: the next commit, or the next start, tries again from here.
      cursor_ = each.position - 1;
      save_cursor();
      c_.ruled->fail();
      return false;
    }
    cursor_ = last;
    if (!page.empty() || cursor_ > saved_ + 50000) save_cursor();
    c_.ruled->reached(cursor_);
    return cursor_ < c_.log->head();
  }

 private:
  struct Watched {
    EndpointState state;
    DriftWindow window;
    Position covered = 0;  // predictions up to here are in no window any more
  };

  static bool concerns(std::string_view type) {
    return type.starts_with("model.alias") || type.starts_with("deployment.") ||
           type.starts_with("prediction.") || type.starts_with("drift.") ||
           type == PipelineRunStarted::type;
  }

  // False where the log or a manager could not take the action now. Anything else that goes wrong
  // is said and left behind: one event must not stop the rules.
  bool act(const Envelope& e) {
    blocked_ = false;
    try {
      const auto event = decode_event(e.view());
      if (event)
        visit([&](const auto& each) { on(e, each); }, *event);
      else
        spdlog::error("event {} cannot be read: {}", e.position, event.error().message);
    } catch (const std::exception& error) {
      spdlog::error("the rules on event {}: {}", e.position, error.what());
    }
    return !blocked_;
  }

  template <class Other>
  void on(const Envelope&, const Other&) {}
  void on(const Envelope& e, const EndpointCreated&) { endpoint_changed(e); }
  void on(const Envelope& e, const EndpointSplitChanged&) { endpoint_changed(e); }
  void on(const Envelope& e, const ModelAliasSet& set) { alias_moved(e, set.alias); }
  void on(const Envelope& e, const ModelAliasRemoved& removed) { alias_moved(e, removed.alias); }
  void on(const Envelope& e, const PredictionsLogged& batch);
  void on(const Envelope& e, const DriftReported& report);
  void on(const Envelope& e, const DriftAlertRaised& alert);
  void on(const Envelope& e, const RetrainingTriggered& retraining);
  void on(const Envelope&, const PipelineRunStarted& run) {
    c_.executor.send(RunPipeline{std::string(kTenant), run.pipeline_run_id});
  }

  // The rows about subjects whose key is gone count in no window.
  PredictionsLogged readable(std::string_view tenant, std::string_view stream,
                             PredictionsLogged batch) const {
    open_rows(c_.subjects, tenant, stream, batch);
    return batch;
  }

  std::string given_up(const std::string& run, const std::string& model) const;
  void load_endpoint(const std::string& name);
  void refill_window(const std::string& name, Watched& watched);
  void report_window(const Envelope& e, const std::string& name, Watched& watched);
  void endpoint_changed(const Envelope& e);
  void alias_moved(const Envelope& e, const std::string& alias);
  void serve(const std::string& endpoint, const Watched& watched, bool challenger,
             const Envelope* cause);
  void load_cursor();
  void save_cursor();

  // What the action's events say about themselves. The command id makes a repetition after a crash
  // harmless.
  CommandMeta because(const Envelope& cause, const std::string& rule) const {
    return {.tenant = cause.tenant,
            .actor = "rule:" + rule,
            .command_id = "rule:" + rule + ":" + to_string(cause.id),
            .causation = cause.id,
            .correlation = cause.correlation.is_nil() ? cause.id : cause.correlation};
  }

  template <class State>
  State fold(const std::string& stream) const {
    Repository<State> states(*c_.log, 1);
    auto entry = states.load(kTenant, stream);
    if (!entry) spdlog::error("stream {} cannot be read: {}", stream, entry.error().message);
    return entry ? std::move((*entry)->state) : State{};
  }

  void report_failure(const char* what, const Expected<Outcome>& outcome) {
    if (outcome) return;
    const auto code = outcome.error().code;
    blocked_ = blocked_ || code == ErrorCode::read_only || code == ErrorCode::unavailable;
    spdlog::warn("rule {}: {}", what, outcome.error().message);
  }

  RulesContext c_;
  Position cursor_ = 0, saved_ = 0;
  bool blocked_ = false;
  std::map<std::string, Watched> endpoints_;
};

void Rules::load_endpoint(const std::string& name) {
  auto& watched = endpoints_[name];
  watched.state = fold<EndpointState>("deployment/" + name);
  if (!watched.state.config) return;
  const auto& config = *watched.state.config;
  c_.scorer->set_endpoint({config.name, config.model, config.experiment_id,
                           static_cast<std::uint32_t>(watched.state.canary_bp), config.unit});
  serve(name, watched, false, nullptr);
  serve(name, watched, true, nullptr);
  refill_window(name, watched);
}

bool moves_champion(const EventView& e) {
  if (e.type != ModelAliasSet::type && e.type != ModelAliasRemoved::type) return false;
  const auto event = decode_event(e);
  if (!event) return false;
  if (const auto* set = get_if<ModelAliasSet>(&*event)) return set->alias == kChampion;
  const auto* removed = get_if<ModelAliasRemoved>(&*event);
  return removed && removed->alias == kChampion;
}

// The window as it stood at the cursor: the predictions since the last report or the last change
// of champion.
void Rules::refill_window(const std::string& name, Watched& watched) {
  Position& covered = watched.covered = fold<DriftState>("drift/" + name).last_position;
  const auto changes = c_.log->read_stream(kTenant, "model/" + watched.state.config->model, 1,
                                           UINT64_MAX, cursor_, [&](const EventView& e) {
                                             if (moves_champion(e))
                                               covered = std::max(covered, e.position);
                                             return true;
                                           });
  if (!changes) spdlog::error("the model of {} cannot be read: {}", name, changes.error().message);
  watched.window.clear();
  const auto read = c_.log->read_stream(
      kTenant, "predictions/" + name, 1, UINT64_MAX, cursor_, [&](const EventView& e) {
        if (e.position <= covered) return true;
        const auto event = decode_event(e);
        if (const auto* batch = event ? get_if<PredictionsLogged>(&*event) : nullptr)
          watched.window.add(e.position, readable(e.tenant, e.stream, *batch));
        return true;
      });
  if (!read) spdlog::error("the predictions of {} cannot be read: {}", name, read.error().message);
}

void Rules::endpoint_changed(const Envelope& e) {
  const auto name = name_of(e.stream);
  auto& watched = endpoints_[name];
  watched.state = fold<EndpointState>(e.stream);
  const auto& config = *watched.state.config;
  c_.scorer->set_endpoint({config.name, config.model, config.experiment_id,
                           static_cast<std::uint32_t>(watched.state.canary_bp), config.unit});
  if (e.type != EndpointCreated::type) return;
  serve(name, watched, false, &e);
  serve(name, watched, true, &e);
}

void Rules::alias_moved(const Envelope& e, const std::string& alias) {
  if (alias != kChampion && alias != kChallenger) return;
  for (auto& [name, watched] : endpoints_) {
    if (!watched.state.config || "model/" + watched.state.config->model != e.stream) continue;
    serve(name, watched, alias == kChallenger, &e);
    // Drift is measured against the champion's training data: a new champion begins a new window.
    if (alias == kChampion) watched.window.clear();
  }
}

void Rules::serve(const std::string& endpoint, const Watched& watched, bool challenger,
                  const Envelope* cause) {
  const auto model = fold<ModelState>("model/" + watched.state.config->model);
  const auto number = model.alias(challenger ? kChallenger : kChampion);
  const std::string route(challenger ? kChallenger : kChampion);
  std::shared_ptr<const ServedModel> served;
  if (const auto* version = model.version(number)) {
    auto bundle = load_bundle(version->artifacts, *c_.blobs, kTenant);
    auto loaded = bundle ? ServedModel::load(number, *bundle)
                         : Expected<std::shared_ptr<const ServedModel>>(bundle.error());
    if (!loaded) {
      // The version that was served goes on: a broken one must not take the endpoint down.
      spdlog::error("version {} of model {} cannot be served: {}", number,
                    watched.state.config->model, loaded.error().message);
      return;
    }
    served = *loaded;
  }
  c_.scorer->set_route(endpoint, challenger, served);
  if (!cause) return;
  auto meta = because(*cause, "serve:" + route + ":" + endpoint);
  report_failure("serve", ask<DeploymentBody>(c_.managers.deployments, std::move(meta),
                                              ActivateVersion{endpoint, route, number}));
}

void Rules::on(const Envelope& e, const PredictionsLogged& batch) {
  const auto name = name_of(e.stream);
  const auto at = endpoints_.find(name);
  if (at == endpoints_.end() || !at->second.state.config) return;
  if (e.position <= at->second.covered) return;  // after a crash the cursor lags
  auto& window = at->second.window;
  if (e.position > window.last_position())
    window.add(e.position, readable(e.tenant, e.stream, batch));
  if (window.size() < at->second.state.config->drift_window) return;
  report_window(e, name, at->second);
}

// The window is given up only when its report is in the log.
void Rules::report_window(const Envelope& e, const std::string& name, Watched& watched) {
  const auto endpoint = c_.scorer->find(name);
  if (!endpoint || !endpoint->champion) return;
  const auto& config = *watched.state.config;
  auto report = evaluate_drift(endpoint->champion->bundle().reference, watched.window,
                               endpoint->champion->version(),
                               {config.psi_threshold, config.ks_pvalue_threshold}, to_string(e.id));
  const auto outcome = ask<DriftBody>(c_.managers.drift, because(e, "drift-report"),
                                      RecordDriftReport{name, std::move(report)});
  report_failure("drift-report", outcome);
  if (blocked_) return;
  watched.covered = e.position;
  watched.window.clear();
  if (!outcome || !c_.on_report) return;
  if (const auto* recorded = outcome->find<DriftReported>()) c_.on_report(name, *recorded);
}

void Rules::on(const Envelope& e, const DriftReported& report) {
  if (!report.triggered) return;
  const auto name = name_of(e.stream);
  const auto threshold =
      fold<EndpointState>("deployment/" + name).config.value_or(EndpointCreated{}).psi_threshold;
  report_failure("drift-alert", ask<DriftBody>(c_.managers.drift, because(e, "drift-alert"),
                                               RaiseDriftAlert{name, report.report_id, threshold}));
}

void Rules::on(const Envelope& e, const DriftAlertRaised& alert) {
  const auto name = name_of(e.stream);
  const auto config = fold<EndpointState>("deployment/" + name).config;
  if (!config || config->retrain_pipeline.empty()) return;
  // Nothing is announced that cannot come.
  if (fold<PipelineState>("pipeline/" + config->retrain_pipeline).version == 0)
    return spdlog::error("drift of {} calls for pipeline '{}', which is not defined", name,
                         config->retrain_pipeline);
  std::string id;
  for (const char each : to_string(e.id))
    if (each != '-') id += each;
  TriggerRetraining command{name, alert.report_id, config->retrain_pipeline, id,
                            given_up(fold<DriftState>(e.stream).retraining, config->model)};
  report_failure("retrain", ask<DriftBody>(c_.managers.drift, because(e, "retrain"), command));
}

// The same run where it failed, or where what it made is archived or deleted; else nothing.
std::string Rules::given_up(const std::string& run, const std::string& model) const {
  if (run.empty()) return {};
  const auto state = fold<PipelineRunState>("pipeline_run/" + run);
  if (state.status == "failed") return run;
  if (state.status != "succeeded") return {};
  for (const auto& version : fold<ModelState>("model/" + model).versions)
    if (version.pipeline_run_id == run && (version.deleted || version.stage == "Archived"))
      return run;
  return {};
}

void Rules::on(const Envelope& e, const RetrainingTriggered& retraining) {
  const auto pipeline = fold<PipelineState>("pipeline/" + retraining.pipeline);
  if (pipeline.version == 0)
    return spdlog::error("drift of {} calls for pipeline '{}', which is not defined",
                         name_of(e.stream), retraining.pipeline);
  StartPipelineRun command{.pipeline_run_id = retraining.pipeline_run_id,
                           .pipeline = retraining.pipeline,
                           .pipeline_version = pipeline.version,
                           .spec = pipeline.spec,
                           .overrides = {{"fresh", retraining.report_id}},
                           .trigger = "drift:" + name_of(e.stream)};
  report_failure(
      "start-retraining",
      ask<PipelineBody>(c_.managers.pipelines, because(e, "start-retraining"), std::move(command)));
}

void Rules::load_cursor() {
  std::ifstream file(c_.cursor_file);
  std::string text, log_id, more;
  Position position = 0;
  std::getline(file, text);
  const auto line = storage::checked_line(text);
  if (!line) return spdlog::warn("rules.cursor is damaged: the rules look at every event again");
  std::istringstream in{std::string(*line)};
  if (in >> log_id >> position && !(in >> more) && log_id == to_string(c_.log->log_id()) &&
      position <= c_.log->head())
    cursor_ = position;
}

void Rules::save_cursor() {
  const auto temporary = c_.cursor_file + ".new";
  {
    std::ofstream out(temporary, std::ios::trunc);
    const auto line = to_string(c_.log->log_id()) + ' ' + std::to_string(cursor_);
    out << line << ' ' << storage::line_checksum(line) << '\n';
    if (!out) return;
  }
  if (std::rename(temporary.c_str(), c_.cursor_file.c_str()) == 0) saved_ = cursor_;
}

struct RulesState {
  std::unique_ptr<Rules> rules;
  bool scheduled = false;  // to run at once
  bool gathering = false;  // to run soon
};

}  // namespace

RulesActor spawn_rules(caf::actor_system& system, const RulesContext& context,
                       const RulesStart& start) {
  using Actor = ActorOf<RulesActor>;
  return handle_of<RulesActor>(system.spawn<caf::detached>(
      [context, start](Actor::stateful_pointer<RulesState> self) -> Actor::behavior_type {
        self->state.rules = std::make_unique<Rules>(context);
        try {
          self->state.rules->start(start);
        } catch (const std::exception& error) {
          spdlog::error("the rules could not start as they should: {}", error.what());
          context.ruled->fail();
        }
        const auto schedule = [self] {
          if (!std::exchange(self->state.scheduled, true)) self->send(self, Start{});
        };
        schedule();
        return {[self, schedule, ruled = context.ruled](Committed) {
                  if (ruled->awaited()) return schedule();
                  if (!std::exchange(self->state.gathering, true))
                    self->delayed_send(self, kRulesGather, Start{});
                },
                [self, schedule, bell = context.bell](Start) {
                  self->state.scheduled = self->state.gathering = false;
                  bell->silence();
                  if (self->state.rules->step()) return schedule();
                  if (!self->state.rules->blocked()) return;
                  // Nothing may be committed meanwhile, so it is not left to the next commit.
                  self->state.scheduled = true;
                  self->delayed_send(self, std::chrono::seconds(1), Start{});
                }};
      }));
}

}  // namespace mlforge::actors
