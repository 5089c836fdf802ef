#include "gateway/archivist.hpp"

#include <pthread.h>
#include <algorithm>
#include <chrono>
#include <future>

#include "events/event_codec.hpp"
#include "gateway/app.hpp"
#include "gateway/http/logging.hpp"

namespace mlforge::gateway {
namespace {

using namespace std::chrono_literals;
using SteadyClock = std::chrono::steady_clock;

constexpr auto kLook = 1s;  // how often the rules are looked at
constexpr TimeUs kSecond = 1'000'000, kHour = 3600 * kSecond;

// A rule is applied often enough for its age, and leaves few events in the log.
TimeUs pause_of(TimeUs keep) { return std::clamp(keep / 24, kSecond, kHour); }

}  // namespace

ArchiveRules archive_rules(const Config& config) {
  return {config.data_dir, config.archive_after_events,
          parse_duration(config.archive_after).value_or(0), config.retention};
}

Status append_through(App& app, storage::AppendRequest request) {
  auto append = std::make_shared<actors::Append>();
  append->stream = request.events.front().stream;
  for (const auto& e : request.events)
    if (auto event = decode_event(e.type, e.schema, e.content_type, e.payload))
      append->events.push_back(*std::move(event));
  append->request = std::move(request);
  std::promise<Status> done;
  append->done = [&done](Expected<actors::Outcome> result) {
    done.set_value(result ? Status() : Status(result.error()));
  };
  app.context.writer.send(std::move(append));
  return done.get_future().get();
}

Archivist::Archivist(storage::LmdbLog& log, storage::Clock& clock, ArchiveRules rules,
                     Append append)
    : log_(log),
      clock_(clock),
      rules_(std::move(rules)),
      append_(std::move(append)),
      thread_([this] { run(); }) {
  pthread_setname_np(thread_.native_handle(), "archivist");
}

void Archivist::archive(Position last) {
  const std::lock_guard lock(mutex_);
  const Position head = log_.head();
  asked_ = std::max(asked_, std::min(last, head > 0 ? head - 1 : 0));
  changed_.notify_all();
}

std::shared_ptr<void> Archivist::hold() {
  const std::lock_guard lock(mutex_);
  ++holders_;
  return std::shared_ptr<void>(this, [](void* self) {
    auto* archivist = static_cast<Archivist*>(self);
    const std::lock_guard lock(archivist->mutex_);
    --archivist->holders_;
    archivist->changed_.notify_all();
  });
}

void Archivist::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

Expected<ApplyRetention> Archivist::retain(const std::string& kind, const std::string& keep,
                                           const std::string& actor) {
  const std::lock_guard one(deciding_);
  const auto state = read_retention(log_);
  if (!state) return state.error();
  auto plan = plan_retention(log_, *state, kind, keep, clock_.now());
  if (!plan) return plan;
  auto request = retention_request(*state, *plan, actor);
  if (!request) return request.error();
  if (!*request) return plan;
  if (auto bad = append_(**std::move(request))) return *bad;
  const std::lock_guard lock(mutex_);
  drop_ = true;
  changed_.notify_all();
  return plan;
}

ArchiveStatus Archivist::status() const {
  ArchiveStatus out{.position = log_.head(), .archived = log_.archived()};
  out.retention = rules_.retention;
  if (const auto state = read_retention(log_)) out.retained_up_to = state->up_to;
  if (const auto all = log_.segments().list())
    for (const Position first : *all) {
      std::error_code failed;
      const auto bytes = std::filesystem::file_size(log_.segments().path(first), failed);
      if (failed) continue;
      ++out.segments;
      out.segment_bytes += bytes;
    }
  const std::lock_guard lock(mutex_);
  out.target = asked_;
  out.error = error_;
  const Position possible = out.position > 0 ? std::min(asked_, out.position - 1) : 0;
  out.state = running_ || drop_ || out.archived < possible ? "running" : "idle";
  return out;
}

bool Archivist::may_drop() const {
  const std::lock_guard lock(mutex_);
  return !stopping_ && holders_ == 0;
}

Position Archivist::rule_target() const {
  Position target = 0;
  const Position head = log_.head();
  if (rules_.after_events > 0 && head > rules_.after_events) target = head - rules_.after_events;
  if (rules_.after > 0) target = std::max(target, log_.position_at(clock_.now() - rules_.after));
  return target;
}

Status Archivist::apply_rules() {
  const TimeUs now = clock_.now();
  for (const auto& [kind, keep] : rules_.retention) {
    TimeUs& applied = applied_[kind];
    if (applied != 0 && now - applied < pause_of(parse_duration(keep).value_or(kHour))) continue;
    applied = now;
    const auto plan = retain(kind, keep, "mlforge");
    if (!plan) return plan.error();
  }
  return {};
}

Status Archivist::drop() {
  {
    const std::lock_guard lock(mutex_);
    if (!drop_ || holders_ > 0) return {};
    drop_ = false;
  }
  bool whole = true;
  Status bad;
  const auto state = read_retention(log_);
  if (!state) return state.error();
  const auto dropped = drop_bodies(log_, rules_.folder, *state, [&] { return whole = may_drop(); });
  if (!dropped) bad = dropped.error();
  if (dropped && dropped->events > 0)
    logging::info("the payloads of {} events in {} segments were dropped", dropped->events,
                  dropped->segments);
  const std::lock_guard lock(mutex_);
  drop_ = drop_ || !whole;
  return bad;
}

// One segment at most.
Status Archivist::step(bool& more) {
  more = false;
  if (log_.writable()) return {};
  Position asked = 0;
  {
    const std::lock_guard lock(mutex_);
    asked = asked_;
  }
  const bool is_asked = log_.archived() < asked;
  const auto report = log_.archive_some(is_asked ? asked : rule_target(), /*only_full=*/!is_asked);
  if (!report) return report.error();
  more = report->events > 0;
  if (auto bad = apply_rules()) return bad;
  return drop();
}

void Archivist::run() {
  const bool has_rules = rules_.after_events > 0 || rules_.after > 0 || !rules_.retention.empty();
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    running_ = true;
    lock.unlock();
    const auto start = SteadyClock::now();
    bool more = false;
    const auto bad = step(more);
    const auto took = SteadyClock::now() - start;
    lock.lock();
    running_ = false;
    const std::string said = bad ? bad->message : std::string();
    if (!said.empty() && said != error_) logging::error("archiving stands still: {}", said);
    error_ = said;
    const auto asked = asked_;
    const auto woken = [&] { return stopping_ || asked_ != asked || (drop_ && holders_ == 0); };
    // Half of the time belongs to the others.
    if (bad) {
      changed_.wait_for(lock, kLook, [&] { return stopping_; });
      drop_ = true;
    } else if (more)
      changed_.wait_for(lock, took, [&] { return stopping_; });
    else if (has_rules)
      changed_.wait_for(lock, kLook, woken);
    else
      changed_.wait(lock, woken);
  }
}

}  // namespace mlforge::gateway
