#include "tests/actors/manager_support.hpp"

#include <chrono>
#include <stdexcept>

namespace mlforge::actors::test {

std::vector<Expected<storage::Appended>> TroubledLog::append(
    std::span<const storage::AppendRequest> requests) {
  if (!requests.empty()) batches.push_back(requests.size());
  if (std::exchange(throw_on_next_append, false)) throw std::runtime_error("out of memory");
  if (const auto why = std::exchange(refuse_next, std::nullopt))
    return std::vector<Expected<storage::Appended>>(requests.size(), *why);
  return memory.append(requests);
}

Expected<std::uint64_t> TroubledLog::read_stream(std::string_view tenant, std::string_view stream,
                                                 std::uint64_t from_version, std::uint64_t limit,
                                                 Position as_of,
                                                 const storage::Visitor& visit) const {
  if (std::exchange(const_cast<TroubledLog*>(this)->throw_on_next_read, false))
    throw std::runtime_error("out of memory");
  if (damaged) return *damaged;
  return memory.read_stream(tenant, stream, from_version, limit, as_of, visit);
}

std::vector<Envelope> read_all(const storage::Log& log) {
  std::vector<Envelope> out;
  const auto read = log.read(1, UINT64_MAX, [&](const EventView& e) {
    out.emplace_back(e);
    return true;
  });
  REQUIRE(read);
  return out;
}

void append_event(storage::Log& log, const std::string& stream, NewEvent event) {
  storage::AppendRequest request{.tenant = "default", .actor = "somebody"};
  event.stream = stream;
  request.events.push_back(std::move(event));
  REQUIRE(log.append({&request, 1}).at(0));
}

SteppedSystem::SteppedSystem(storage::SubjectKeys* subjects) {
  writer = spawn_writer(system, log, stats, [this](Position head) { commits.push_back(head); });
  managers = spawn_managers(system, {.log = &log,
                                     .writer = writer,
                                     .clock = std::make_shared<FixedClock>(),
                                     .ids = ids,
                                     .subjects = subjects});
  run();
}

SteppedSystem::~SteppedSystem() {
  const auto end = [](const auto& actor) {
    caf::anon_send_exit(actor.target()->actor(), caf::exit_reason::user_shutdown);
  };
  each_manager(managers, end);
  end(writer);
  run();
}

Outcome outcome_of(const Answer& answer) {
  REQUIRE(answer->has_value());
  if (!**answer) FAIL((*answer)->error().message);
  return ***answer;
}

Error error_of(const Answer& answer) {
  REQUIRE(answer->has_value());
  REQUIRE_FALSE(**answer);
  return (*answer)->error();
}

RunningSystem::RunningSystem() {
  writer = spawn_writer(system, log, stats, [this](Position head) {
    OnCommit follower;
    {
      const std::lock_guard lock(mutex_);
      follower = follower_;
    }
    if (follower) follower(head);
    changed_.notify_all();
  });
  managers = spawn_managers(
      system, {.log = &log, .writer = writer, .clock = std::make_shared<FixedClock>(), .ids = ids});
}

RunningSystem::~RunningSystem() {
  follow({});
  each_manager(managers, [](const auto& actor) { actor.end(); });
  writer.end();
}

void RunningSystem::until(const std::function<bool()>& enough) {
  std::unique_lock lock(mutex_);
  REQUIRE(changed_.wait_for(lock, std::chrono::seconds(120), enough));
}

void RunningSystem::wake() {
  const std::lock_guard lock(mutex_);
  changed_.notify_all();
}

void RunningSystem::follow(OnCommit on_commit) {
  const std::lock_guard lock(mutex_);
  follower_ = std::move(on_commit);
}

std::vector<Envelope> RunningSystem::of_type(std::string_view type) const {
  std::vector<Envelope> out;
  for (auto& each : read_all(log))
    if (each.type == type) out.push_back(std::move(each));
  return out;
}

}  // namespace mlforge::actors::test
