// Everything that a running server is made of. Handlers get a reference to it.
#pragma once
#include <atomic>
#include <map>
#include <memory>
#include <string>

#include "actors/broadcast.hpp"
#include "actors/commit_bell.hpp"
#include "actors/managers.hpp"
#include "actors/prediction_log.hpp"
#include "actors/push.hpp"
#include "actors/read_barrier.hpp"
#include "actors/scorer.hpp"
#include "actors/subscriptions.hpp"
#include "actors/system.hpp"
#include "actors/writer.hpp"
#include "gateway/config.hpp"
#include "gateway/flusher.hpp"
#include "gateway/http/server.hpp"
#include "gateway/live.hpp"
#include "gateway/workers.hpp"
#include "projections/projector.hpp"
#include "projections/run_index.hpp"
#include "projections/view_store.hpp"
#include "storage/blob_store.hpp"
#include "storage/lmdb_log.hpp"
#include "storage/subject_keys.hpp"

namespace mlforge::actors {
class UrlGuard;
}

namespace mlforge::storage {
class Prover;
}

namespace mlforge::gateway {

class Archivist;
class Metrics;
class ProofFollower;

struct App {
  Config config;
  std::unique_ptr<storage::LmdbLog> log;
  std::unique_ptr<storage::SubjectKeys> subjects;
  std::unique_ptr<storage::Prover> prover;
  std::unique_ptr<ProofFollower> proofs;  // keeps the prover up
  std::unique_ptr<Archivist> archivist;   // moves and drops old bodies
  std::unique_ptr<storage::BlobStore> blobs;
  std::unique_ptr<projections::ViewStore> views;
  std::unique_ptr<projections::RunIndex> run_index;  // told by the engine
  std::unique_ptr<projections::ProjectionEngine> engine;
  actors::CommitBell projector_bell, rules_bell;
  actors::ReadBarrier projected;  // how far the read models are
  actors::ReadBarrier
      ruled;  // how far the rules are: what is served follows the aliases up to there
  actors::WriterStats writer_stats;
  actors::Scorer scorer;
  actors::PredictionLog predictions;
  std::shared_ptr<PredictionFlusher> flusher;
  std::unique_ptr<Metrics> metrics;
  LiveHub live;
  std::unique_ptr<PastReader> past;                      // for those who watch from earlier on
  std::unique_ptr<storage::CursorStore> cursors;         // of the subscriptions
  std::shared_ptr<const actors::UrlGuard> url_guard;     // where webhooks may lead
  std::unique_ptr<actors::Subscriptions> subscriptions;  // told of every commit
  // Named consumers over SSE: the flag that ends a connection when the consumer comes on another.
  // The server's thread only.
  std::map<std::string, std::shared_ptr<bool>> sse_consumers;
  std::unique_ptr<actors::PushDeliveries> push;  // the subscriptions that the server delivers
  std::unique_ptr<actors::Broadcast> broadcast;  // null: --nats off

  std::unique_ptr<actors::System> system;
  actors::ManagerContext context;
  actors::Managers managers;
  actors::ProjectorActor projector;
  actors::BroadcasterActor broadcaster;  // null: --nats off
  actors::RulesActor rules;
  actors::ExecutorActor executor;

  bool crashed_before = false;  // the last server on this folder did
  // These may be told of commits: the writer is at work before they are made.
  std::atomic<bool> rules_ready = false, broadcaster_ready = false;
  std::atomic<bool> subscriptions_ready = false;
  std::atomic<bool> serving = false;  // the server answers
  std::atomic<bool> stopping = false;
  std::string openapi;  // rendered once

  std::unique_ptr<Workers> workers;
  std::unique_ptr<http::Server> server;  // the last to be made, the first to go
};

}  // namespace mlforge::gateway
