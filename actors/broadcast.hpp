// NATS as the configuration wants it: a server of our own, or somebody else's.
#pragma once
#include <atomic>
#include <memory>
#include <string>

#include "actors/nats_publisher.hpp"
#include "actors/nats_server.hpp"

namespace mlforge::actors {

class Broadcast {
 public:
  // `nats`: "managed" or the URL of a server. Returns at once; the broker may come up, go and come
  // back later.
  static Expected<std::unique_ptr<Broadcast>> start(const storage::Log& log,
                                                    const std::string& nats,
                                                    const std::string& data_folder);
  NatsPublisher& publisher() { return *publisher_; }
  NatsPublisherStatus status() const { return publisher_->status(); }
  std::string url() const;  // of the broker; empty while it is not up
  void stop();

 private:
  std::string fixed_url_;
  std::unique_ptr<ManagedNats> server_;
  std::unique_ptr<NatsPublisher> publisher_;
  // What the threads of either see of the other while start() is still at work.
  std::atomic<ManagedNats*> live_server_ = nullptr;
  std::atomic<NatsPublisher*> live_publisher_ = nullptr;
};

}  // namespace mlforge::actors
