// What every manager does with a command: load the state, decide, and put the events on their way
// to the writer.
#pragma once
#include <deque>
#include <unordered_set>

#include "actors/handles.hpp"
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
void send_barrier(ManagerContext& context, std::string stream, Status refusal, CommandMeta& meta,
                  Completion& done);

// 32 hexadecimal digits for something new: of a UUIDv7, or, for a command that may be told again,
// of its id, so that the second time names the same thing.
std::string fresh_id(const CommandMeta& meta, storage::IdSource& ids, storage::Clock& clock);

// Set (`conflict`) where a condition does not hold of what is on disk.
Status check_conditions(const storage::Log& log, std::string_view tenant,
                        std::span<const storage::Expectation> conditions);

// Set where one of the events is larger than the log takes; found out before the state has moved
// on.
Status check_sizes(const std::vector<NewEvent>& events);

// What deciding a command does with the state of its stream, whatever their types are.
class Decider {
 public:
  virtual ~Decider() = default;
  // The state as all events decided so far leave it. The Error is the log's.
  virtual Status load(const std::string& tenant, const std::string& stream) = 0;
  virtual Expected<Events> decide() = 0;
  // Moves state and version on; gives the version before.
  virtual std::uint64_t fold(const Events& events) = 0;
};

template <class State>
class StateDecider final : public Decider {
 public:
  // `decide(state, command)`; `states` and `command` outlive this.
  using Decide = Expected<Events> (*)(const State& state, const void* command);
  StateDecider(Repository<State>& states, Decide decide, const void* command)
      : states_(states), decide_(decide), command_(command) {}

  Status load(const std::string& tenant, const std::string& stream) override {
    auto entry = states_.load(tenant, stream);
    if (!entry) return entry.error();
    entry_ = *entry;
    return {};
  }
  Expected<Events> decide() override { return decide_(entry_->state, command_); }
  std::uint64_t fold(const Events& events) override {
    for (const auto& event : events) mlforge::fold(entry_->state, event);
    return std::exchange(entry_->version, entry_->version + events.size());
  }

 private:
  Repository<State>& states_;
  Decide decide_;
  const void* command_;
  typename Repository<State>::Entry* entry_ = nullptr;
};

// The part that does not depend on the types: compiled once, not for each of a hundred commands.
// `made`: the sealed texts of the command. Answers `done` at once where the log knows the command
// already; else the writer does when the events, or those that a refusal rests on, are on disk.
void decide_and_append(ManagerContext& context, RecentIds& recent,
                       const std::shared_ptr<const Forget>& forget, std::string stream,
                       Decider& decider, const std::set<std::string>& made, CommandMeta& meta,
                       Completion& done);

// The state of one stream, decided upon.
template <class State, class Command>
void decide_and_append(ManagerContext& context, Repository<State>& states, RecentIds& recent,
                       const std::shared_ptr<const Forget>& forget, std::string stream,
                       Command& command, const std::set<std::string>& made, CommandMeta& meta,
                       Completion& done) {
  stamp(context, command);
  StateDecider<State> decider(
      states,
      [](const State& state, const void* command) {
        return decide(state, *static_cast<const Command*>(command));
      },
      &command);
  decide_and_append(context, recent, forget, std::move(stream), decider, made, meta, done);
}

}  // namespace mlforge::actors
