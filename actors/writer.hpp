// The writer and the followers of the log.
#pragma once
#include <atomic>

#include "actors/handles.hpp"
#include "actors/read_barrier.hpp"

namespace mlforge::actors {

// Counters for /metrics. Any thread reads.
struct WriterStats {
  std::atomic<std::uint64_t> commits = 0, events = 0, conflicts = 0, refused = 0;
};

// Told the new head after each commit and its answers, on the writer's thread; must not block.
using OnCommit = std::function<void(Position)>;

// Runs what it is given, which answers the commands of one commit.
using AnswerAll = std::function<void(const std::function<void()>& answer)>;

// `log` and `stats` outlive the actor. Runs on a thread of its own: it blocks in the sync.
WriterActor spawn_writer(caf::actor_system& system, storage::Log& log, WriterStats& stats,
                         OnCommit on_commit, AnswerAll answer_all = {});

}  // namespace mlforge::actors
