// The server's own rules. They follow the log and act on it:
//
//   a champion or challenger alias moves          -> the endpoints of that model load and serve the
//   version predictions fill an endpoint's window         -> a drift report a report finds drift ->
//   an alert an alert, where the endpoint names a pipeline -> a retraining, as a run of that
//   pipeline a pipeline run is started                     -> the executor runs it
//
// Each action's events name the event that caused them. Every action may be repeated: after a crash
// the rules go on at their cursor, which is saved only behind what has been done.
#pragma once
#include <atomic>
#include <functional>
#include <string>

#include "actors/commit_bell.hpp"
#include "actors/managers.hpp"
#include "actors/read_barrier.hpp"
#include "actors/scorer.hpp"
#include "projections/view_store.hpp"

namespace mlforge::actors {

// All pointers outlive the actor.
struct RulesContext {
  const storage::Log* log = nullptr;
  const storage::BlobStore* blobs = nullptr;
  std::shared_ptr<storage::IdSource> ids;
  Scorer* scorer = nullptr;
  Managers managers;
  ExecutorActor executor;
  ReadBarrier* ruled = nullptr;
  CommitBell* bell = nullptr;
  const storage::SubjectKeys* subjects = nullptr;  // null: what is encrypted counts in no window
  std::string cursor_file;  // a hint: lost, the rules look at everything again
  std::function<void(const std::string&, const DriftReported&)>
      on_report;  // (endpoint, report), for the metrics
};

// Serves what the aliases of every endpoint's model point to, before the first request. `endpoints`
// and `running` (pipeline runs that had not ended) come from the read models.
struct RulesStart {
  std::vector<std::string> endpoints;
  std::vector<std::string> running;
};
RulesActor spawn_rules(caf::actor_system& system, const RulesContext& context,
                       const RulesStart& start);

}  // namespace mlforge::actors
