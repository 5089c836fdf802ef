#include "storage/append_planner.hpp"

#include <fmt/format.h>

#include <algorithm>

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
  events_.clear();
  outcomes_.clear();
  staged_commands_.clear();
  batch_time_ = last_time_;
  answers.clear();
  answers.reserve(requests.size());
  std::size_t nth = 0;
  for (const AppendRequest& request : requests)
    if (!request.command_id.empty())
      commands_.prefetch({request.tenant, request.command_id}, nth++);
  for (const AppendRequest& request : requests) answers.push_back(plan_request(request));
  return events_;
}

Expected<Appended> AppendPlanner::plan_request(const AppendRequest& request) {
  if (auto bad = check_request(request)) return *bad;
  if (const auto known = known_outcome(request)) return *known;
  if (auto bad = check_expectations(request)) return *bad;
  if (auto bad = check_streams(request)) return *bad;
  batch_time_ = std::max(batch_time_, clock_->now());
  const Position first = head_ + events_.size() + 1;
  for (std::size_t i = 0; i < request.events.size(); ++i)
    plan_event(request, request.events[i], *streams_[i]);
  const Appended appended{first, head_ + events_.size(), false};
  if (!request.command_id.empty()) {
    const StreamName command{request.tenant, request.command_id};
    staged_commands_.emplace(StreamName{request.tenant, bare_command_id(request.command_id)},
                             outcomes_.size());
    outcomes_.push_back({command, appended});
  }
  return appended;
}

std::optional<Appended> AppendPlanner::known_outcome(const AppendRequest& request) const {
  if (request.command_id.empty()) return std::nullopt;
  const StreamName command{request.tenant, request.command_id};
  const auto staged = staged_commands_.find({request.tenant, bare_command_id(request.command_id)});
  if (staged != staged_commands_.end()) {
    const auto& first = outcomes_[staged->second];
    Appended outcome = first.appended;
    outcome.duplicate = true;
    outcome.other_request = first.command.name != request.command_id;
    return outcome;
  }
  return commands_.find(command);
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
}

void AppendPlanner::commit() {
  versions_.commit();
  head_ += events_.size();
  if (!events_.empty()) last_time_ = batch_time_;
  commands_.add(outcomes_, head_);
}

void AppendPlanner::abandon() { versions_.abandon(); }

}  // namespace mlforge::storage
