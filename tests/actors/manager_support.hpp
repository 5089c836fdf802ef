// What the tests of managers, writer, rules and effects share: a log that fails on demand, a system
// whose every step a test makes itself, and a running one whose events a test waits for.
#pragma once
#include <caf/scheduler/test_coordinator.hpp>

#include <catch2/catch.hpp>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "actors/actors.hpp"
#include "actors/ask.hpp"
#include "actors/managers.hpp"
#include "actors/writer.hpp"
#include "events/event_codec.hpp"
#include "storage/memory_log.hpp"

namespace mlforge::actors::test {

inline constexpr TimeUs kNow = 1'795'225'080'000'000;

struct FixedClock final : storage::Clock {
  TimeUs now() override { return kNow; }
};

// A log in memory that refuses, or breaks, when it is told to. Not for several threads.
class TroubledLog final : public storage::Log {
 public:
  TroubledLog(std::shared_ptr<storage::Clock> clock, std::shared_ptr<storage::IdSource> ids)
      : memory(std::move(clock), std::move(ids)) {}

  storage::MemoryLog memory;
  std::optional<Error> refuse_next;  // what the next append() answers to all its requests
  bool throw_on_next_read = false, throw_on_next_append = false;
  std::optional<Error> damaged;      // what every read_stream() answers
  Status stopped;                    // what writable() answers
  std::vector<std::size_t> batches;  // how many requests each append() had

  std::vector<Expected<storage::Appended>> append(
      std::span<const storage::AppendRequest> requests) override;
  Expected<std::uint64_t> read_stream(std::string_view tenant, std::string_view stream,
                                      std::uint64_t from_version, std::uint64_t limit,
                                      Position as_of, const storage::Visitor& visit) const override;
  Position head() const override { return memory.head(); }
  Expected<Position> read(Position from, std::uint64_t limit,
                          const storage::Visitor& visit) const override {
    return memory.read(from, limit, visit);
  }
  Expected<Position> read_records(Position from, std::uint64_t limit,
                                  const storage::RecordVisitor& visit) const override {
    return memory.read_records(from, limit, visit);
  }
  Expected<std::uint64_t> stream_version(std::string_view tenant,
                                         std::string_view stream) const override {
    return memory.stream_version(tenant, stream);
  }
  std::optional<storage::Appended> find_command(std::string_view tenant,
                                                std::string_view id) const override {
    return memory.find_command(tenant, id);
  }
  Position position_at(TimeUs time) const override { return memory.position_at(time); }
  Status writable() const override { return stopped ? stopped : memory.writable(); }
  Uuid log_id() const override { return memory.log_id(); }
};

std::vector<Envelope> read_all(const storage::Log& log);
// Straight into the log, past the managers: only where no writer is at work.
void append_event(storage::Log& log, const std::string& stream, NewEvent event);

// The answer to a command, where it has come.
using Answer = std::shared_ptr<std::optional<Expected<Outcome>>>;

// Calls fn(actor) for every manager.
template <class F>
void each_manager(const Managers& m, F&& fn) {
  fn(m.datasets), fn(m.environments), fn(m.tracking), fn(m.registry);
  fn(m.pipelines), fn(m.deployments), fn(m.drift), fn(m.subscriptions);
}

struct SteppedConfig : caf::actor_system_config {
  SteppedConfig() { set("scheduler.policy", caf::atom("testing")); }
};

// Managers and writer on one thread, moved on by hand: nothing happens between two calls.
class SteppedSystem {
 public:
  explicit SteppedSystem(storage::SubjectKeys* subjects = nullptr);
  ~SteppedSystem();
  SteppedSystem(const SteppedSystem&) = delete;

  template <class Body, class Actor>
  Answer send(const Actor& manager, CommandMeta meta, Body body) {
    auto answer = std::make_shared<std::optional<Expected<Outcome>>>();
    const auto number = ++sent_;
    auto done = [this, answer, number](Expected<Outcome> result) {
      answer->emplace(std::move(result));
      answered.push_back(number);
    };
    manager.send(std::make_shared<Request<Body>>(
        Request<Body>{std::move(meta), std::move(body), std::move(done)}));
    return answer;
  }
  template <class Command>
  Answer track(Command command, CommandMeta meta = {}) {
    return send<TrackingBody>(managers.tracking, std::move(meta), TrackingBody{std::move(command)});
  }

  // Lets one manager decide all it has been sent; what it decided waits before the writer.
  template <class Actor>
  void decide(const Actor& manager) {
    while (scheduler().prioritize(manager.target()->actor())) scheduler().run_once();
  }
  // Lets everything happen that can.
  void run() { scheduler().run(); }
  // Sends, runs, and answers the outcome; fails the test on an Error.
  template <class Command>
  Outcome done(Command command, CommandMeta meta = {});

  caf::scheduler::test_coordinator& scheduler() {
    return dynamic_cast<caf::scheduler::test_coordinator&>(system.scheduler());
  }

  std::shared_ptr<storage::IdSource> ids = storage::seeded_ids(1);
  TroubledLog log{std::make_shared<FixedClock>(), ids};
  WriterStats stats;
  std::vector<Position> commits;        // what the writer told its followers
  std::vector<std::uint64_t> answered;  // the commands in the order of their answers, from 1
  SteppedConfig config;
  caf::actor_system system{config};
  WriterActor writer;
  Managers managers;

 private:
  std::uint64_t sent_ = 0;
};

Outcome outcome_of(const Answer& answer);
Error error_of(const Answer& answer);  // fails the test where it was none, or none has come

template <class Command>
Outcome SteppedSystem::done(Command command, CommandMeta meta) {
  const auto answer = track(std::move(command), std::move(meta));
  run();
  return outcome_of(answer);
}

struct RunningConfig : caf::actor_system_config {
  RunningConfig() {
    set("scheduler.policy", caf::atom("sharing"));
    set("scheduler.max-threads", std::size_t{1});
  }
};

// Managers and writer on threads of their own, as in the server. Tests wait for events.
class RunningSystem {
 public:
  RunningSystem();
  ~RunningSystem();
  RunningSystem(const RunningSystem&) = delete;

  template <class Body, class Actor, class Command>
  Outcome done(const Actor& manager, Command command) {
    auto outcome = ask<Body>(manager, CommandMeta{.actor = "ann"}, Body{std::move(command)});
    if (!outcome) FAIL(outcome.error().message);
    return *std::move(outcome);
  }

  // Waits until `enough` holds; it is asked after every commit and every call of wake().
  void until(const std::function<bool()>& enough);
  void wake();
  // The events of that type, oldest first.
  std::vector<Envelope> of_type(std::string_view type) const;
  // Told of every commit, on the writer's thread.
  void follow(OnCommit on_commit);

  std::shared_ptr<storage::IdSource> ids = storage::seeded_ids(1);
  storage::MemoryLog log{std::make_shared<FixedClock>(), ids};
  WriterStats stats;

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  OnCommit follower_;

 public:
  RunningConfig config;
  caf::actor_system system{config};
  WriterActor writer;
  Managers managers;
};

// The one event of that type in the log; fails the test where there is another number of them.
template <class E>
E only(const RunningSystem& system, Envelope* envelope = nullptr) {
  const auto found = system.of_type(E::type);
  REQUIRE(found.size() == 1);
  if (envelope) *envelope = found[0];
  const auto event = decode_event(found[0].view());
  REQUIRE(event);
  return get<E>(*event);
}

}  // namespace mlforge::actors::test
