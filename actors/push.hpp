// Deliveries that the server makes itself: each subscription of a kind that posts or publishes has
// a thread that takes its events, in order, and sends them to where its settings say.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "actors/subscriptions.hpp"

namespace mlforge::actors {

struct Outgoing {
  Envelope event;
  Delivery delivery;
};

struct SendResult {
  enum class What {
    done,     // acknowledged
    failed,   // to be tried again later
    refused,  // for good: this event is parked
    gone,     // for good: the subscription is disabled, and the event stays
    stopped,  // by stop()
  };
  What what = What::done;
  std::string error;
  std::optional<std::uint64_t> delay_ms;  // as the receiver asks
};

// One target. send() from one thread, which it may block; stop() from any.
class Sender {
 public:
  virtual ~Sender() = default;
  virtual std::size_t batch() const { return 1; }  // the most events in one send()
  virtual SendResult send(const std::vector<Outgoing>& events) = 0;
  virtual void stop() {}
};

// Makes the sender of a subscription: nothing for a kind that is not sent. The Error is shown in
// the subscription's status until its settings change. `created`: the position where it was made.
using MakeSender = std::function<Expected<std::unique_ptr<Sender>>(
    const std::string& name, Position created, const SubscriptionSettings& settings)>;

class PushDeliveries {
 public:
  // Both outlive it.
  PushDeliveries(const storage::Log& log, Subscriptions& subscriptions, MakeSender make);
  ~PushDeliveries();

  // As SubscriptionsOptions::on_change tells it. Starts, ends or replaces the thread.
  void change(const std::string& name, Position created, const SubscriptionSettings* settings);
  // Ends all threads: what is under way is broken off, and is delivered again after the next start.
  void stop();

 private:
  class Runner;
  void reap(bool all);

  const storage::Log& log_;
  Subscriptions& subscriptions_;
  MakeSender make_;
  std::mutex mutex_;
  bool stopped_ = false;
  std::map<std::string, std::unique_ptr<Runner>> runners_;
  std::vector<std::unique_ptr<Runner>> ending_;
};

}  // namespace mlforge::actors
