// A JetStream stream behind a terrible network, in virtual time: what the broadcaster's protocol is
// tested on.
#pragma once
#include <deque>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "actors/nats_protocol.hpp"

namespace mlforge::actors::test {

using Time = BroadcastProtocol::Time;

// The stream as the broker has it, with the broker's own rules (nats-server 2.9: the duplicate
// check comes first, then the expected sequence and the expected last id).
struct SimStream {
  struct Message {
    std::string source, id;
    Position position;
  };
  std::map<std::uint64_t, Message> messages;  // by sequence
  std::uint64_t last_sequence = 0;
  std::string last_id;
  std::int64_t created = 1;
  std::map<std::string, std::pair<std::uint64_t, Time>> duplicates;
  Position purged_to = 0;  // the last position that a purge removed

  Position last_position() const;
};

struct SimFaults {
  double drop = 0, lose_ack = 0, refuse = 0, foreign = 0, crash = 0, roll_back = 0,
         remove_stream = 0, purge = 0, request_fails = 0, connect_fails = 0;
};

class SimBroker : public BroadcastTransport {
 public:
  SimBroker(std::uint64_t seed, SimFaults faults, const Uuid& log_id)
      : source_(broadcast_source(log_id)), random_(seed), faults_(faults) {}

  Status connect() override;
  void disconnect() override;
  Expected<StreamInfo> open_stream() override;
  Expected<std::optional<StoredMessage>> last_message() override;
  Expected<std::optional<StoredMessage>> message(std::uint64_t sequence) override;
  Status publish(const Publication& publication) override;

  // Lets the broker take one of the messages that wait in any connection, old ones too, and lets a
  // fault happen.
  void tick(Time now);
  void take_all(Time now);  // without faults
  void heal() { faults_ = {}, down_until_ = {}; }

  std::vector<PublishAck> acks;  // on their way to the publisher
  bool closed = false;           // the publisher's connection ended
  SimStream stream;
  bool exists = false;
  std::string violation;  // the first event that came behind another than its predecessor, or twice
  std::chrono::milliseconds window{120000};
  std::map<std::string, int> happened;  // which faults

 private:
  struct Waiting {
    std::string source, id, expected_id;
    Position position;
    std::uint64_t token, expected;
  };
  bool chance(double p) { return std::uniform_real_distribution<>(0, 1)(random_) < p; }
  std::uint64_t below(std::uint64_t n) {
    return std::uniform_int_distribution<std::uint64_t>(0, n - 1)(random_);
  }
  void take(std::uint64_t connection, Time now);
  PublishAck answer(const Waiting& message, Time now);
  void store(const SimStream::Message& message, Time now);
  void end_connection(bool deliver_some);
  void crash(Time now, bool roll_back);
  void save_copy();

  const std::string source_;  // of all that the publisher sends
  std::mt19937_64 random_;
  SimFaults faults_;
  std::map<std::uint64_t, std::deque<Waiting>> queues_;  // by connection
  std::uint64_t current_ = 0, connections_ = 0;
  Time down_until_{}, now_{};
  std::vector<std::pair<bool, SimStream>> copies_;  // earlier states of the store
  std::int64_t next_created_ = 1;
};

}  // namespace mlforge::actors::test
