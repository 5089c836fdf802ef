// How the log is broadcast to a JetStream stream: exactly one copy of every event, in position
// order, whatever the network and the broker do. No IO and no clock in here: the transport is an
// interface and time is an argument. The rules (docs/nats.md says them at length):
//  - Every message carries the expected last sequence of the stream and, except for the first after
//    a look at the stream, the id of the event before it. So the broker takes an event only right
//    behind its predecessor, even when messages of an earlier connection arrive late or somebody
//    else writes to the stream.
//  - An answer that is missing, an error or another sequence than expected ends the pipeline:
//    everything in flight is forgotten, the stream's last message is read, and publishing goes on
//    after the position that *it* has. So a broker that lost what it had acknowledged gets it
//    again, and an answer that got lost costs nothing.
#pragma once
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "events/envelope.hpp"
#include "events/error.hpp"
#include "storage/log.hpp"

namespace mlforge::actors {

// The last broadcast event as far as we know. Only a hint: used when the stream holds no message of
// ours any more.
struct BroadcastCursor {
  Position position = 0;
  std::uint64_t sequence = 0;       // of that event in the stream
  std::int64_t stream_created = 0;  // which stream: its creation time, ns since 1970
  bool operator==(const BroadcastCursor&) const = default;
};

struct StreamInfo {
  std::uint64_t first_sequence = 0;
  std::uint64_t last_sequence = 0;  // 0: nothing was ever stored; stays when messages are removed
  std::int64_t created = 0;         // ns since 1970
};

// What a message in the stream says about itself. Strings are empty and the position 0 where a
// header is missing.
struct StoredMessage {
  std::uint64_t sequence = 0;
  std::string source;     // ce-source
  std::string event_id;   // Nats-Msg-Id
  Position position = 0;  // Mlforge-Position
};

struct Publication {
  const EventView& event;
  std::string_view body;
  std::uint64_t token = 0;                   // comes back in the answer; never used twice
  std::uint64_t expected_last_sequence = 0;  // to be sent even when 0
  std::optional<Uuid> expected_last_id;
};

struct PublishAck {
  std::uint64_t token = 0;
  std::uint64_t sequence = 0;  // where the stream holds the event, also when it held it already
  std::string error;           // not empty: refused, with the broker's reason
};

// One connection to a broker. Calls come from one thread. publish() hands over and does not wait
// for the answer; the others wait for theirs, for a bounded time. Answers to publish() are handed
// to BroadcastProtocol::on_ack by the owner.
class BroadcastTransport {
 public:
  virtual ~BroadcastTransport() = default;
  virtual Status connect() = 0;
  virtual void disconnect() = 0;
  virtual Expected<StreamInfo> open_stream() = 0;  // makes the stream if it is missing
  // The last message; empty when there is none.
  virtual Expected<std::optional<StoredMessage>> last_message() = 0;
  // The message with that sequence; empty when it was removed.
  virtual Expected<std::optional<StoredMessage>> message(std::uint64_t sequence) = 0;
  virtual Status publish(const Publication& publication) = 0;
};

enum class BroadcastState {
  disconnected,  // no broker; tried again with growing pauses
  resyncing,     // connected, about to read where the stream ends
  live,
  refused,  // the stream belongs to another log, or parted from this one: nothing is published,
            // looked at again later
};
std::string_view to_string(BroadcastState state);

struct ProtocolOptions {
  std::size_t window_messages = 4096;
  std::size_t window_bytes = 16u << 20;  // of bodies in flight; one larger body goes alone
  std::size_t max_walk_back = 10000;  // strangers' messages behind our last one that we read past
  std::chrono::milliseconds ack_timeout{10000};
  std::chrono::milliseconds min_backoff{10};
  std::chrono::milliseconds max_backoff{2000};
  std::chrono::milliseconds refused_retry{10000};
};

// Not thread-safe: one thread calls everything.
class BroadcastProtocol {
 public:
  using Time = std::chrono::steady_clock::time_point;
  using Body = std::function<std::string(const EventView&)>;

  BroadcastProtocol(const storage::Log& log, BroadcastTransport& transport, Body body,
                    ProtocolOptions options, BroadcastCursor cursor);

  // Does what can be done now: connects, reads the stream's end, publishes as far as the window
  // allows. Answers when to call again at the latest; call earlier after on_ack(), on_disconnect()
  // or when the log has grown.
  Time step(Time now);

  void on_ack(const PublishAck& ack, Time now);
  void on_disconnect(std::string why, Time now);

  BroadcastState state() const { return state_; }
  const BroadcastCursor& cursor() const {
    return cursor_;
  }  // the last event known to be in the stream
  std::size_t in_flight() const { return pending_.size(); }
  std::uint64_t connects() const { return connects_; }
  std::uint64_t resyncs() const { return resyncs_; }  // pipelines ended by a bad answer
  const std::string& last_error() const { return last_error_; }

 private:
  struct Pending {
    Position position;
    std::uint64_t sequence;
    std::size_t bytes;
    Time sent;
    bool acked = false;
  };
  struct SyncPoint {
    Position position = 0;
    std::uint64_t sequence = 0;
    std::int64_t created = 0;
  };

  Status sync();
  Expected<SyncPoint> find_sync_point();
  Expected<std::optional<StoredMessage>> last_of_ours(const StreamInfo& info,
                                                      std::uint64_t& last_sequence);
  Status check_same_history(const StoredMessage& last) const;
  Position resume_from_cursor(const StreamInfo& info, std::uint64_t last_sequence) const;
  void fill(Time now);
  Status send(const EventView& event, Time now);
  bool has_room() const;
  void give_up(BroadcastState next, std::string why, Time now);
  void forget_pending();
  Time deadline() const;

  const storage::Log& log_;
  BroadcastTransport& transport_;
  Body body_;
  ProtocolOptions options_;
  const std::string source_;

  BroadcastState state_ = BroadcastState::disconnected;
  BroadcastCursor cursor_;
  std::deque<Pending> pending_;  // in position order; tokens base_token_, base_token_ + 1, ...
  std::uint64_t base_token_ = 1;
  std::size_t pending_bytes_ = 0;
  Position next_ = 1;                // the next event to send
  std::uint64_t sent_sequence_ = 0;  // where the last sent event will be
  std::optional<Uuid> sent_id_;      // its id; empty right after a look at the stream
  Time not_before_{};
  std::chrono::milliseconds backoff_;
  std::uint64_t connects_ = 0, resyncs_ = 0;
  std::string last_error_;
};

// "mlforge/<log id>", the ce-source of every event of that log.
std::string broadcast_source(const Uuid& log_id);

}  // namespace mlforge::actors
