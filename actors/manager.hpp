// What every manager does with a command: load the state, decide, and put the events on their way
// to the writer.
#pragma once
#include <deque>
#include <unordered_set>

#include "actors/actors.hpp"
#include "actors/repository.hpp"
#include "actors/sealing.hpp"

namespace mlforge::actors {

// What managers share. Outlives them.
struct ManagerContext {
  const storage::Log* log = nullptr;
  WriterActor writer;
  std::shared_ptr<storage::Clock> clock;
  std::shared_ptr<storage::IdSource> ids;    // thread-safe
  storage::SubjectKeys* subjects = nullptr;  // null: nothing can be encrypted
  std::string artifact_root = {};            // of new experiments, a URI; empty: the server's own
  Chain<Append> decided = {};                // what the message under way has come to
};

// The outcome of a command whose id the log knows, with the events it caused then. `conflict` where
// that was a command on another stream: then the id was used twice.
Expected<Outcome> outcome_from_log(const storage::Log& log, const storage::Appended& appended,
                                   std::string_view stream);

// The command ids that a manager has handed to the writer of late. One that comes again before the
// log knows it must not be decided a second time. Not thread-safe.
class RecentIds {
 public:
  bool contains(const CommandMeta& meta) const { return ids_.contains(key(meta)); }
  void add(const CommandMeta& meta) {
    if (meta.command_id.empty() || !ids_.insert(key(meta)).second) return;
    order_.push_back(key(meta));
    if (order_.size() <= kMost) return;
    ids_.erase(order_.front());
    order_.pop_front();
  }
  void clear() {
    ids_.clear();
    order_.clear();
  }

 private:
  static std::string key(const CommandMeta& meta) { return meta.tenant + '\n' + meta.command_id; }

  static constexpr std::size_t kMost = 8192;  // many times what can be on its way
  std::unordered_set<std::string> ids_;
  std::deque<std::string> order_;
};

// Puts name and time into commands that have room for them.
template <class Command>
void stamp(ManagerContext& context, Command& command) {
  if constexpr (requires { command.time; }) command.time = context.clock->now();
}

// Answers `refusal` (or, without one, that nothing changed) after everything that was handed to the
// writer before: it may rest on events that are still on their way.
template <class Body>
void send_barrier(ManagerContext& context, std::string stream, Status refusal,
                  Request<Body>& request) {
  auto append = std::make_shared<Append>();
  append->request.tenant = std::move(request.meta.tenant);
  append->request.command_id = std::move(request.meta.command_id);
  append->stream = std::move(stream);
  append->refusal = std::move(refusal);
  append->done = std::move(request.done);
  context.decided.add(std::move(append));
}

// 32 hexadecimal digits for something new: of a UUIDv7, or, for a command that may be told again,
// of its id, so that the second time names the same thing.
std::string fresh_id(const CommandMeta& meta, storage::IdSource& ids, storage::Clock& clock);

// Set (`conflict`) where a condition does not hold of what is on disk.
Status check_conditions(const storage::Log& log, std::string_view tenant,
                        std::span<const storage::Expectation> conditions);

// Set where one of the events is larger than the log takes; found out before the state has moved
// on.
Status check_sizes(const std::vector<NewEvent>& events);

// Set where an event or its stream holds a sealed text that this command did not make.
inline Status check_foreign(const std::vector<NewEvent>& events,
                            const std::set<std::string>& made) {
  for (const auto& event : events)
    for (const std::string_view text :
         {std::string_view(event.stream), std::string_view(event.payload)})
      if (auto bad = check_foreign(text, made)) return bad;
  return {};
}

// The state of one stream, decided upon. `made`: the sealed texts of the command. Answers `done` at
// once where the log knows the command already; else the writer does when the events, or those that
// a refusal rests on, are on disk.
template <class State, class Body, class Command>
void decide_and_append(ManagerContext& context, Repository<State>& states, RecentIds& recent,
                       const std::shared_ptr<const Forget>& forget, std::string stream,
                       Command& command, const std::set<std::string>& made,
                       Request<Body>& request) {
  auto& meta = request.meta;
  if (!meta.command_id.empty()) {
    if (const auto known = context.log->find_command(meta.tenant, meta.command_id))
      return request.done(outcome_from_log(*context.log, *known, stream));
    if (recent.contains(meta))
      return send_barrier(
          context, std::move(stream),
          Error{ErrorCode::unavailable,
                "the first request with this Idempotency-Key failed: try again", ""},
          request);
  }
  if (auto bad = check_conditions(*context.log, meta.tenant, meta.conditions))
    return request.done(*bad);
  auto entry = states.load(meta.tenant, stream);
  if (!entry) return request.done(context.log->writable().value_or(entry.error()));
  stamp(context, command);
  auto events = decide((*entry)->state, command);
  if (!events) return send_barrier(context, std::move(stream), events.error(), request);
  if (events->empty()) return send_barrier(context, std::move(stream), {}, request);
  std::vector<NewEvent> encoded;
  encoded.reserve(events->size());
  for (const auto& event : *events) encoded.push_back(encode_event(event, stream));
  auto bad = check_sizes(encoded);
  if (!bad) bad = check_foreign(encoded, made);
  if (bad) return send_barrier(context, std::move(stream), *bad, request);
  for (const auto& event : *events) fold((*entry)->state, event);
  recent.add(meta);
  auto append = std::make_shared<Append>();
  append->request = {std::move(meta.tenant), std::move(meta.actor), std::move(meta.command_id),
                     meta.causation,         meta.correlation,      {{stream, (*entry)->version}},
                     std::move(encoded)};
  auto& expected = append->request.expectations;
  expected.insert(expected.end(), meta.conditions.begin(), meta.conditions.end());
  (*entry)->version += events->size();
  append->stream = std::move(stream);
  append->events = *std::move(events);
  append->done = std::move(request.done);
  append->forget = forget;
  context.decided.add(std::move(append));
}

}  // namespace mlforge::actors
