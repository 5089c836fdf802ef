#include "actors/subscriptions.hpp"

#include <pthread.h>
#include <spdlog/spdlog.h>

#include <algorithm>

#include "actors/streams.hpp"
#include "actors/subscription_row.hpp"
#include "events/checks.hpp"
#include "events/event_codec.hpp"

namespace mlforge::actors {
namespace {

constexpr std::uint64_t kSubscriptionsPage = 2000;    // events looked at without the lock
constexpr std::chrono::milliseconds kIdleGather{20};  // of commits, while there is no subscription
constexpr TimeUs kUntilSaved = 100'000;               // of acknowledgements
constexpr TimeUs kUntilSavedLazily = 5'000'000;       // of what only saves looking at events again
constexpr TimeUs kParkAgain = 5'000'000;
const std::string kFollowedKey = "followed";
constexpr const char* kBeginsAgain = "its cursor was damaged: it delivers again from its start";

std::string key_of(const std::string& name) { return "subscription/" + name; }

}  // namespace

Subscriptions::Subscriptions(SubscriptionsOptions options) : c_(std::move(options)) {}

Subscriptions::~Subscriptions() { stop(); }

Expected<std::unique_ptr<Subscriptions>> Subscriptions::open(SubscriptionsOptions options) {
  std::unique_ptr<Subscriptions> out(new Subscriptions(std::move(options)));
  if (auto bad = out->load()) return *bad;
  if (auto bad = out->follow(out->c_.log->head()))
    spdlog::error("the subscriptions stand still: {}", bad->message);
  out->resettled_.clear();
  for (const auto& [name, one] : out->all_) out->resettled_.push_back(name);
  return out;
}

Status Subscriptions::load() {
  auto rows = c_.store->load();
  if (!rows) return rows.error();
  const auto head = mended_at_ = c_.log->head();
  bool whole = c_.store->mended().empty();
  for (const auto& [key, text] : *rows) {
    if (key == storage::kCursorsMended) continue;
    if (key == kFollowedKey) {
      followed_ = followed_kept_ = std::strtoull(text.c_str(), nullptr, 10);
      continue;
    }
    auto row = from_json<SubscriptionKept>(text, Unknown::skip);
    whole = whole && row;
    if (!row || row->created > head) continue;
    // Cursors that came along with a copy may be newer than its records.
    row->scanned = std::min(row->scanned, head);
    std::erase_if(row->open, [&](const OpenDelivery& each) { return each.position > head; });
    all_.emplace(row->name, One::restored(*row, c_.seed));
  }
  if (whole && followed_ <= head) return {};
  // The log tells everything about them again; what is kept is where they stand.
  for (auto& [name, one] : all_) one->parked.clear();
  followed_ = followed_kept_ = 0;
  return {};
}

// Applies what happened to subscriptions themselves.
Status Subscriptions::follow(Position head) {
  while (followed_ < head) {
    const auto before = followed_;
    const auto read = c_.log->read(followed_ + 1, kSubscriptionsPage, [&](const EventView& e) {
      if (e.type.starts_with("subscription.") && e.tenant == kTenant) apply(e);
      followed_ = e.position;
      return true;
    });
    if (!read) return read.error();
    if (followed_ == before) return {};
  }
  return {};
}

void Subscriptions::apply(const EventView& view) {
  const auto event = decode_event(view);
  const auto name = name_of(view.stream);
  if (!event) return spdlog::error("event {}: {}", view.position, event.error().message);
  if (const auto* created = get_if<SubscriptionCreated>(&*event)) {
    create(name, view.position, *created);
  } else if (const auto at = all_.find(name);
             at == all_.end() || at->second->created > view.position) {
    return;  // of another that had the name before
  } else if (const auto* updated = get_if<SubscriptionUpdated>(&*event)) {
    at->second->set(updated->settings, view.position);
    touched(*at->second);
  } else if (holds_alternative<SubscriptionDeleted>(*event)) {
    ended_.push_back(std::move(at->second));
    all_.erase(at);
    gone_.push_back(name);
  } else if (const auto* parked = get_if<SubscriptionEventParked>(&*event)) {
    at->second->parked.insert(parked->event_position);
    at->second->window.remove(parked->event_position);
    touched(*at->second);
  } else if (const auto* released = get_if<SubscriptionParkedReleased>(&*event)) {
    for (const auto position : released->event_positions)
      if (at->second->parked.erase(position) > 0 && released->action == "replayed")
        at->second->window.reopen(position, 0);
    touched(*at->second);
  }
  if (!holds_alternative<SubscriptionEventParked>(*event) &&
      !holds_alternative<SubscriptionParkedReleased>(*event))
    resettled_.push_back(name);
}

void Subscriptions::create(const std::string& name, Position created,
                           const SubscriptionCreated& event) {
  const auto known = all_.find(name);
  if (known != all_.end() && known->second->created >= created) {
    if (known->second->created == created) known->second->set(event.settings, created);
    return;
  }
  SubscriptionKept row{.name = name,
                       .settings = event.settings,
                       .created = created,
                       .scanned = event.start > 0 ? event.start - 1 : 0};
  if (!c_.store->mended().empty() && created <= mended_at_) row.last_error = kBeginsAgain;
  if (created <= c_.forked_at) row.scanned = std::max(row.scanned, c_.forked_at);
  auto& one = all_[name] = One::restored(row, c_.seed);
  touched(*one);
}

void Subscriptions::touched(One& one) {
  one.changed = true;
  const auto at = c_.clock->now() + kUntilSaved;
  save_at_ = save_at_ == 0 ? at : std::min(save_at_, at);
}

void Subscriptions::start() {
  thread_ = std::thread([this] { run(); });
  pthread_setname_np(thread_.native_handle(), "subscriptions");
}

void Subscriptions::notify() {
  {
    const std::lock_guard lock(mutex_);
    if (notified_) return;
    notified_ = true;
  }
  changed_.notify_one();
}

void Subscriptions::no_more_waiting() {
  Ready ready;
  {
    const std::lock_guard lock(mutex_);
    hurried_ = true;
    for (auto& [name, one] : all_) one->answer_all(ready);
  }
  for (auto& each : ready) each();
}

void Subscriptions::stop() {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return;
    stopping_ = true;
  }
  changed_.notify_one();
  if (thread_.joinable()) thread_.join();
  Ready ready;
  Lock lock(mutex_);
  for (auto& [name, one] : all_) one->answer_all(ready);
  for (auto& one : ended_) one->answer_all(ready);
  save(lock, true);
  lock.unlock();
  for (auto& each : ready) each();
}

