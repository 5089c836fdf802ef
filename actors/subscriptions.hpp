// Durable named subscriptions: each follows the log from a cursor of its own, delivers what its
// filter lets through, and waits for acknowledgements. Whoever takes from one name shares its
// events with the others that do.
//
// One thread follows the log for all of them. It never holds up a write: the log is the queue, and
// a subscription whose window is full is simply not read on. What is under way is written to a
// small store of its own, a moment after it changed; after a crash what was not written there is
// delivered again.
#pragma once
#include <chrono>
#include <condition_variable>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <thread>
#include <unordered_map>

#include "actors/command.hpp"
#include "actors/delivery_window.hpp"
#include "storage/cursor_store.hpp"

namespace mlforge::actors {

struct SubscriptionsOptions {
  const storage::Log* log = nullptr;
  storage::CursorStore* store = nullptr;
  std::shared_ptr<storage::Clock> clock;
  std::uint64_t seed = 1;  // of the jitter
  // Events up to here are not delivered by subscriptions that were made before it: the log was
  // forked there, and the one that it was forked from delivers them.
  Position forked_at = 0;
  // Hands a command to the subscriptions' manager, which writes it into the log.
  std::function<void(SubscriptionBody, Completion)> command;
  // The settings of a subscription have changed, or (nothing) it is gone. On the follower's thread.
  // `created` is the position where it was made. Also called for all there are, after start().
  std::function<void(const std::string& name, Position created,
                     const SubscriptionSettings* settings)>
      on_change;
};

// How a subscription stands now.
struct SubscriptionStatus {
  std::string name, kind;
  bool active = true;
  Position scanned = 0;   // the log has been looked at up to here
  Position floor = 0;     // and up to here everything is dealt with
  std::uint64_t lag = 0;  // events of the log not looked at yet, and those in flight
  std::uint64_t in_flight = 0, parked = 0;
  std::uint64_t delivered = 0, acknowledged = 0, failed = 0;
  std::string last_error;
  static constexpr auto fields() {
    return FieldList{field("name", &SubscriptionStatus::name),
                     field("kind", &SubscriptionStatus::kind),
                     field("active", &SubscriptionStatus::active),
                     field("scanned", &SubscriptionStatus::scanned),
                     field("floor", &SubscriptionStatus::floor),
                     field("lag", &SubscriptionStatus::lag),
                     field("in_flight", &SubscriptionStatus::in_flight),
                     field("parked", &SubscriptionStatus::parked),
                     field("delivered", &SubscriptionStatus::delivered),
                     field("acknowledged", &SubscriptionStatus::acknowledged),
                     field("failed", &SubscriptionStatus::failed),
                     field("last_error", &SubscriptionStatus::last_error)};
  }
};

struct Nack {
  std::vector<Position> positions;
  std::string error;
  std::optional<std::uint64_t> delay_ms;  // none: the backoff
  bool park = false;                      // at once, whatever the attempts
};

using Deliveries = Expected<std::vector<Delivery>>;

// All methods may be called from any thread; none waits but open() and stop(). Errors: not_found
// where there is no such subscription, conflict where it is not active.
class Subscriptions {
 public:
  // Reads the store and follows the log to its head. The Error is of the log or the store.
  static Expected<std::unique_ptr<Subscriptions>> open(SubscriptionsOptions options);
  ~Subscriptions();
  void start();
  void notify();           // the log has grown; cheap
  void no_more_waiting();  // fetches that wait are answered with nothing, and none waits any more
  void stop();  // what is under way is written; waiting fetches are answered with nothing

  // Takes up to `max` events that are ready; where there are none, waits for one up to `wait`
  // (with none at all, until the log has been looked at up to its head). `done` is called once,
  // here or on the follower's thread.
  void fetch(const std::string& name, std::size_t max, std::chrono::milliseconds wait,
             const std::string& consumer, std::function<void(Deliveries)> done);
  // The same without waiting, at most so that `consumer` has `most` out.
  Deliveries take(const std::string& name, std::size_t max, const std::string& consumer,
                  std::size_t most = SIZE_MAX);
  void give_back(const std::string& name, std::span<const Position> positions);

  // The number that were open; others are acknowledged already, or unknown.
  Expected<std::size_t> acknowledge(const std::string& name, std::span<const Position> positions);
  Expected<std::size_t> acknowledge_upto(const std::string& name, Position position,
                                         const std::string& consumer);
  Expected<std::size_t> nack(const std::string& name, const Nack& nack);
  void release(const std::string& name, const std::string& consumer);
  // Its deliveries end until it is made active again.
  void disable(const std::string& name, const std::string& reason);

  // What is wrong with it, for its status.
  void complain(const std::string& name, const std::string& error);

  // `wake` is called when events are ready, or the subscription changed or went; it must not block
  // nor call back.
  Expected<std::uint64_t> watch(const std::string& name, std::function<void()> wake);
  void unwatch(const std::string& name, std::uint64_t id);

  Expected<SubscriptionStatus> status(const std::string& name);
  std::vector<SubscriptionStatus> statuses();

 private:
  struct One;
  struct Waiting;
  using Lock = std::unique_lock<std::mutex>;
  using Ready = std::vector<std::function<void()>>;  // to be called without the lock

  explicit Subscriptions(SubscriptionsOptions options);
  Status load();
  Status follow(Position head);
  void apply(const EventView& event);
  void create(const std::string& name, Position created, const SubscriptionCreated& event);
  Expected<One*> find(const std::string& name);
  Expected<One*> find_active(const std::string& name);
  void run();
  bool scan(Lock& lock);
  void settle(TimeUs now, Ready& ready);
  void tell_changes(Ready& ready);
  void serve(One& one, TimeUs now, Ready& ready);
  void park(One& one, Ready& ready);
  void park_told(const std::string& name, Position position, const Expected<Outcome>& outcome);
  void save(Lock& lock, bool all);
  std::optional<TimeUs> next_due() const;
  std::optional<TimeUs> next_due_of(const One& one) const;
  SubscriptionStatus status_of(const One& one) const;
  void touched(One& one);
  void wake();

  SubscriptionsOptions c_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, std::unique_ptr<One>> all_;
  std::vector<std::unique_ptr<One>> ended_;  // deleted, but waited for
  std::vector<std::string> gone_;            // to be erased from the store
  std::vector<std::string> resettled_;       // settings that changed
  Position followed_ = 0;                    // the subscriptions' own events are applied up to here
  Position followed_kept_ = 0;
  Position mended_at_ = 0;    // what the log held when the store was opened
  bool mended_kept_ = false;  // what the store had lost is in it again
  TimeUs save_at_ = 0;        // 0: nothing to write
  TimeUs sleeps_until_ = 0;   // the follower; 0: it is awake, INT64_MAX: until it is told
  bool notified_ = true, stopping_ = false, stalled_ = false, quiet_ = false, hurried_ = false;
  std::uint64_t next_id_ = 1;
  std::thread thread_;
};

}  // namespace mlforge::actors
