#include "actors/writer.hpp"

#include <caf/scheduler/test_coordinator.hpp>

#include "actors/actors.hpp"
#include "actors/manager.hpp"

namespace mlforge::actors {
namespace {

struct State {
  storage::Log* log = nullptr;
  WriterStats* stats = nullptr;
  OnCommit on_commit;
  AnswerAll answer_all;
  std::vector<AppendPtr> waiting;
  std::vector<storage::AppendRequest> requests;
  bool scheduled = false;
};

void forget(const Append& append) {
  if (!append.forget) return;
  if (!append.request.expectations.empty())
    (*append.forget)(append.request.tenant, append.request.expectations.front().stream);
}

void finish(State& state, Append& append, const Expected<storage::Appended>& result) {
  if (!result) {
    forget(append);
    const bool stale = result.error().code == ErrorCode::conflict;
    ++(stale ? state.stats->conflicts : state.stats->refused);
    // The first expectation is the manager's own, the others are the client's.
    if (stale && append.request.expectations.size() > 1)
      if (auto unmet = check_conditions(*state.log, append.request.tenant,
                                        std::span(append.request.expectations).subspan(1)))
        return append.done(*unmet);
    // A stale state is the manager's, which folds it anew; the client did nothing wrong.
    return append.done(stale ? Error{ErrorCode::unavailable,
                                     "the state that this rested on was not written: try again", ""}
                             : result.error());
  }
  if (result->duplicate) {
    // The id was used before, perhaps a moment ago: what counts is what it did then.
    forget(append);
    return append.done(outcome_from_log(*state.log, *result, append.stream));
  }
  state.stats->events += append.events.size();
  append.done(Outcome{result->last, false, std::move(append.events)});
}

// A command that left no events. One whose id has come to the log meanwhile has happened after all.
void answer_barrier(State& state, Append& append, Position head) {
  const auto& request = append.request;
  if (!request.command_id.empty())
    if (const auto known = state.log->find_command(request.tenant, request.command_id))
      return append.done(outcome_from_log(*state.log, *known, append.stream));
  if (append.refusal) return append.done(*append.refusal);
  // What it found unchanged may be what has just failed to be written.
  if (auto stopped = state.log->writable()) return append.done(*stopped);
  append.done(Outcome{.position = head});
}

std::vector<Expected<storage::Appended>> append_all(State& state) {
  if (state.requests.empty()) return {};
  try {
    return state.log->append(state.requests);
  } catch (const std::exception& e) {
    const Error error{ErrorCode::internal, std::string("the log could not be written: ") + e.what(),
                      ""};
    return std::vector<Expected<storage::Appended>>(state.requests.size(), error);
  }
}

void flush(State& state) {
  state.scheduled = false;
  auto batch = std::move(state.waiting);
  state.waiting.clear();
  state.requests.clear();
  for (auto& each : batch)
    if (!each->events.empty()) state.requests.push_back(std::move(each->request));
  const auto results = append_all(state);
  const Position head = state.log->head();
  const bool wrote = !state.requests.empty();
  if (wrote) ++state.stats->commits;
  state.answer_all([&] {
    std::size_t at = 0;
    for (auto& each : batch) {
      if (each->events.empty()) {
        answer_barrier(state, *each, head);
        continue;
      }
      each->request = std::move(state.requests[at]);
      finish(state, *each, results[at++]);
    }
  });
  if (wrote) state.on_commit(head);
}

// A scheduler that is stepped by hand steps the writer too: then batches are what a test makes
// them.
bool stepped_by_hand(caf::actor_system& system) {
  return dynamic_cast<caf::scheduler::test_coordinator*>(&system.scheduler()) != nullptr;
}

}  // namespace

WriterActor spawn_writer(caf::actor_system& system, storage::Log& log, WriterStats& stats,
                         OnCommit on_commit, AnswerAll answer_all) {
  if (!answer_all) answer_all = [](const std::function<void()>& answer) { answer(); };
  using Actor = ActorOf<WriterActor>;
  const auto behavior = [&log, &stats, on_commit,
                         answer_all](Actor::stateful_pointer<State> self) -> Actor::behavior_type {
    self->state.log = &log;
    self->state.stats = &stats;
    self->state.on_commit = on_commit;
    self->state.answer_all = answer_all;
    return {[self](const AppendPtr& first) {
              Chain<Append>::for_each(first, [self](AppendPtr append) {
                self->state.waiting.push_back(std::move(append));
              });
              // The mailbox is in order: what waits in it now comes before this message, and joins
              // the batch.
              if (!std::exchange(self->state.scheduled, true)) self->send(self, Start{});
            },
            [self](Start) { flush(self->state); }};
  };
  if (stepped_by_hand(system)) return handle_of<WriterActor>(system.spawn(behavior));
  return handle_of<WriterActor>(system.spawn<caf::detached>(behavior));
}

}  // namespace mlforge::actors