void Subscriptions::run() {
  Lock lock(mutex_);
  while (!stopping_) {
    notified_ = false;
    const auto bad = follow(c_.log->head());
    if (bad && !quiet_) spdlog::error("the subscriptions stand still: {}", bad->message);
    quiet_ = bad.has_value();
    const bool more = scan(lock);
    Ready ready;
    settle(c_.clock->now(), ready);
    tell_changes(ready);
    lock.unlock();
    for (auto& each : ready) each();
    ready.clear();
    lock.lock();
    save(lock, false);
    if (more || notified_ || stopping_) continue;
    const auto due = next_due();
    const auto woken = [this] { return notified_ || stopping_; };
    sleeps_until_ = due.value_or(INT64_MAX);
    if (!due)
      changed_.wait(lock, woken);
    else if (const auto now = c_.clock->now(); *due > now)
      changed_.wait_for(lock, std::chrono::microseconds(*due - now), woken);
    sleeps_until_ = 0;
    if (all_.empty()) changed_.wait_for(lock, kIdleGather, [this] { return stopping_; });
  }
}

void Subscriptions::tell_changes(Ready& ready) {
  const auto resettled = std::exchange(resettled_, {});
  if (!c_.on_change) return;
  for (const auto& name : resettled) {
    const auto at = all_.find(name);
    if (at == all_.end())
      ready.push_back([this, name] { c_.on_change(name, 0, nullptr); });
    else
      ready.push_back([this, name, created = at->second->created, settings = at->second->settings] {
        c_.on_change(name, created, settings.get());
      });
  }
}

