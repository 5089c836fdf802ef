// The handle by which a paused upload goes on.
#pragma once
#include "gateway/http/mailbox.hpp"
#include "gateway/http/streams.hpp"

namespace mlforge::http {

class UploadHandle final : public UploadControl, public std::enable_shared_from_this<UploadHandle> {
 public:
  UploadHandle(std::shared_ptr<Mailbox> mailbox, ConnectionRef connection)
      : mailbox_(std::move(mailbox)), connection_(std::move(connection)) {}

  void resume() override;

  void detach() { attached_ = false; }  // the server's thread

 private:
  const std::shared_ptr<Mailbox> mailbox_;
  const ConnectionRef connection_;  // keeps the chunk in memory for whoever still reads it
  bool attached_ = true;            // the server's thread only
};

}  // namespace mlforge::http
