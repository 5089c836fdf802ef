#include "actors/delivery_window.hpp"

#include <algorithm>

namespace mlforge::actors {

std::size_t DeliveryWindow::room() const {
  return policy_.max_in_flight - std::min(policy_.max_in_flight, open_.size());
}

void DeliveryWindow::offer(Position position) {
  if (position <= scanned_) return;
  scanned_ = position;
  reopen(position, 0);
}

void DeliveryWindow::reopen(Position position, std::uint64_t attempts) {
  const auto [item, is_new] = open_.try_emplace(position);
  if (!is_new) return;
  item->second.attempts = attempts;
  ready_.insert(position);
}

void DeliveryWindow::move(Item item, At at, TimeUs due) {
  auto& [position, open] = *item;
  if (open.at == At::ready)
    ready_.erase(position);
  else
    timed_.erase({open.due, position});
  leave(open);
  open.at = at;
  open.due = due;
  if (at == At::out) ++out_[open.consumer];
  if (at == At::ready)
    ready_.insert(position);
  else
    timed_.insert({due, position});
}

// It is not out any more, where it was.
void DeliveryWindow::leave(const Open& open) {
  if (open.at != At::out) return;
  const auto count = out_.find(open.consumer);
  if (--count->second == 0) out_.erase(count);
}

bool DeliveryWindow::close(Position position) {
  const auto item = open_.find(position);
  if (item == open_.end()) return false;
  ready_.erase(position);
  timed_.erase({item->second.due, position});
  untold_.erase(position);
  leave(item->second);
  open_.erase(item);
  return true;
}

std::vector<Delivery> DeliveryWindow::take(std::size_t max, const std::string& consumer,
                                           TimeUs now) {
  std::vector<Delivery> taken;
  while (taken.size() < max && !ready_.empty()) {
    const auto item = open_.find(*ready_.begin());
    auto& open = item->second;
    open.consumer = consumer;
    move(item, At::out, now + policy_.ack_deadline);
    taken.push_back({item->first, ++open.attempts, open.due});
  }
  return taken;
}

void DeliveryWindow::give_back(std::span<const Position> positions) {
  for (const auto position : positions) {
    const auto item = open_.find(position);
    if (item == open_.end() || item->second.at != At::out) continue;
    --item->second.attempts;
    move(item, At::ready);
  }
}

std::size_t DeliveryWindow::acknowledge(std::span<const Position> positions) {
  std::size_t closed = 0;
  for (const auto position : positions) {
    const auto item = open_.find(position);
    // What has never been delivered cannot have been dealt with.
    if (item == open_.end() || item->second.attempts == 0) continue;
    closed += close(position);
  }
  return closed;
}

std::size_t DeliveryWindow::acknowledge_upto(Position position, const std::string& consumer) {
  std::vector<Position> those;
  for (const auto& [at, open] : open_) {
    if (at > position) break;
    if (open.at == At::out && (consumer.empty() || open.consumer == consumer)) those.push_back(at);
  }
  return acknowledge(those);
}

TimeUs DeliveryWindow::backoff(std::uint64_t attempts) {
  TimeUs delay = std::min(policy_.backoff, policy_.max_backoff);
  for (std::uint64_t i = 1; i < attempts && delay < policy_.max_backoff; ++i)
    delay = std::min(policy_.max_backoff, delay * 2);
  // Up to a quarter longer, so that what failed together does not come back together.
  return delay + static_cast<TimeUs>(random_() % static_cast<std::uint64_t>(delay / 4 + 1));
}

void DeliveryWindow::failed(Item item, const std::string& error, TimeUs now,
                            std::optional<TimeUs> delay, bool park) {
  auto& open = item->second;
  open.error = error;
  open.told = false;
  if (park || (policy_.max_attempts > 0 && open.attempts >= policy_.max_attempts)) {
    untold_.insert(item->first);
    return move(item, At::parking, now);
  }
  move(item, At::waiting, now + (delay ? *delay : backoff(open.attempts)));
}

std::size_t DeliveryWindow::fail(std::span<const Position> positions, const std::string& error,
                                 TimeUs now, std::optional<TimeUs> delay, bool park) {
  std::size_t count = 0;
  for (const auto position : positions) {
    const auto item = open_.find(position);
    if (item == open_.end() || item->second.at != At::out) continue;
    failed(item, error, now, delay, park);
    ++count;
  }
  return count;
}

std::size_t DeliveryWindow::release(const std::string& consumer, TimeUs now) {
  std::vector<Position> those;
  for (const auto& [position, open] : open_)
    if (open.at == At::out && open.consumer == consumer) those.push_back(position);
  return fail(those, "the consumer's connection ended before it acknowledged", now, TimeUs{0});
}

std::size_t DeliveryWindow::advance(TimeUs now) {
  std::size_t failures = 0;
  auto at = timed_.begin();
  std::vector<Item> due;
  for (; at != timed_.end() && at->first <= now; ++at) due.push_back(open_.find(at->second));
  for (const auto item : due) {
    if (item->second.at == At::waiting) {
      move(item, At::ready);
    } else if (item->second.at == At::out) {
      ++failures;
      const auto limit = std::to_string(policy_.ack_deadline / 1000);
      failed(item, "not acknowledged within " + limit + " ms", now, {}, false);
    } else {
      item->second.told = false;
      untold_.insert(item->first);
    }
  }
  return failures;
}

std::vector<Parking> DeliveryWindow::to_park() {
  std::vector<Parking> out;
  for (const auto position : untold_) {
    auto& open = open_.find(position)->second;
    open.told = true;
    timed_.erase({open.due, position});
    out.push_back({position, open.attempts, open.error});
  }
  untold_.clear();
  return out;
}

void DeliveryWindow::park_later(Position position, TimeUs then) {
  const auto item = open_.find(position);
  if (item == open_.end() || item->second.at != At::parking) return;
  move(item, At::parking, then);
  item->second.told = true;
  untold_.erase(position);
}

std::size_t DeliveryWindow::out_of(const std::string& consumer) const {
  const auto count = out_.find(consumer);
  return count == out_.end() ? 0 : count->second;
}

std::optional<TimeUs> DeliveryWindow::next_due() const {
  if (timed_.empty()) return std::nullopt;
  return timed_.begin()->first;
}

Position DeliveryWindow::floor() const {
  return open_.empty() ? scanned_ : std::min(scanned_, open_.begin()->first - 1);
}

std::vector<OpenDelivery> DeliveryWindow::open() const {
  std::vector<OpenDelivery> out;
  for (const auto& [position, open] : open_) out.push_back({position, open.attempts});
  return out;
}

}  // namespace mlforge::actors