// Looks at one page of the log for all that have room. Answers whether there is more to look at.
bool Subscriptions::scan(Lock& lock) {
  struct Reader {
    std::string name;
    Position created, scanned, last;
    std::size_t room;
    Position until;
    std::shared_ptr<const SubscriptionSettings> settings;
    std::vector<Position> found;
  };
  std::vector<Reader> readers;
  const auto head = c_.log->head();
  Position from = UINT64_MAX;
  for (const auto& [name, one] : all_) {
    const auto room = one->window.room();
    const auto scanned = one->window.scanned();
    if (scanned >= std::min(head, one->looks_until()) || room == 0) continue;
    readers.push_back(
        {name, one->created, scanned, scanned, room, one->looks_until(), one->settings, {}});
    from = std::min(from, scanned + 1);
  }
  stalled_ = false;
  if (readers.empty()) return false;
  lock.unlock();
  const auto read = c_.log->read(from, kSubscriptionsPage, [&](const EventView& e) {
    bool wanted = false;
    for (auto& each : readers) {
      if (each.found.size() == each.room || e.position > each.until) continue;
      wanted = true;
      if (e.position <= each.scanned) continue;
      each.last = e.position;
      if (wants(each.name, *each.settings, e)) each.found.push_back(e.position);
    }
    return wanted;
  });
  lock.lock();
  bool moved = false;
  for (const auto& each : readers) {
    const auto at = all_.find(each.name);
    if (at == all_.end() || at->second->created != each.created ||
        at->second->window.scanned() != each.scanned)
      continue;
    // Where the store was lost, the log knows what is parked before it is looked at again.
    for (const auto position : each.found)
      if (!at->second->parked.contains(position)) at->second->window.offer(position);
    at->second->window.scanned_to(each.last);
    moved = moved || each.last > each.scanned;
    at->second->scanned_more = at->second->scanned_more || each.last > each.scanned;
    if (!read && each.last + 1 >= from) at->second->last_error = read.error().message;
  }
  stalled_ = !read && !moved;
  if (moved && save_at_ == 0) save_at_ = c_.clock->now() + kUntilSavedLazily;
  return moved;
}

// Deadlines, parking, and who waits for events.
void Subscriptions::settle(TimeUs now, Ready& ready) {
  for (auto& one : ended_) {
    one->answer_all(ready);
    for (const auto& [id, wake] : one->watchers) ready.push_back(wake);
  }
  ended_.clear();
  for (auto& [name, one] : all_) {
    if (const auto failures = one->window.advance(now)) {
      one->failed += failures;
      one->last_error = "deliveries were not acknowledged in time";
      touched(*one);
    }
    park(*one, ready);
    serve(*one, now, ready);
  }
}

void Subscriptions::serve(One& one, TimeUs now, Ready& ready) {
  auto at = one.waiting.begin();
  while (at != one.waiting.end()) {
    const bool looked = one.window.scanned() >= at->head || one.window.room() == 0 || stalled_ ||
                        !one.settings->active;
    const bool over = at->until <= now && looked;
    if (!one.window.has_ready() && !over) {
      ++at;
      continue;
    }
    auto taken = one.settings->active ? one.window.take(at->max, at->consumer, now)
                                      : std::vector<Delivery>{};
    one.delivered += taken.size();
    if (!taken.empty()) touched(one);
    ready.push_back([done = std::move(at->done), taken = std::move(taken)]() mutable {
      done(std::move(taken));
    });
    at = one.waiting.erase(at);
  }
  if (one.window.has_ready() && one.settings->active)
    for (const auto& [id, wake] : one.watchers) ready.push_back(wake);
}

