// The composition root: opens the folder, starts everything in order, and takes it down again.
#include <csignal>

#include <future>
#include <iostream>

#include "actors/ask.hpp"
#include "actors/executor.hpp"
#include "actors/followers.hpp"
#include "actors/rules.hpp"
#include "gateway/app.hpp"
#include "gateway/archivist.hpp"
#include "gateway/cli/commands.hpp"
#include "gateway/crash_note.hpp"
#include "gateway/deliveries.hpp"
#include "gateway/handlers.hpp"
#include "gateway/http/logging.hpp"
#include "gateway/http/mailbox.hpp"
#include "gateway/metrics.hpp"
#include "gateway/mlflow/artifact_flags.hpp"
#include "gateway/mlflow/routes.hpp"
#include "gateway/mlflow/search_index.hpp"
#include "gateway/mlflow/web_pages.hpp"
#include "gateway/proof_follower.hpp"
#include "gateway/stop_request.hpp"
#include "gateway/strict_queries.hpp"
#include "projections/open_views.hpp"
#include "projections/queries.hpp"
#include "projections/view_damage.hpp"
#include "storage/blob_place.hpp"

namespace mlforge::gateway {
namespace {

// Read models that cannot reach the head, because a record of the log is damaged or the disk is
// full, serve what they have. Nobody would see what was written behind that: the log takes no more.
Status open_read_models(App& app, const std::filesystem::path& folder, const StopRequest& stop) {
  const auto building = [](std::uint64_t events) {
    if (events > 100000) logging::info("building the read models from {} events", events);
  };
  auto views =
      projections::open_views(*app.log, folder, {}, building, [&stop] { return stop.came(); });
  if (!views) return views.error();
  app.views = std::move(views->store);
  app.engine = std::move(views->engine);
  app.run_index = std::make_unique<projections::RunIndex>(kTenant, mlflow::read_cell);
  app.engine->observe(app.run_index.get());
  app.projected.reached(app.engine->position());
  if (app.views->discarded()) logging::warn("the read models were not whole and were made anew");
  app.log->keep_room_for([&app] { return app.projected.position(); });
  if (!views->behind) return {};
  logging::error("the read models stand at event {} of {}: {}", app.engine->position(),
                 app.log->head(), views->behind->message);
  app.log->stop_writing(*views->behind);
  app.projected.fail();
  return {};
}

// What was to be destroyed when the last server ended is destroyed before anybody can read it.
Status open_subject_keys(App& app) {
  auto keys = storage::SubjectKeys::open(storage::subject_keys_file(app.config.data_dir),
                                         app.context.clock);
  if (!keys) return keys.error();
  app.subjects = *std::move(keys);
  app.context.subjects = app.subjects.get();
  if (app.subjects->damaged() > 0)
    logging::error("{} keys of subjects are damaged: what they encrypted reads as erased",
                   app.subjects->damaged());
  const auto shredded = app.subjects->shred_recorded(*app.log);
  if (!shredded)
    logging::error("whether all keys that the log names are destroyed is not known: {}",
                   shredded.error().message);
  else if (*shredded > 0)
    logging::warn("{} keys that were to be destroyed are now", *shredded);
  return {};
}

// A signal has come while the server was starting: no error, but the start goes no further.
Status interrupted(const StopRequest& stop) {
  if (!stop.came()) return {};
  return Error{ErrorCode::unavailable, "the start was interrupted", ""};
}

Status open_storage(App& app, const StopRequest& stop) {
  const std::filesystem::path folder = app.config.data_dir;
  const auto crashed = discard_after_crash(folder);
  if (!crashed) return crashed.error();
  app.crashed_before = *crashed;
  if (*crashed)
    logging::warn(
        "the last server crashed: what is derived from the log is made anew. If it crashes "
        "again, 'mlforge verify' says whether the log itself is damaged");
  std::error_code ignored;
  if (std::filesystem::exists(folder / "FORMAT", ignored)) note_crashes(folder);
  storage::LmdbLogOptions options;
  options.map_bytes = std::size_t(app.config.log_map_gib) << 30;
  options.go_on = [&stop] { return !stop.came(); };
  app.context.clock = options.clock;
  app.context.ids = options.ids;
  auto log = storage::open_lmdb_log(folder, options);
  if (auto bad = interrupted(stop)) return bad;
  if (!log) return log.error();
  app.log = *std::move(log);
  note_crashes(folder);
  if (auto bad = interrupted(stop)) return bad;
  if (auto bad = open_subject_keys(app)) return bad;
  auto prover = storage::Prover::open(folder, *app.log, {.map_bytes = options.map_bytes});
  if (!prover) return prover.error();
  app.prover = *std::move(prover);
  if (auto bad = mlflow::link_destination(folder / "blobs", app.config.artifacts_destination))
    return bad;
  const auto& destination = app.config.artifacts_destination;
  auto blobs = storage::open_blobs(folder / "blobs",
                                   storage::is_s3_uri(destination) ? destination : std::string(),
                                   storage::environment_variable);
  if (!blobs) return blobs.error();
  app.blobs = *std::move(blobs);
  if (auto bad = interrupted(stop)) return bad;
  if (auto bad = open_read_models(app, folder / "views", stop)) return bad;
  return interrupted(stop);
}

void start_system(App& app) {
  app.system = std::make_unique<actors::System>();
  // Those that wait for S3 must not keep all others waiting.
  app.workers = std::make_unique<Workers>(app.blobs->remote().empty() ? 2 : 16);
  app.metrics = std::make_unique<Metrics>();
}

// What must be served and gone on with from before, as the read models have it; and the figures of
// the last drift reports, which no rule will tell again.
Expected<actors::RulesStart> rules_start(App& app) {
  actors::RulesStart start;
  auto reader = app.views->reader();
  if (!reader) return reader.error();
  std::string token;
  do {
    const auto page =
        projections::list_endpoints(*reader, kTenant, {1000, token, projections::kLatest});
    if (!page) return page.error();
    for (const auto& row : page->items) {
      start.endpoints.push_back(row.name);
      const auto drift =
          projections::latest_drift(*reader, kTenant, row.name, projections::kLatest);
      if (drift) app.metrics->drift_reported(row.name, drift->features);
    }
    token = page->next_page_token;
  } while (!token.empty());
  const auto running = projections::running_pipeline_runs(*reader, kTenant, projections::kLatest);
  if (!running) return running.error();
  for (const auto& row : *running) start.running.push_back(row.pipeline_run_id);
  return start;
}

// Brings into the log what was answered and not written down when the process ended, and keeps what
// is answered from now on. Where the log cannot be written nothing is predicted, and what waits
// goes on waiting for another start.
Status keep_predictions(App& app) {
  const auto folder = std::filesystem::path(app.config.data_dir) / "predictions";
  const auto rows = actors::read_spool(folder, *app.log, kTenant);
  if (!rows) return rows.error();
  for (auto& batch : actors::to_batches(*rows)) {
    actors::CommandMeta meta;
    meta.actor = "endpoint:" + batch.endpoint;
    const auto done = actors::ask<actors::DeploymentBody>(app.managers.deployments, std::move(meta),
                                                          std::move(batch));
    if (done) continue;
    logging::error("answered predictions of before are not in the log yet: {}",
                   done.error().message);
    return {};
  }
  if (!rows->empty())
    logging::info("{} predictions that were answered before the last end are in the log now",
                  rows->size());
  auto spool = actors::PredictionSpool::start(folder);
  if (!spool) return app.log->writable() ? Status{} : Status{spool.error()};
  app.predictions.keep_in(*std::move(spool));
  return {};
}

Status start_actors(App& app) {
  const auto start = rules_start(app);
  if (!start) return start.error();
  auto& system = app.system->caf();
  app.projector = actors::spawn_projector(
      system, {*app.log, *app.engine, app.projected, app.projector_bell, [&app] {
                 if (const auto indexed = app.log->index_some(); !indexed)
                   logging::error("the index stands still: {}", indexed.error().message);
               }});
  app.projected.on_wait([&app] { app.projector.send(actors::Start{}); });
  app.proofs = std::make_unique<ProofFollower>(*app.prover);
  app.past = std::make_unique<PastReader>(*app.log);
  // The writer is first to see a commit, and the rules are made after it: they are told through
  // this handle.
  app.context.log = app.log.get();
  app.context.writer = actors::spawn_writer(
      system, *app.log, app.writer_stats,
      [&app](Position head) {
        app.projector_bell.ring(app.projector, head);
        if (app.rules_ready) app.rules_bell.ring(app.rules, head);
        if (app.broadcaster_ready) app.broadcaster.send(actors::Committed{head});
        app.live.wake_all();
        if (app.subscriptions_ready) app.subscriptions->notify();
        app.proofs->notify();
      },
      [](const std::function<void()>& answer) {
        const http::Mailbox::Gather together;
        answer();
      });
  app.archivist = std::make_unique<Archivist>(
      *app.log, *app.context.clock, archive_rules(app.config),
      [&app](storage::AppendRequest request) { return append_through(app, std::move(request)); });
  app.context.artifact_root = app.config.default_artifact_root;
  app.managers = actors::spawn_managers(system, app.context);
  if (auto bad = start_subscriptions(app)) return bad;
  if (auto bad = keep_predictions(app)) return bad;
  app.flusher = std::make_shared<PredictionFlusher>(app.predictions, app.managers.deployments);
  app.executor = actors::spawn_executor(system, {.log = app.log.get(),
                                                 .blobs = app.blobs.get(),
                                                 .views = app.views.get(),
                                                 .projected = &app.projected,
                                                 .managers = app.managers,
                                                 .stopping = &app.stopping});
  app.rules = actors::spawn_rules(system,
                                  {.log = app.log.get(),
                                   .blobs = app.blobs.get(),
                                   .ids = app.context.ids,
                                   .scorer = &app.scorer,
                                   .managers = app.managers,
                                   .executor = app.executor,
                                   .ruled = &app.ruled,
                                   .bell = &app.rules_bell,
                                   .subjects = app.subjects.get(),
                                   .cursor_file = app.config.data_dir + "/rules.cursor",
                                   .on_report =
                                       [&app](const std::string& name, const DriftReported& r) {
                                         app.metrics->drift_reported(name, r.features);
                                       }},
                                  *start);
  app.ruled.on_wait([&app] { app.rules.send(actors::Start{}); });
  app.rules_ready = true;
  return configure_lineage(app);
}

Status start_broadcast(App& app) {
  if (app.config.nats == "off") return {};
  auto broadcast = actors::Broadcast::start(*app.log, app.config.nats, app.config.data_dir);
  if (!broadcast) return broadcast.error();
  app.broadcast = *std::move(broadcast);
  app.broadcaster = actors::spawn_broadcaster(app.system->caf(), app.broadcast->publisher());
  app.broadcaster_ready = true;
  return {};
}

http::ServerOptions server_options(const App& app) {
  const auto& c = app.config;
  http::ServerOptions options;
  options.host = c.host();
  options.port = c.port();
  options.max_body_bytes = c.max_body_bytes;
  options.max_header_bytes = c.max_header_bytes;
  options.max_connections = c.max_connections;
  options.max_pending_bytes = c.max_pending_bytes;
  options.idle_timeout = std::chrono::seconds(c.idle_timeout_seconds);
  options.allowed_hosts = c.allowed_hosts;
  options.allowed_origins = c.allowed_origins;
  options.registry = app.metrics->registry();
  return options;
}

// The rules have what is served in place before anybody can ask.
Status wait_for_rules(App& app, const StopRequest& stop) {
  const auto served = std::make_shared<std::promise<void>>();
  app.ruled.when(app.log->head(), [served] { served->set_value(); });
  const auto done = served->get_future();
  while (done.wait_for(std::chrono::milliseconds(20)) != std::future_status::ready)
    if (auto bad = interrupted(stop)) return bad;
  return {};
}

// Listens, so that the address is known. Nobody is answered before start_server().
Status bind_server(App& app) {
  http::Router router;
  add_system_routes(app, router);
  add_event_routes(app, router);
  add_travel_routes(app, router);
  add_backup_routes(app, router);
  add_dataset_routes(app, router);
  add_run_routes(app, router);
  add_model_routes(app, router);
  add_pipeline_routes(app, router);
  add_endpoint_routes(app, router);
  add_serving_routes(app, router);
  add_subject_routes(app, router);
  add_subscription_routes(app, router);
  add_proof_routes(app, router);
  add_mlflow_routes(app, router);
  add_archive_routes(app, router);
  add_page_routes(app, router);
  app.openapi = http::openapi_json(router, api_info());
  app.server = std::make_unique<http::Server>(server_options(app), refuse_unknown_queries(router));
  return app.server->bind();
}

Status start_server(App& app, const StopRequest& stop) {
  if (auto bad = wait_for_rules(app, stop)) return bad;
  if (auto bad = app.server->start()) return bad;
  app.serving = true;
  return {};
}

// Stop accepting, drain, commit, checkpoint.
void shut_down(App& app) {
  app.stopping = true;
  app.projected.fail();  // who waits for something to come is answered as it stands
  if (app.subscriptions) app.subscriptions->no_more_waiting();
  if (app.serving) {
    std::promise<bool> drained;
    app.server->drain(std::chrono::seconds(app.config.drain_seconds),
                      [&drained](bool all) { drained.set_value(all); });
    if (!drained.get_future().get())
      logging::warn("some requests did not end in time and were cut off");
  }
  if (app.flusher && !app.flusher->wait_idle(std::chrono::seconds(5)))
    logging::warn("some predictions could not be written down");
  stop_subscriptions(app);
  if (app.blobs) app.blobs->stop();
  if (app.workers) {
    app.workers->stop();
    app.workers->join();
  }
  if (app.archivist) app.archivist->stop();
  if (app.system) {
    // Those that ask others first, then those who are asked; the handles stay, for the writer reads
    // them.
    app.rules_ready = false;
    app.executor.end();
    app.rules.end();
    app.managers.datasets.end();
    app.managers.environments.end();
    app.managers.tracking.end();
    app.managers.registry.end();
    app.managers.pipelines.end();
    app.managers.deployments.end();
    app.managers.drift.end();
    app.managers.subscriptions.end();
    app.context.writer.end();
    app.projector.end();
    app.broadcaster.end();
  }
  if (app.broadcast) app.broadcast->stop();
  if (app.server) app.server->stop();
  if (app.past) app.past->stop();
  if (app.engine && app.serving)
    if (const auto reached = app.engine->catch_up(); !reached)
      logging::warn("the read models stand at {}: {}", app.engine->position(),
                    reached.error().message);
  app.engine.reset();
  if (app.proofs) app.proofs->stop();
  if (app.prover)
    if (const auto bad = app.prover->close()) logging::warn("the proofs: {}", bad->message);
  if (app.views)
    if (const auto bad = app.views->close()) logging::warn("the read models: {}", bad->message);
  if (app.log)
    if (const auto bad = app.log->close()) logging::warn("the log: {}", bad->message);
}

Status start(App& app, const StopRequest& stop) {
  if (auto bad = mlflow::check_artifact_flags(app.config)) return bad;
  if (auto bad = mlflow::find_web_pages(app.config)) return bad;
  if (auto bad = open_storage(app, stop)) return bad;
  start_system(app);
  if (auto bad = bind_server(app)) return bad;
  if (auto bad = start_broadcast(app)) return bad;
  if (auto bad = start_actors(app)) return bad;
  if (auto bad = mlflow::place_default_experiment(app)) return bad;
  if (auto bad = interrupted(stop)) return bad;
  return start_server(app, stop);
}

}  // namespace

int serve_command(const Config& config) {
  logging::set_up(config.log_level);
  const StopRequest& stop = take_stop_signals();
  std::signal(SIGPIPE, SIG_IGN);
  auto app = std::make_unique<App>();
  app->config = config;
  auto bad = start(*app, stop);
  if (bad && !stop.came() && projections::is_view_damage(*bad)) {
    // Found behind the opening; they are marked now, so the second start makes them anew.
    logging::warn("{}", bad->message);
    shut_down(*app);
    app = std::make_unique<App>();
    app->config = config;
    bad = start(*app, stop);
  }
  if (bad && !stop.came()) {
    std::cerr << "mlforge: " << bad->message << '\n';
    shut_down(*app);
    return error_row(bad->code).exit_code;
  }
  if (!bad) std::cout << "listening on " << app->server->url() << std::endl;
  logging::info("stopping ({}){}", stop.wait() == SIGTERM ? "SIGTERM" : "SIGINT",
                bad ? " before the start was over" : "");
  shut_down(*app);
  app.reset();
  return 0;
}

}  // namespace mlforge::gateway
