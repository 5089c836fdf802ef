// A nats-server of our own: configured, started, watched and stopped together with mlforge (`--nats
// managed`).
#pragma once
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "events/error.hpp"

namespace mlforge::actors {

struct ManagedNatsOptions {
  std::string folder;  // <data>/nats; made if missing. Everything of the server lives there
  std::string program =
      "nats-server";  // a path, or a name to be found in PATH and the system's folders
  std::uint64_t max_payload_bytes = 8u << 20;  // per message, headers included
  std::uint64_t max_store_bytes =
      0;  // for the files of all streams; 0: what the server takes by itself
  std::chrono::milliseconds grace{5000};           // between SIGTERM and SIGKILL
  std::chrono::milliseconds start_timeout{30000};  // not ready by then: killed and started again
  std::chrono::milliseconds min_backoff{
      100};  // between restarts; doubles while the server does not stay up
  std::chrono::milliseconds max_backoff{5000};
  std::function<void()>
      on_ready;  // from the supervisor's thread, each time the server is up. Must not call stop()
};

struct ManagedNatsStatus {
  bool ready = false;
  std::string url;             // "nats://127.0.0.1:<port>"; empty unless ready
  int pid = 0;                 // 0: not running
  std::uint64_t restarts = 0;  // starts after the first
  std::string last_error;  // why it ended last, or could not start; empty: nothing went wrong yet
};

// Supervises one nats-server with JetStream on 127.0.0.1. The port is a free one at the first start
// and is kept over restarts and runs unless somebody else took it meanwhile. A server left over
// from a crashed run in the same folder is stopped first. All methods may be called from any
// thread.
class ManagedNats {
 public:
  // Returns at once; the server comes up in the background. Errors: unavailable (nats-server is not
  // installed, the folder cannot be made).
  static Expected<std::unique_ptr<ManagedNats>> start(ManagedNatsOptions options);

  ~ManagedNats();  // stop()
  ManagedNats(const ManagedNats&) = delete;
  ManagedNats& operator=(const ManagedNats&) = delete;

  // Empty while the server is not up.
  std::string url() const;
  ManagedNatsStatus status() const;

  // Waits until the server is up; false when it was not within `timeout` or was stopped.
  bool wait_ready(std::chrono::milliseconds timeout) const;

  // Stops the server cleanly and for good. Blocks for up to `grace`.
  void stop();

 private:
  struct Impl;
  explicit ManagedNats(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace mlforge::actors