void Subscriptions::park(One& one, Ready& ready) {
  for (auto& parking : one.window.to_park()) {
    one.last_error = parking.error;
    SubscriptionEventParked event{.event_position = parking.position,
                                  .attempts = parking.attempts,
                                  .error = std::move(parking.error)};
    ready.push_back([this, name = one.name, event = std::move(event)]() mutable {
      const auto read = c_.log->read(event.event_position, 1, [&](const EventView& e) {
        event.event_id = to_string(e.id);
        event.event_type = e.type;
        event.event_stream = e.stream;
        return false;
      });
      if (!read) event.error += "; " + read.error().message;
      const auto position = event.event_position;
      c_.command(ParkEvent{name, std::move(event)},
                 Completion([this, name, position](Expected<Outcome> outcome) {
                   park_told(name, position, outcome);
                 }));
    });
  }
}

// Until it is written that the event is parked, it is not given up.
void Subscriptions::park_told(const std::string& name, Position position,
                              const Expected<Outcome>& outcome) {
  const std::lock_guard lock(mutex_);
  const auto at = all_.find(name);
  if (at == all_.end()) return;
  if (!outcome) {
    spdlog::warn("subscription {} could not park an event: {}", name, outcome.error().message);
    return at->second->window.park_later(position, c_.clock->now() + kParkAgain);
  }
  // Told twice, it is parked already; else follow() comes upon the event.
  if (outcome->events.empty()) at->second->window.remove(position);
}

void Subscriptions::save(Lock& lock, bool all) {
  const auto now = c_.clock->now();
  if (!all && (save_at_ == 0 || now < save_at_)) return;
  std::vector<storage::CursorStore::Change> changes;
  for (const auto& name : gone_)
    if (!all_.contains(name)) changes.emplace_back(key_of(name), std::nullopt);
  gone_.clear();
  for (auto& [name, one] : all_) {
    if (!one->changed && !one->scanned_more) continue;
    changes.emplace_back(key_of(name), to_json(one->kept()));
    one->changed = one->scanned_more = false;
  }
  save_at_ = 0;
  const auto followed = followed_;
  if (changes.empty() && followed == followed_kept_) return;
  // What was missing was made anew from the log, and is among the changes.
  const bool mended = !c_.store->mended().empty() && !mended_kept_;
  if (mended) changes.emplace_back(storage::kCursorsMended, std::nullopt);
  changes.emplace_back(kFollowedKey, std::to_string(followed));
  lock.unlock();
  const auto bad = c_.store->save(changes);
  lock.lock();
  if (!bad) {
    followed_kept_ = followed;
    mended_kept_ = mended_kept_ || mended;
    return;
  }
  // A restart would deliver again what is not written; nothing is lost.
  spdlog::error("the cursors of subscriptions: {}", bad->message);
  for (auto& [name, one] : all_) one->changed = true;
  for (const auto& [key, text] : changes)
    if (!text && key != storage::kCursorsMended) gone_.push_back(name_of(key));
  save_at_ = now + kUntilSavedLazily;
}

// When there is something to do for one of them, or to write for all.
std::optional<TimeUs> Subscriptions::next_due_of(const One& one) const {
  const auto due = one.window.next_due();
  if (save_at_ == 0) return due;
  return due ? std::min(*due, save_at_) : save_at_;
}

std::optional<TimeUs> Subscriptions::next_due() const {
  std::optional<TimeUs> due;
  const auto earlier = [&](TimeUs time) { due = due ? std::min(*due, time) : time; };
  if (save_at_ > 0) earlier(save_at_);
  for (const auto& [name, one] : all_) {
    if (const auto next = one->window.next_due()) earlier(*next);
    for (const auto& each : one->waiting) earlier(each.until);
  }
  return due;
}

}  // namespace mlforge::actors
