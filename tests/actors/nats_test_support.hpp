// What the tests against the real nats-server share.
#pragma once
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "actors/nats_publisher.hpp"
#include "actors/nats_server.hpp"

namespace mlforge::actors::test {

// A folder of its own under the system's temporary folder, removed at the end.
struct TempFolder {
  TempFolder();
  ~TempFolder();
  std::filesystem::path path;
};

// True when nats-server is missing; then says "SKIPPED: <test>" on standard output.
bool skipped_without_nats(const std::string& test);

// Looks at a condition until it holds; false when it does not within `timeout`.
bool eventually(const std::function<bool()>& condition,
                std::chrono::milliseconds timeout = std::chrono::seconds(60));

std::unique_ptr<ManagedNats> start_nats(const std::filesystem::path& folder);

NatsPublisherOptions publisher_options(const ManagedNats& nats,
                                       const std::filesystem::path& folder);

// What a consumer of the stream gets, in the order in which it gets it.
struct Received {
  std::uint64_t sequence;
  std::string subject, source, id, body;
  Position position;
  std::vector<std::pair<std::string, std::string>> headers;
};

// Reads the stream from its beginning with an ordered-by-nature pull consumer, until the message
// with `last` came.
std::vector<Received> consume(const std::string& url, Position last, bool with_headers = false);

// A live consumer in a thread of its own: reconnects and goes on after the last message that it has
// seen.
class LiveConsumer {
 public:
  explicit LiveConsumer(std::function<std::string()> url);
  ~LiveConsumer();
  std::vector<Position> positions() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Publishes to the stream as somebody else would. True when the broker has stored it.
bool publish_foreign(const std::string& url, const std::string& subject,
                     const std::vector<std::pair<std::string, std::string>>& headers = {});
std::uint64_t stream_messages(const std::string& url);  // how many it holds; 0: cannot be read
bool delete_stream(const std::string& url);
bool purge_stream(const std::string& url);

}  // namespace mlforge::actors::test
