#include "actors/nats_protocol.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace mlforge::actors {

std::string_view to_string(BroadcastState state) {
  switch (state) {
    case BroadcastState::disconnected:
      return "disconnected";
    case BroadcastState::resyncing:
      return "resyncing";
    case BroadcastState::live:
      return "live";
    case BroadcastState::refused:
      return "refused";
  }
  return "unknown";
}

std::string broadcast_source(const Uuid& log_id) { return "mlforge/" + to_string(log_id); }

BroadcastProtocol::BroadcastProtocol(const storage::Log& log, BroadcastTransport& transport,
                                     Body body, ProtocolOptions options, BroadcastCursor cursor)
    : log_(log),
      transport_(transport),
      body_(std::move(body)),
      options_(options),
      source_(broadcast_source(log.log_id())),
      cursor_(cursor),
      backoff_(options.min_backoff) {}

BroadcastProtocol::Time BroadcastProtocol::step(Time now) {
  if (now < not_before_) return not_before_;
  if (state_ == BroadcastState::disconnected) {
    if (const auto error = transport_.connect()) {
      give_up(BroadcastState::disconnected, error->message, now);
      return not_before_;
    }
    ++connects_;
    state_ = BroadcastState::resyncing;
  }
  if (state_ != BroadcastState::live) {
    if (const auto error = sync()) {
      const bool refused = error->code == ErrorCode::conflict;
      give_up(refused ? BroadcastState::refused : BroadcastState::disconnected, error->message,
              now);
      return not_before_;
    }
    state_ = BroadcastState::live;
  }
  if (!pending_.empty() && pending_.front().sent + options_.ack_timeout <= now) {
    give_up(BroadcastState::disconnected, "The broker did not answer in time.", now);
    return not_before_;
  }
  fill(now);
  return deadline();
}

BroadcastProtocol::Time BroadcastProtocol::deadline() const {
  if (state_ != BroadcastState::live) return not_before_;
  return pending_.empty() ? Time::max() : pending_.front().sent + options_.ack_timeout;
}

void BroadcastProtocol::on_ack(const PublishAck& ack, Time now) {
  // Answers to messages of an ended pipeline say nothing about this one.
  if (ack.token < base_token_ || ack.token - base_token_ >= pending_.size()) return;
  auto& pending = pending_[ack.token - base_token_];
  if (!ack.error.empty()) {
    ++resyncs_;
    return give_up(BroadcastState::resyncing,
                   fmt::format("The broker refused position {}: {}.", pending.position, ack.error),
                   now);
  }
  if (ack.sequence != pending.sequence) {
    ++resyncs_;
    return give_up(BroadcastState::resyncing,
                   fmt::format("The broker holds position {} at sequence {} instead of {}.",
                               pending.position, ack.sequence, pending.sequence),
                   now);
  }
  pending.acked = true;
  while (!pending_.empty() && pending_.front().acked) {
    cursor_.position = pending_.front().position;
    cursor_.sequence = pending_.front().sequence;
    pending_bytes_ -= pending_.front().bytes;
    pending_.pop_front();
    ++base_token_;
    backoff_ = options_.min_backoff;
  }
}

void BroadcastProtocol::on_disconnect(std::string why, Time now) {
  if (state_ != BroadcastState::disconnected)
    give_up(BroadcastState::disconnected, std::move(why), now);
}

void BroadcastProtocol::give_up(BroadcastState next, std::string why, Time now) {
  forget_pending();
  if (next == BroadcastState::disconnected) transport_.disconnect();
  state_ = next;
  last_error_ = std::move(why);
  not_before_ = now + (next == BroadcastState::refused ? options_.refused_retry : backoff_);
  backoff_ = std::min(2 * backoff_, options_.max_backoff);
}

void BroadcastProtocol::forget_pending() {
  base_token_ += pending_.size();
  pending_.clear();
  pending_bytes_ = 0;
}

Status BroadcastProtocol::sync() {
  const auto point = find_sync_point();
  if (!point) return point.error();
  cursor_ = {point->position, point->sequence, point->created};
  next_ = point->position + 1;
  sent_sequence_ = point->sequence;
  sent_id_.reset();
  return std::nullopt;
}

