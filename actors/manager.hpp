// What every manager does with a command: load the state, decide, hand the events to the writer.
#pragma once
#include "actors/actors.hpp"
#include "actors/repository.hpp"

namespace mlforge::actors {

// What managers share. Outlives them.
struct ManagerContext {
  const storage::Log* log = nullptr;
  WriterActor writer;
  std::shared_ptr<storage::Clock> clock;
  std::shared_ptr<storage::IdSource> ids;  // thread-safe
};

// The outcome of a command whose id the log knows, with the events it caused then.
Expected<Outcome> outcome_from_log(const storage::Log& log, const storage::Appended& appended);

// Puts name and time into commands that have room for them.
template <class Command>
void stamp(ManagerContext& context, Command& command) {
  if constexpr (requires { command.time; }) command.time = context.clock->now();
}

// The state of one stream, decided upon. Answers `done` at once where the command is refused or
// known already; else the writer does when the events are on disk.
template <class State, class Body, class Command>
void decide_and_append(ManagerContext& context, Repository<State>& states,
                       const std::shared_ptr<const Forget>& forget, std::string stream,
                       Command& command, Request<Body>& request) {
  auto& meta = request.meta;
  if (!meta.command_id.empty())
    if (const auto known = context.log->find_command(meta.tenant, meta.command_id))
      return request.done(outcome_from_log(*context.log, *known));
  auto entry = states.load(meta.tenant, stream);
  if (!entry) return request.done(entry.error());
  stamp(context, command);
  auto events = decide((*entry)->state, command);
  auto append = std::make_shared<Append>();
  if (!events) {
    append->refusal = events.error();
    append->done = std::move(request.done);
    caf::anon_send(context.writer, std::move(append));
    return;
  }
  append->request = {std::move(meta.tenant),
                     std::move(meta.actor),
                     std::move(meta.command_id),
                     meta.causation,
                     meta.correlation,
                     {},
                     {}};
  append->request.events.reserve(events->size());
  for (const auto& event : *events) {
    fold((*entry)->state, event);
    append->request.events.push_back(encode_event(event, stream));
  }
  if (!events->empty())
    append->request.expectations.push_back({std::move(stream), (*entry)->version});
  (*entry)->version += events->size();
  append->events = *std::move(events);
  append->done = std::move(request.done);
  append->forget = forget;
  caf::anon_send(context.writer, std::move(append));
}

}  // namespace mlforge::actors
