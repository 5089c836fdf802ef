// What lasts longer than one answer: uploads, downloads, server-sent events, WebSockets. None of
// them holds more than one batch in memory for a client that is slow.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "events/error.hpp"

namespace mlforge::http {

using Message = std::shared_ptr<const std::string>;

// Asked for the next message or batch whenever the client has taken the last one; called on the
// server's thread, must not block. At most `max_bytes` (one message may be larger). No value:
// nothing yet, wake() tells when there is. A null message: the end, the session is closed.
using PullSource = std::function<std::optional<Message>(std::size_t max_bytes)>;

inline constexpr std::size_t kMaxBatchBytes = 64 << 10;

// --- WebSocket
// ---------------------------------------------------------------------------------------------------------
// A handler for a WebSocket route gets a session before the handshake, sets the callbacks, and
// returns. All callbacks run on the server's thread. Text frames go out; text and binary come in.
// The server pings idle peers by itself.
class WsSession {
 public:
  virtual ~WsSession() = default;

  // To be set inside the handler or a callback.
  virtual void on_message(std::function<void(std::string_view)> fn) = 0;
  virtual void on_close(std::function<void()> fn) = 0;  // once, also when the handshake fails
  virtual void set_source(PullSource source) = 0;

  // Any thread. Puts one message in front of what the source gives; false when kMaxBatchBytes are
  // waiting already (the message is not sent) or when the session is closed. While they wait,
  // nothing is read from the client.
  virtual bool send(Message message) = 0;
  virtual void wake() = 0;  // any thread: the source has something
  virtual void close(std::uint16_t code = 1000, std::string reason = {}) = 0;  // any thread
};

// --- server-sent events
// ------------------------------------------------------------------------------------------------
class SseSession {
 public:
  virtual ~SseSession() = default;
  virtual void wake() = 0;   // any thread: the source has something
  virtual void close() = 0;  // any thread
};

struct SseOptions {
  PullSource source;               // gives event-stream text, see sse_event
  std::function<void()> on_close;  // once, on the server's thread
};

// Appends one event; `data` may have several lines. Empty id or event are left out.
void append_sse_event(std::string& out, std::string_view id, std::string_view event,
                      std::string_view data);

// --- streaming upload
// --------------------------------------------------------------------------------------------------
enum class Flow { more, pause };

// Receives a request body in pieces, on the server's thread. After the Reply is answered nothing
// more is called and the object is destroyed; answered before on_end, the connection is closed
// after the answer.
class Upload {
 public:
  virtual ~Upload() = default;
  // `chunk` lives until this returns `more`, or after `pause` until UploadFlow::resume or the
  // answer; where the connection breaks meanwhile, as long as a copy of the UploadFlow is held.
  // While paused the client waits.
  virtual Flow on_chunk(std::string_view chunk) = 0;
  virtual void on_end() = 0;  // the body is complete; answer now or later
  // The client went away, was too slow, or sent too much; the object is destroyed and the Reply no
  // longer counts.
  virtual void on_abort(const Error& why) = 0;
};

class UploadControl {
 public:
  virtual ~UploadControl() = default;
  virtual void resume() = 0;
};

// Lets a paused upload go on. Copyable, any thread, may outlive the connection.
class UploadFlow {
 public:
  UploadFlow() = default;
  explicit UploadFlow(std::shared_ptr<UploadControl> control) : control_(std::move(control)) {}
  void resume() const {
    if (control_) control_->resume();
  }

 private:
  std::shared_ptr<UploadControl> control_;
};

// --- streamed answer
// ---------------------------------------------------------------------------------------------------
struct StreamedResponse {
  int status = 200;
  std::string content_type = "application/octet-stream";
  std::vector<std::pair<std::string, std::string>> headers;
  std::optional<std::uint64_t> content_length;  // known: sent as is; else chunked transfer

  // Called on the server's thread each time the client has taken the last piece. Appends the next
  // piece (64 KiB is a good size) to the empty `out`. Nothing appended means the end; an Error
  // breaks the connection, so that the client notices.
  std::function<Status(std::string& out)> next;

  // Where the next piece may be long in coming: asked, on the server's thread, before next().
  // False: not yet; then `again`, called once from any thread, has the server ask anew.
  std::function<bool(std::function<void()> again)> ready;
};

}  // namespace mlforge::http
