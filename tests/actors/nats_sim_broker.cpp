#include "nats_sim_broker.hpp"

#include <algorithm>

namespace mlforge::actors::test {

using std::chrono::milliseconds;

Position SimStream::last_position() const {
  for (auto it = messages.rbegin(); it != messages.rend(); ++it)
    if (it->second.position > 0) return it->second.position;
  return purged_to;
}

Status SimBroker::connect() {
  if (now_ < down_until_ || chance(faults_.connect_fails))
    return Error{ErrorCode::unavailable, "simulated: no broker", ""};
  current_ = ++connections_;
  queues_[current_];
  closed = false;
  return std::nullopt;
}

void SimBroker::disconnect() {
  if (current_ != 0) end_connection(true);
  closed = false;
}

Expected<StreamInfo> SimBroker::open_stream() {
  if (current_ == 0 || chance(faults_.request_fails))
    return Error{ErrorCode::timeout, "simulated: no answer", ""};
  if (!exists) {
    stream = SimStream{};
    stream.created = ++next_created_;
    exists = true;
  }
  const auto first =
      stream.messages.empty() ? stream.last_sequence + 1 : stream.messages.begin()->first;
  return StreamInfo{first, stream.last_sequence, stream.created};
}

Expected<std::optional<StoredMessage>> SimBroker::last_message() {
  if (stream.messages.empty()) return std::optional<StoredMessage>();
  return message(stream.messages.rbegin()->first);
}

Expected<std::optional<StoredMessage>> SimBroker::message(std::uint64_t sequence) {
  if (current_ == 0 || chance(faults_.request_fails))
    return Error{ErrorCode::timeout, "simulated: no answer", ""};
  // Other connections' messages may be taken between any two requests.
  if (!queues_.empty() && chance(0.3))
    take(std::next(queues_.begin(), below(queues_.size()))->first, now_);
  const auto found = stream.messages.find(sequence);
  if (!exists || found == stream.messages.end()) return std::optional<StoredMessage>();
  const auto& m = found->second;
  return std::optional(StoredMessage{sequence, m.source, m.id, m.position});
}

Status SimBroker::publish(const Publication& p) {
  if (current_ == 0) return Error{ErrorCode::unavailable, "simulated: connection lost", ""};
  queues_[current_].push_back({source_, to_string(p.event.id),
                               p.expected_last_id ? to_string(*p.expected_last_id) : "",
                               p.event.position, p.token, p.expected_last_sequence});
  return std::nullopt;
}

void SimBroker::tick(Time now) {
  now_ = now;
  if (chance(0.01)) save_copy();
  if (chance(faults_.drop)) ++happened["drop"], end_connection(true);
  if (chance(faults_.crash)) ++happened["crash"], crash(now, false);
  if (chance(faults_.roll_back)) ++happened["roll_back"], crash(now, true);
  if (exists && chance(faults_.remove_stream))
    ++happened["remove_stream"], exists = false, stream = SimStream{};
  if (exists && chance(faults_.purge)) {
    ++happened["purge"];
    stream.purged_to = stream.last_position();
    stream.messages.clear();
  }
  if (exists && chance(faults_.foreign)) {
    ++happened["foreign"];
    store({"", "", 0}, now);
  }
  if (now < down_until_ || queues_.empty()) return;
  take(std::next(queues_.begin(), below(queues_.size()))->first, now);
}

void SimBroker::take_all(Time now) {
  now_ = now;
  while (!queues_.empty() && !(queues_.size() == 1 && queues_.begin()->second.empty()))
    take(queues_.begin()->second.empty() ? queues_.rbegin()->first : queues_.begin()->first, now);
}

void SimBroker::take(std::uint64_t connection, Time now) {
  auto& queue = queues_[connection];
  if (!queue.empty()) {
    const auto message = queue.front();
    queue.pop_front();
    const auto ack = answer(message, now);
    if (connection == current_ && !chance(faults_.lose_ack)) acks.push_back(ack);
  }
  if (queue.empty() && connection != current_) queues_.erase(connection);
}

PublishAck SimBroker::answer(const Waiting& m, Time now) {
  if (!exists) return {m.token, 0, "no stream takes it"};
  if (chance(faults_.refuse))
    return ++happened["refuse"], PublishAck{m.token, 0, "insufficient resources"};
  const auto known = stream.duplicates.find(m.id);
  if (known != stream.duplicates.end() && known->second.second + window > now)
    return {m.token, known->second.first, ""};
  if (m.expected != stream.last_sequence) return {m.token, 0, "wrong last sequence"};
  if (!m.expected_id.empty() && m.expected_id != stream.last_id)
    return {m.token, 0, "wrong last msg ID"};
  store({m.source, m.id, m.position}, now);
  return {m.token, stream.last_sequence, ""};
}

void SimBroker::store(const SimStream::Message& message, Time now) {
  const auto last = stream.last_position();
  const bool again_after_purge = message.position <= last && last == stream.purged_to;
  if (message.position > 0 && message.position != last + 1 && !again_after_purge &&
      violation.empty())
    violation =
        "position " + std::to_string(message.position) + " came behind " + std::to_string(last);
  stream.messages[++stream.last_sequence] = message;
  stream.last_id = message.id;
  if (!message.id.empty()) stream.duplicates[message.id] = {stream.last_sequence, now};
}

// A connection that ends loses what is behind some point; what is before it may still be taken,
// late.
void SimBroker::end_connection(bool deliver_some) {
  if (current_ == 0) return;
  auto& queue = queues_[current_];
  queue.resize(deliver_some ? below(queue.size() + 1) : 0);
  if (queue.empty()) queues_.erase(current_);
  current_ = 0;
  closed = true;
}

void SimBroker::crash(Time now, bool roll_back) {
  end_connection(false);
  queues_.clear();
  if (roll_back && !copies_.empty()) {
    const auto which = below(copies_.size());
    std::tie(exists, stream) = copies_[which];
    copies_.resize(which + 1);
  }
  // Ids are read from the stored messages at the start; the last id only when it is young enough.
  std::map<std::string, std::pair<std::uint64_t, Time>> kept;
  for (const auto& [id, entry] : stream.duplicates)
    if (stream.messages.contains(entry.first) && entry.second + window > now) kept[id] = entry;
  stream.duplicates = std::move(kept);
  if (!stream.duplicates.contains(stream.last_id)) stream.last_id.clear();
  const bool long_outage = chance(0.3);
  down_until_ = now + (long_outage ? 2 * window : milliseconds(below(500)));
  happened["long_outage"] += long_outage;
}

void SimBroker::save_copy() {
  copies_.emplace_back(exists, stream);
  if (copies_.size() > 8) copies_.erase(copies_.begin());
}

}  // namespace mlforge::actors::test