Expected<BroadcastProtocol::SyncPoint> BroadcastProtocol::find_sync_point() {
  const auto info = transport_.open_stream();
  if (!info) return info.error();
  std::uint64_t last_sequence = info->last_sequence;
  const auto last = last_of_ours(*info, last_sequence);
  if (!last) return last.error();
  if (!*last)
    return SyncPoint{resume_from_cursor(*info, last_sequence), last_sequence, info->created};
  if (const auto error = check_same_history(**last)) return *error;
  return SyncPoint{(*last)->position, last_sequence, info->created};
}

// Reads backwards past messages that are not from any log. The stream may grow meanwhile; then the
// expected sequence is too low, the broker refuses, and we come here again.
Expected<std::optional<StoredMessage>> BroadcastProtocol::last_of_ours(
    const StreamInfo& info, std::uint64_t& last_sequence) {
  auto found = transport_.last_message();
  if (!found || !*found) return found;
  std::uint64_t sequence = (*found)->sequence;
  last_sequence = std::max(last_sequence, sequence);
  for (std::size_t walked = 0;; ++walked) {
    if (*found && (*found)->source.starts_with("mlforge/") && (*found)->position > 0) return found;
    if (sequence <= std::max<std::uint64_t>(info.first_sequence, 1))
      return std::optional<StoredMessage>();
    if (walked == options_.max_walk_back)
      return Error{
          ErrorCode::conflict,
          fmt::format("The stream's last {} messages are not mlforge's; remove them, or give "
                      "mlforge a stream of its own.",
                      walked),
          "nats"};
    found = transport_.message(--sequence);
    if (!found) return found;
  }
}

Status BroadcastProtocol::check_same_history(const StoredMessage& last) const {
  if (last.source != source_)
    return Error{
        ErrorCode::conflict,
        fmt::format("The stream's last message comes from {}, but this log is {}; give every "
                    "log a stream of its own, or purge this one.",
                    last.source, source_),
        "nats"};
  std::optional<Uuid> id;
  const auto read = log_.read(last.position, 1, [&](const EventView& event) {
    id = event.id;
    return false;
  });
  if (!read) return read.error();
  if (id && to_string(*id) == last.event_id) return std::nullopt;
  return Error{
      ErrorCode::conflict,
      fmt::format(
          "The stream holds position {} as event {}, but this log {}: it was restored "
          "from an older copy. Purge the stream to publish it anew.",
          last.position, last.event_id,
          id ? "has event " + to_string(*id) + " there" : fmt::format("ends at {}", log_.head())),
      "nats"};
}

// No message of ours is left. Never going too far: what was not published must not be skipped,
// while what was published and removed may be published again. The cursor counts only where its own
// message was removed together with all before it; behind an older copy of the stream that grew by
// others' messages, its sequence belongs to one of those.
Position BroadcastProtocol::resume_from_cursor(const StreamInfo& info,
                                               std::uint64_t last_sequence) const {
  if (last_sequence == 0 || cursor_.stream_created != info.created) return 0;
  const bool empty = info.first_sequence > last_sequence;
  if (!empty && cursor_.sequence >= info.first_sequence) return 0;
  const auto lost = cursor_.sequence > last_sequence ? cursor_.sequence - last_sequence : 0;
  const auto position = cursor_.position > lost ? cursor_.position - lost : 0;
  return std::min(position, log_.head());
}

bool BroadcastProtocol::has_room() const {
  return pending_.size() < options_.window_messages && pending_bytes_ < options_.window_bytes;
}

void BroadcastProtocol::fill(Time now) {
  // Refilled in large portions, so that a read of the log serves many events.
  if (pending_.size() > options_.window_messages - options_.window_messages / 4) return;
  while (has_room() && next_ <= log_.head()) {
    Status failed;
    const auto limit = options_.window_messages - pending_.size();
    const auto read = log_.read(next_, limit, [&](const EventView& event) {
      failed = send(event, now);
      return !failed && has_room();
    });
    if (!read) failed = read.error();
    if (failed) return give_up(BroadcastState::disconnected, failed->message, now);
    if (*read == 0) return;
  }
}

Status BroadcastProtocol::send(const EventView& event, Time now) {
  const auto body = body_(event);
  const auto token = base_token_ + pending_.size();
  pending_.push_back({event.position, sent_sequence_ + 1, body.size(), now});
  pending_bytes_ += body.size();
  next_ = event.position + 1;
  auto error = transport_.publish({event, body, token, sent_sequence_, sent_id_});
  ++sent_sequence_;
  sent_id_ = event.id;
  return error;
}

}  // namespace mlforge::actors
