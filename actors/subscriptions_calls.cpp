// What consumers ask of Subscriptions.
#include "actors/subscription_row.hpp"
#include "events/checks.hpp"

namespace mlforge::actors {

void Subscriptions::wake() {
  notified_ = true;
  changed_.notify_one();
}

// Everybody finds what was written before they ask.
Expected<Subscriptions::One*> Subscriptions::find(const std::string& name) {
  const auto head = c_.log->head();
  if (followed_ < head) {
    if (auto bad = follow(head)) return *bad;
    wake();
  }
  const auto at = all_.find(name);
  if (at == all_.end()) {
    auto error = not_found("subscription", name);
    error.field = "name";
    return error;
  }
  return at->second.get();
}

Expected<Subscriptions::One*> Subscriptions::find_active(const std::string& name) {
  auto one = find(name);
  if (one && !(*one)->settings->active)
    return conflict("subscription '" + name + "' is not active: update it with \"active\": true");
  return one;
}

void Subscriptions::fetch(const std::string& name, std::size_t max, std::chrono::milliseconds wait,
                          const std::string& consumer, std::function<void(Deliveries)> done) {
  Lock lock(mutex_);
  const auto found =
      stopping_ ? Expected<One*>(Error{ErrorCode::unavailable, "the server is stopping", ""})
                : find_active(name);
  if (!found) {
    lock.unlock();
    return done(found.error());
  }
  auto& one = **found;
  const auto now = c_.clock->now();
  one.failed += one.window.advance(now);
  auto taken = one.waiting.empty() ? one.window.take(max, consumer, now) : std::vector<Delivery>{};
  if (!taken.empty() || hurried_) {
    one.delivered += taken.size();
    touched(one);
    wake();
    lock.unlock();
    return done(std::move(taken));
  }
  const auto until = now + std::chrono::duration_cast<std::chrono::microseconds>(wait).count();
  one.waiting.push_back({max, consumer, until, c_.log->head(), std::move(done)});
  wake();
}

Deliveries Subscriptions::take(const std::string& name, std::size_t max,
                               const std::string& consumer, std::size_t most) {
  const Lock lock(mutex_);
  const auto found = find_active(name);
  if (!found) return found.error();
  auto& one = **found;
  const auto now = c_.clock->now();
  one.failed += one.window.advance(now);
  if (most < SIZE_MAX) {
    const auto out = one.window.out_of(consumer);
    max = std::min(max, most - std::min(most, out));
  }
  auto taken = one.window.take(max, consumer, now);
  one.delivered += taken.size();
  if (taken.empty()) return taken;
  touched(one);
  // The follower has a deadline to watch and a cursor to write; it need not know before that.
  const auto due = next_due_of(one);
  if (sleeps_until_ > 0 && due && *due < sleeps_until_) wake();
  return taken;
}

void Subscriptions::give_back(const std::string& name, std::span<const Position> positions) {
  if (positions.empty()) return;
  const Lock lock(mutex_);
  const auto found = find(name);
  if (!found) return;
  (*found)->window.give_back(positions);
  (*found)->delivered -= std::min<std::uint64_t>((*found)->delivered, positions.size());
  wake();
}

Expected<std::size_t> Subscriptions::acknowledge(const std::string& name,
                                                 std::span<const Position> positions) {
  const Lock lock(mutex_);
  const auto found = find(name);
  if (!found) return found.error();
  const auto count = (*found)->window.acknowledge(positions);
  (*found)->acknowledged += count;
  if (count > 0) {
    touched(**found);
    wake();
  }
  return count;
}

Expected<std::size_t> Subscriptions::acknowledge_upto(const std::string& name, Position position,
                                                      const std::string& consumer) {
  const Lock lock(mutex_);
  const auto found = find(name);
  if (!found) return found.error();
  const auto count = (*found)->window.acknowledge_upto(position, consumer);
  (*found)->acknowledged += count;
  if (count > 0) {
    touched(**found);
    wake();
  }
  return count;
}

Expected<std::size_t> Subscriptions::nack(const std::string& name, const Nack& nack) {
  const Lock lock(mutex_);
  const auto found = find(name);
  if (!found) return found.error();
  auto& one = **found;
  std::optional<TimeUs> delay;
  if (nack.delay_ms) delay = static_cast<TimeUs>(*nack.delay_ms) * 1000;
  const auto count = one.window.fail(nack.positions, nack.error, c_.clock->now(), delay, nack.park);
  if (count == 0) return count;
  one.failed += count;
  one.last_error = nack.error;
  touched(one);
  wake();
  return count;
}

void Subscriptions::release(const std::string& name, const std::string& consumer) {
  const Lock lock(mutex_);
  const auto found = find(name);
  if (!found) return;
  const auto count = (*found)->window.release(consumer, c_.clock->now());
  if (count == 0) return;
  (*found)->failed += count;
  touched(**found);
  wake();
}

void Subscriptions::disable(const std::string& name, const std::string& reason) {
  SubscriptionSettings settings;
  {
    const Lock lock(mutex_);
    const auto found = find_active(name);
    if (!found) return;
    (*found)->last_error = reason;
    settings = *(*found)->settings;
  }
  settings.active = false;
  c_.command(UpdateSubscription{name, std::move(settings), reason},
             Completion([](const Expected<Outcome>&) {}));
}

void Subscriptions::complain(const std::string& name, const std::string& error) {
  const Lock lock(mutex_);
  if (const auto found = find(name)) (*found)->last_error = error;
}

Expected<std::uint64_t> Subscriptions::watch(const std::string& name,
                                             std::function<void()> wake_watcher) {
  const Lock lock(mutex_);
  const auto found = find_active(name);
  if (!found) return found.error();
  (*found)->watchers.emplace(next_id_, std::move(wake_watcher));
  wake();
  return next_id_++;
}

void Subscriptions::unwatch(const std::string& name, std::uint64_t id) {
  const Lock lock(mutex_);
  if (const auto at = all_.find(name); at != all_.end()) at->second->watchers.erase(id);
}

SubscriptionStatus Subscriptions::status_of(const One& one) const {
  const auto head = c_.log->head(), scanned = one.window.scanned();
  return {.name = one.name,
          .kind = one.settings->kind,
          .active = one.settings->active,
          .scanned = scanned,
          .floor = one.window.floor(),
          .lag = head - std::min(head, scanned) + one.window.in_flight(),
          .in_flight = one.window.in_flight(),
          .parked = one.parked.size(),
          .delivered = one.delivered,
          .acknowledged = one.acknowledged,
          .failed = one.failed,
          .last_error = one.last_error};
}

Expected<SubscriptionStatus> Subscriptions::status(const std::string& name) {
  const Lock lock(mutex_);
  const auto found = find(name);
  if (!found) return found.error();
  return status_of(**found);
}

std::vector<SubscriptionStatus> Subscriptions::statuses() {
  const Lock lock(mutex_);
  std::vector<SubscriptionStatus> out;
  for (const auto& [name, one] : all_) out.push_back(status_of(*one));
  return out;
}

}  // namespace mlforge::actors
