#include "storage/append_planner.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "storage/record.hpp"

namespace mlforge::storage {
namespace {

Status check_name(std::string_view name, std::string_view field, bool may_be_empty = false) {
  const auto refuse = [&](std::string_view what) {
    return Error{ErrorCode::invalid_argument, fmt::format("{} {}.", field, what),
                 std::string(field)};
  };
  if (name.empty() && !may_be_empty) return refuse("is empty; it must name something");
  if (name.size() > kMaxNameBytes) return refuse("is longer than 65535 bytes");
  if (name.find('\0') != name.npos) return refuse("has a NUL byte, which names must not have");
  return {};
}

Status check_event(const NewEvent& event) {
  if (auto bad = check_name(event.stream, "stream")) return bad;
  if (auto bad = check_name(event.type, "type")) return bad;
  if (event.payload.size() <= Log::max_event_bytes()) return {};
  return Error{ErrorCode::payload_too_large,
               fmt::format("The payload of a {} event has {} bytes; at most {} fit into one event. "
                           "Put the bytes into the blob store and their digest into the event.",
                           event.type, event.payload.size(), Log::max_event_bytes()),
               "payload"};
}

Status check_request(const AppendRequest& request) {
  if (auto bad = check_name(request.tenant, "tenant")) return bad;
  if (auto bad = check_name(request.actor, "actor", true)) return bad;
  if (auto bad = check_name(request.command_id, "command_id", true)) return bad;
  if (request.events.empty())
    return Error{ErrorCode::invalid_argument, "A request must append at least one event.",
                 "events"};
  for (const NewEvent& event : request.events)
    if (auto bad = check_event(event)) return bad;
  return {};
}

}  // namespace

AppendPlanner::AppendPlanner(std::shared_ptr<Clock> clock, std::shared_ptr<IdSource> ids,
                             VersionCache::Lookup durable_version, std::size_t cached_streams)
    : clock_(std::move(clock)),
      ids_(std::move(ids)),
      versions_(std::move(durable_version), cached_streams) {}

void AppendPlanner::start(Position head, TimeUs last_time) {
  head_ = head;
  last_time_ = last_time;
}

std::span<const EventView> AppendPlanner::plan(std::span<const AppendRequest> requests,
                                               std::vector<Expected<Appended>>& answers) {
  begin(requests.size());
  answers.clear();
  answers.reserve(requests.size());
  for (const AppendRequest& request : requests)
    command_hashes_.push_back(
        request.command_id.empty() ? 0 : CommandWindow::hash({request.tenant, request.command_id}));
  for (std::size_t i = 0; i < requests.size(); ++i) {
    if (const std::size_t ahead = i + CommandWindow::kAhead; ahead < requests.size())
      commands_.prefetch(command_hashes_[ahead]);
    answers.push_back(plan_request(requests[i], command_hashes_[i]));
  }
  return events_;
}

// One time for the batch: its events become durable together.
void AppendPlanner::begin(std::size_t requests) {
  events_.clear();
  tail_places_.clear();
  outcomes_.clear();
  command_hashes_.clear();
  staged_commands_.assign(std::bit_ceil(2 * requests), 0);
  batch_time_ = std::max(last_time_, clock_->now());
}

Expected<Appended> AppendPlanner::plan_request(const AppendRequest& request,
                                               std::uint32_t command_hash) {
  if (auto bad = check_request(request)) return *bad;
  if (const auto known = known_outcome(request, command_hash)) return *known;
  if (auto bad = check_expectations(request)) return *bad;
  if (auto bad = check_streams(request)) return *bad;
  const Position first = head_ + events_.size() + 1;
  for (std::size_t i = 0; i < request.events.size(); ++i)
    plan_event(request, request.events[i], *streams_[i]);
  const Appended appended{first, head_ + events_.size(), false};
  if (!request.command_id.empty()) {
    const StreamName command{request.tenant, request.command_id};
    outcomes_.push_back({command, appended, command_hash});
    staged_commands_[staged_slot(command, command_hash)] =
        static_cast<std::uint32_t>(outcomes_.size());
  }
  return appended;
}

// The slot of a command of this batch, or the free one where it would go.
std::size_t AppendPlanner::staged_slot(StreamName command, std::uint32_t hash) const {
  const std::size_t mask = staged_commands_.size() - 1;
  std::size_t at = hash & mask;
  for (; staged_commands_[at] != 0; at = (at + 1) & mask) {
    const auto& staged = outcomes_[staged_commands_[at] - 1];
    if (staged.hash == hash && staged.command.tenant == command.tenant &&
        bare_command_id(staged.command.name) == bare_command_id(command.name))
      break;
  }
  return at;
}

std::optional<Appended> AppendPlanner::known_outcome(const AppendRequest& request,
                                                     std::uint32_t command_hash) const {
  if (request.command_id.empty()) return std::nullopt;
  const StreamName command{request.tenant, request.command_id};
  const auto staged = staged_commands_[staged_slot(command, command_hash)];
  if (staged == 0) return commands_.find(command, command_hash);
  const auto& first = outcomes_[staged - 1];
  Appended outcome = first.appended;
  outcome.duplicate = true;
  outcome.other_request = first.command.name != request.command_id;
  return outcome;
}

Status AppendPlanner::check_expectations(const AppendRequest& request) {
  for (const Expectation& expected : request.expectations) {
    const auto stream = versions_.find({request.tenant, expected.stream});
    if (!stream) return stream.error();
    if (const auto held = (*stream)->staged; held != expected.version)
      return Error{ErrorCode::conflict,
                   fmt::format("Stream {} holds {} events, but the request expected {}. Read the "
                               "stream again and decide anew.",
                               expected.stream, held, expected.version),
                   "expectations"};
  }
  return {};
}

// All versions are known before the first event is planned, so that a request is planned wholly or
// not at all.
Status AppendPlanner::check_streams(const AppendRequest& request) {
  streams_.clear();
  for (const NewEvent& event : request.events) {
    const auto stream = versions_.find({request.tenant, event.stream});
    if (!stream) return stream.error();
    streams_.push_back(*stream);
  }
  return {};
}

void AppendPlanner::plan_event(const AppendRequest& request, const NewEvent& event,
                               VersionCache::Entry& stream) {
  EventView& view = events_.emplace_back();
  view.position = head_ + events_.size();
  view.id = event.id.is_nil() ? ids_->next(batch_time_) : event.id;
  view.tenant = request.tenant;
  view.stream = event.stream;
  view.version = ++stream.staged;
  view.type = event.type;
  view.schema = event.schema;
  view.actor = request.actor;
  view.time = batch_time_;
  view.causation = request.causation;
  view.correlation = request.correlation;
  view.command_id = request.command_id;
  view.content_type = event.content_type;
  view.payload = event.payload;
  tail_places_.push_back(&stream.tail);
}

void AppendPlanner::commit() {
  versions_.commit();
  head_ += events_.size();
  if (!events_.empty()) last_time_ = batch_time_;
  commands_.add(outcomes_, head_);
}

void AppendPlanner::abandon() { versions_.abandon(); }

}  // namespace mlforge::storage
