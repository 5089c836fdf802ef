// Runs pipelines on a thread of its own, through the managers.
#pragma once
#include <atomic>

#include "actors/managers.hpp"
#include "actors/read_barrier.hpp"
#include "projections/view_store.hpp"
#include "storage/blob_store.hpp"

namespace mlforge::actors {

// All pointers outlive the actor.
struct ExecutorContext {
  const storage::Log* log = nullptr;
  storage::BlobStore* blobs = nullptr;
  const projections::ViewStore* views = nullptr;
  ReadBarrier* projected = nullptr;
  Managers managers;
  const std::atomic<bool>* stopping =
      nullptr;  // set: steps end soon, and the next start of the server goes on with the run
  unsigned max_parallel = 2;
};

ExecutorActor spawn_executor(caf::actor_system& system, const ExecutorContext& context);

}  // namespace mlforge::actors
