// The broadcaster: follows the log and publishes every event to NATS JetStream, on a thread of its
// own.
#pragma once
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "actors/nats_protocol.hpp"
#include "actors/nats_transport.hpp"
#include "events/envelope.hpp"
#include "events/error.hpp"
#include "storage/log.hpp"

namespace mlforge::actors {

struct NatsPublisherOptions {
  std::function<std::string()>
      url;  // asked at every connect; comma-separated; empty: no broker yet. Must not block
  std::function<std::string(const EventView&)>
      body;                 // the message's body, JSON; from the publisher's thread
  std::string cursor_file;  // in the data folder; empty: none is kept
  std::chrono::milliseconds cursor_interval{1000};
  NatsStreamOptions stream;
  NatsConnectOptions connect;
  ProtocolOptions protocol;
};

struct NatsPublisherStatus {
  BroadcastState state = BroadcastState::disconnected;
  bool connected = false;
  Position published = 0;  // the last position known to be in the stream, with all before it
  Position head = 0;       // the log's
  std::uint64_t lag = 0;   // events still to be published
  std::uint64_t in_flight = 0;
  std::uint64_t connects = 0;
  std::uint64_t resyncs = 0;  // pipelines ended by a bad answer
  std::string last_error;     // why it is not live, or the cursor not written; empty: all is well
};

// One line for people: "live at 120 of 123" or "disconnected at 120 of 123: The broker ...".
std::string to_string(const NatsPublisherStatus& status);

// The log must outlive the publisher. All methods may be called from any thread; none waits for the
// broker but stop() and wait_published().
class NatsPublisher {
 public:
  NatsPublisher(const storage::Log& log, NatsPublisherOptions options);
  ~NatsPublisher();  // stop()
  NatsPublisher(const NatsPublisher&) = delete;
  NatsPublisher& operator=(const NatsPublisher&) = delete;

  // The log has grown up to `head`, or the broker may be up. Cheap; the writer calls it after every
  // commit.
  void notify(Position head);

  NatsPublisherStatus status() const;

  // Waits until `position` is in the stream; false when it was not within `timeout`.
  bool wait_published(Position position, std::chrono::milliseconds timeout) const;

  // Ends the thread and writes the cursor. What is in flight is not waited for; the next start
  // finds out.
  void stop();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// The cursor file: one line of text. A missing or unreadable one reads as "nothing published": it
// is only a hint.
BroadcastCursor load_cursor(const std::string& path, const Uuid& log_id);
// Temporary file, fsync, rename, fsync of the folder. Errors: unavailable.
Status save_cursor(const std::string& path, const Uuid& log_id, const BroadcastCursor& cursor);

}  // namespace mlforge::actors
