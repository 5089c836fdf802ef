// The handle to a connection that has become an event stream.
#pragma once
#include "gateway/http/mailbox.hpp"
#include "gateway/http/streams.hpp"

namespace mlforge::http {

class SseHandle final : public SseSession, public std::enable_shared_from_this<SseHandle> {
 public:
  SseHandle(std::shared_ptr<Mailbox> mailbox, ConnectionRef connection)
      : mailbox_(std::move(mailbox)), connection_(std::move(connection)) {}

  void wake() override;
  void close() override;

  // The server's thread.
  void detach() { connection_.reset(); }

 private:
  const std::shared_ptr<Mailbox> mailbox_;
  ConnectionRef connection_;  // the server's thread only
  std::atomic<bool> woken_{false};
};

}  // namespace mlforge::http
