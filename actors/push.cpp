#include "actors/push.hpp"

#include <spdlog/spdlog.h>

#include <atomic>

namespace mlforge::actors {

class PushDeliveries::Runner {
 public:
  Runner(const storage::Log& log, Subscriptions& subscriptions, std::string name, Position created,
         const SubscriptionSettings& settings, std::unique_ptr<Sender> sender)
      : log_(log),
        subscriptions_(subscriptions),
        name_(std::move(name)),
        created_(created),
        settings_(settings),
        sender_(std::move(sender)),
        thread_([this] { run(); }) {}
  ~Runner() {
    stop();
    thread_.join();
  }

  bool same(Position created, const SubscriptionSettings& settings) const {
    return created_ == created && settings_ == settings && !finished_;
  }
  bool finished() const { return finished_; }

  void stop() {
    stopping_ = true;
    sender_->stop();
    wake();
  }

 private:
  void wake() {
    {
      const std::lock_guard lock(mutex_);
      woken_ = true;
    }
    changed_.notify_one();
  }

  void run() {
    const auto id = subscriptions_.watch(name_, [this] { wake(); });
    while (id && !stopping_) {
      const auto taken = subscriptions_.take(name_, sender_->batch(), name_);
      if (!taken) break;
      if (!taken->empty()) {
        if (!deliver(*taken)) break;
        continue;
      }
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return woken_ || stopping_; });
      woken_ = false;
    }
    if (id) subscriptions_.unwatch(name_, *id);
    finished_ = true;
  }

  // False where it is over.
  bool deliver(const std::vector<Delivery>& taken) {
    std::vector<Outgoing> events;
    for (const auto& each : taken) {
      Outgoing out{{}, each};
      const auto read = log_.read(each.position, 1, [&](const EventView& e) {
        out.event = Envelope(e);
        return false;
      });
      if (read)
        events.push_back(std::move(out));
      else
        (void)subscriptions_.nack(name_, {{each.position}, read.error().message, {}, false});
    }
    if (events.empty()) return true;
    return settle(events, sender_->send(events));
  }

  bool settle(const std::vector<Outgoing>& events, const SendResult& result) {
    std::vector<Position> positions;
    for (const auto& each : events) positions.push_back(each.delivery.position);
    switch (result.what) {
      case SendResult::What::done:
        (void)subscriptions_.acknowledge(name_, positions);
        return true;
      case SendResult::What::stopped:
        subscriptions_.give_back(name_, positions);
        return false;
      case SendResult::What::gone:
        subscriptions_.give_back(name_, positions);
        subscriptions_.disable(name_, result.error);
        return false;
      default:
        (void)subscriptions_.nack(name_, {positions, result.error, result.delay_ms,
                                          result.what == SendResult::What::refused});
        return true;
    }
  }

  const storage::Log& log_;
  Subscriptions& subscriptions_;
  const std::string name_;
  const Position created_;
  const SubscriptionSettings settings_;
  const std::unique_ptr<Sender> sender_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool woken_ = false;
  std::atomic<bool> stopping_ = false, finished_ = false;
  std::thread thread_;  // the last member: it runs from here on
};

PushDeliveries::PushDeliveries(const storage::Log& log, Subscriptions& subscriptions,
                               MakeSender make)
    : log_(log), subscriptions_(subscriptions), make_(std::move(make)) {}

PushDeliveries::~PushDeliveries() { stop(); }

// Those whose threads have ended; the others would hold up who calls.
void PushDeliveries::reap(bool all) {
  std::erase_if(ending_, [&](const auto& each) { return all || each->finished(); });
}

void PushDeliveries::change(const std::string& name, Position created,
                            const SubscriptionSettings* settings) {
  const std::lock_guard lock(mutex_);
  reap(false);
  if (stopped_) return;
  const auto at = runners_.find(name);
  if (at != runners_.end()) {
    if (settings && settings->active && at->second->same(created, *settings)) return;
    at->second->stop();
    ending_.push_back(std::move(at->second));
    runners_.erase(at);
  }
  if (!settings || !settings->active) return;
  auto sender = make_(name, created, *settings);
  if (!sender) {
    spdlog::error("subscription {} delivers nothing: {}", name, sender.error().message);
    return subscriptions_.complain(name, sender.error().message);
  }
  if (*sender)
    runners_.emplace(name, std::make_unique<Runner>(log_, subscriptions_, name, created, *settings,
                                                    *std::move(sender)));
}

void PushDeliveries::stop() {
  const std::lock_guard lock(mutex_);
  stopped_ = true;
  for (auto& [name, runner] : runners_) {
    runner->stop();
    ending_.push_back(std::move(runner));
  }
  runners_.clear();
  reap(true);
}

}  // namespace mlforge::actors
