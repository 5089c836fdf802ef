// BroadcastTransport over libnats: one connection at a time, never reconnected behind our back.
#pragma once
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "actors/nats_message.hpp"
#include "actors/nats_protocol.hpp"

namespace mlforge::actors {

// The JetStream stream, made with these settings if it is missing; one that exists is taken as it
// is if it catches our subjects.
struct NatsStreamOptions {
  std::string name = "MLFORGE";
  std::string subject_prefix = "mlforge";  // subjects "<prefix>.>"
  std::int64_t max_bytes = -1;             // oldest messages go first; -1: no limit
  std::chrono::nanoseconds max_age{0};     // 0: no limit
  std::chrono::nanoseconds duplicate_window =
      std::chrono::minutes(2);  // the broker takes 100 ms at least
  std::int64_t replicas = 1;
};

struct NatsConnectOptions {
  std::string credentials_file;  // NATS .creds; empty: what the URL says
  std::string ca_file;           // PEM; empty: the system's, for tls:// URLs
  std::chrono::milliseconds connect_timeout{2000};
  std::chrono::milliseconds request_timeout{3000};
  std::chrono::milliseconds write_deadline{3000};  // a send that blocks longer ends the connection
};

// on_ack and on_closed are called from the library's threads, on_ack often: they must be quick, and
// are not called any more once disconnect() has returned. Everything else: as BroadcastTransport
// says.
class NatsTransport : public BroadcastTransport {
 public:
  struct Callbacks {
    std::function<std::string()> url;  // comma-separated; empty: no broker to connect to yet
    std::function<void(PublishAck)> on_ack;
    std::function<void()> on_closed;
  };

  NatsTransport(const Uuid& log_id, NatsStreamOptions stream, NatsConnectOptions connect,
                Callbacks callbacks);
  ~NatsTransport() override;

  Status connect() override;
  void disconnect() override;
  Expected<StreamInfo> open_stream() override;
  Expected<std::optional<StoredMessage>> last_message() override;
  Expected<std::optional<StoredMessage>> message(std::uint64_t sequence) override;
  Status publish(const Publication& publication) override;

 private:
  struct Connection;
  static void drop(std::unique_ptr<Connection> connection);
  int attach(Connection& connection);  // a natsStatus
  Status make_stream();

  const std::string source_;
  NatsStreamOptions stream_;
  NatsConnectOptions connect_;
  Callbacks callbacks_;
  std::unique_ptr<Connection> connection_;
  BroadcastMessage message_;
};

}  // namespace mlforge::actors
