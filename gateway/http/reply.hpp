// The handle to a request's answer.
#pragma once
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "gateway/http/request.hpp"
#include "gateway/http/streams.hpp"

namespace mlforge::http {

// What a Reply speaks to: a connection, or a test. Reference-counted by hand so that a Reply costs
// no allocation.
class ReplyTarget {
 public:
  virtual ~ReplyTarget() = default;
  virtual void reply(Response response) = 0;
  virtual void reply_stream(StreamedResponse response) = 0;
  virtual std::shared_ptr<SseSession> reply_sse(SseOptions options) = 0;
  virtual const Request& request() const = 0;
  virtual void add_ref() noexcept = 0;
  virtual void release() noexcept = 0;
  // Hands over many answers at once; the default sends them one by one.
  virtual void reply_all(std::vector<std::pair<ReplyTarget*, Response>>& batch);
  virtual const void* batch_key() const { return this; }  // same key: may share a batch
};

// Move-only; exactly one of send, stream and sse is called, once, from any thread. On the server's
// own thread the answer is written at once; from another thread it is queued, with one wake-up for
// all answers queued before the server looks. Dropped without an answer, it answers 500. May
// outlive the connection and the server: then the answer is discarded.
class Reply {
 public:
  Reply() = default;
  explicit Reply(ReplyTarget* target) : target_(target) { target_->add_ref(); }
  Reply(Reply&& other) noexcept : target_(std::exchange(other.target_, nullptr)) {}
  Reply& operator=(Reply&& other) noexcept;
  ~Reply() { drop(); }

  void send(Response response);
  void send(const Error& error);  // error_response with this request's correlation id
  void stream(StreamedResponse response);
  std::shared_ptr<SseSession> sse(SseOptions options);

  explicit operator bool() const { return target_ != nullptr; }  // not answered yet
  const Request& request() const { return target_->request(); }  // until answered

 private:
  friend class ReplyBatch;
  ReplyTarget* take() { return std::exchange(target_, nullptr); }
  void drop();
  ReplyTarget* target_ = nullptr;
};

// Collects answers and hands them over under one lock and with one wake-up of the server's thread.
// For a thread that completes many requests together. Not thread-safe; flushes when destroyed.
class ReplyBatch {
 public:
  ReplyBatch() = default;
  ReplyBatch(const ReplyBatch&) = delete;
  ReplyBatch& operator=(const ReplyBatch&) = delete;
  ~ReplyBatch() { flush(); }
  void add(Reply reply, Response response);
  void add(Reply reply, const Error& error);
  void flush();

 private:
  std::vector<std::pair<ReplyTarget*, Response>> batch_;
};

// A Reply for tests of handlers: `request` must outlive it; the answer goes to `done`. A stream is
// read to its end.
Reply captured_reply(const Request& request, std::function<void(Response)> done);

}  // namespace mlforge::http
