// What a subscription has under way: which events are delivered, when they come again, and when
// they are given up. Pure: time comes with each call, and jitter from a seed.
//
// An event is offered once, in the log's order. It is then ready, out (a consumer has it until its
// deadline), waiting (for its next attempt), or to be parked; acknowledged or parked it is gone.
// Everything up to scanned() that is not open is dealt with, so scanned() and open() are all that
// must be kept to go on after a restart: what was out is then delivered again (at least once).
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "events/envelope.hpp"
#include "events/fields.hpp"

namespace mlforge::actors {

struct DeliveryPolicy {
  std::uint64_t max_attempts = 10;  // 0: no limit
  TimeUs ack_deadline = 30'000'000;
  TimeUs backoff = 1'000'000;  // before the second attempt; doubles, up to the next
  TimeUs max_backoff = 300'000'000;
  std::size_t max_in_flight = 64;
};

struct Delivery {
  Position position = 0;
  std::uint64_t attempt = 0;  // 1, 2, ...
  TimeUs deadline = 0;        // acknowledged after it, it may have gone to somebody else too
};

// An event that is not dealt with, as it is kept.
struct OpenDelivery {
  Position position = 0;
  std::uint64_t attempts = 0;
  static constexpr auto fields() {
    return FieldList{field("position", &OpenDelivery::position),
                     field("attempts", &OpenDelivery::attempts)};
  }
};

struct Parking {
  Position position = 0;
  std::uint64_t attempts = 0;
  std::string error;
};

// Not thread-safe. `now` must not go back by more than a clock may.
class DeliveryWindow {
 public:
  DeliveryWindow(const DeliveryPolicy& policy, Position scanned, std::uint64_t seed)
      : policy_(policy), scanned_(scanned), random_(seed) {}

  void set_policy(const DeliveryPolicy& policy) { policy_ = policy; }

  // How many more events may be offered.
  std::size_t room() const;
  // The log has been looked at up to here.
  Position scanned() const { return scanned_; }
  void scanned_to(Position position) { scanned_ = std::max(scanned_, position); }
  // An event after scanned(), which it becomes.
  void offer(Position position);
  // One that was kept, or that is replayed: it is ready, whatever scanned() is.
  void reopen(Position position, std::uint64_t attempts);

  // At most `max` events that are ready, oldest first; they are then out until their deadlines.
  std::vector<Delivery> take(std::size_t max, const std::string& consumer, TimeUs now);
  // Not delivered after all: ready as before, the attempt does not count.
  void give_back(std::span<const Position> positions);
  // The number of events that were open. One that waits for its next attempt can still be
  // acknowledged.
  std::size_t acknowledge(std::span<const Position> positions);
  // All that `consumer` has out up to a position (empty: whoever has it).
  std::size_t acknowledge_upto(Position position, const std::string& consumer);
  // Failed: waits `delay` (none given: the backoff), or is parked where that was the last attempt
  // or `park`. Only what is out counts.
  std::size_t fail(std::span<const Position> positions, const std::string& error, TimeUs now,
                   std::optional<TimeUs> delay = {}, bool park = false);
  // The consumer has gone: all that it has out has failed, and is ready again at once.
  std::size_t release(const std::string& consumer, TimeUs now);
  // What time has brought: deadlines that have passed, attempts that are due. Answers how many
  // deliveries failed by that.
  std::size_t advance(TimeUs now);

  // The events to park that have not been told yet; each is told once.
  std::vector<Parking> to_park();
  // It could not be written down that the event is parked: told again from `then` on.
  void park_later(Position position, TimeUs then);
  // It is parked or dropped: gone from here.
  void remove(Position position) { close(position); }

  bool has_ready() const { return !ready_.empty(); }
  std::size_t out_of(const std::string& consumer) const;  // how many it has
  std::size_t in_flight() const { return open_.size(); }
  // When advance() next has something to do.
  std::optional<TimeUs> next_due() const;
  // Up to here everything is dealt with.
  Position floor() const;
  std::vector<OpenDelivery> open() const;

 private:
  enum class At { ready, out, waiting, parking };
  struct Open {
    At at = At::ready;
    std::uint64_t attempts = 0;
    TimeUs due = 0;  // of out, waiting and parking: when it is time
    std::string consumer, error;
    bool told = false;  // of parking
  };
  using Item = std::map<Position, Open>::iterator;

  void move(Item item, At at, TimeUs due = 0);
  void leave(const Open& open);
  bool close(Position position);
  void failed(Item item, const std::string& error, TimeUs now, std::optional<TimeUs> delay,
              bool park);
  TimeUs backoff(std::uint64_t attempts);

  DeliveryPolicy policy_;
  Position scanned_;
  std::mt19937_64 random_;
  std::map<Position, Open> open_;
  std::set<Position> ready_;
  std::set<std::pair<TimeUs, Position>> timed_;  // out, waiting, and parking that is to be told
  std::set<Position> untold_;                    // parking, to be told now
  std::map<std::string, std::size_t> out_;       // how many events each consumer has
};

}  // namespace mlforge::actors
