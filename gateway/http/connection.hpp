// One HTTP/1.1 connection: reads a request, hands it to its route, writes the answer, and again.
// One request at a time; pipelined ones wait in the input buffer. Everything runs on the server's
// thread, except what ReplyTarget says otherwise.
#pragma once
#include "gateway/http/core.hpp"
#include "gateway/http/head_parser.hpp"
#include "gateway/http/in_buffer.hpp"
#include "gateway/http/reply.hpp"
#include "gateway/http/response_head.hpp"

namespace mlforge::http {

class SseHandle;
class UploadHandle;

class Connection final : public ReplyTarget, public Member {
 public:
  static void start(Core& core, Socket socket);
  static void turn_away(Core& core, Socket socket);  // answers 503 and closes

  // ReplyTarget: any thread.
  void reply(Response response) override;
  void reply_stream(StreamedResponse response) override;
  std::shared_ptr<SseSession> reply_sse(SseOptions options) override;
  void reply_all(std::vector<std::pair<ReplyTarget*, Response>>& batch) override;
  const void* batch_key() const override { return mailbox_.get(); }
  const Request& request() const override { return request_; }
  void add_ref() noexcept override { refs_.fetch_add(1, std::memory_order_relaxed); }
  void release() noexcept override {
    if (refs_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

  // Member
  void sweep(SteadyTime now) override;
  void drain() override;
  void cut() override { close(); }

  void finish(Response response);  // the answer, on the server's thread

 private:
  friend class SseHandle;
  friend class UploadHandle;

  enum class State {
    head,       // waiting for a request, or inside its head
    body,       // inside a body that is collected
    handling,   // a handler owes the answer
    upload,     // inside a body that is handed on in pieces
    paused,     // the same, the receiver asked to wait
    streaming,  // a StreamedResponse is being pulled
    sse,
    lingering,  // the last answer is out; reads what the client still sends so that it sees the
                // answer
    closed,
  };
  enum class Step { again, input, wait };  // go on; read first; something else will call pump()

  Connection(Core& core, Socket socket);

  // connection.cpp: input, output, timeouts
  void pump();
  Step step();
  void read();
  void received(error_code ec, std::size_t bytes);
  void input_ended();
  void flush();
  void wrote(error_code ec, std::size_t bytes);
  void written();
  void close();
  void linger();
  bool output_pending() const { return !out_.empty() || !out_body_.empty(); }
  bool output_full() const { return out_.size() >= kFlushBytes || !out_body_.empty(); }
  void later();  // pump() again after others had their turn
  void set_deadline(std::chrono::milliseconds from_now);

  // connection_request.cpp: from bytes to a handler
  Step step_head();
  Step begin(std::size_t head_bytes);
  bool parse(std::size_t head_bytes);
  void forget_request();
  bool check_framing();
  bool check_guards();
  bool decode_target();
  bool decode_query(std::string_view query);
  bool decode(std::string_view& text, bool plus);
  void choose_correlation();
  bool match_route();
  Step plan_body();
  Step step_body();
  Step step_chunked_body();
  bool grow_charge(std::size_t bytes);
  Step dispatch();
  Step answer_options();
  Step upgrade();
  void call_handler(const Handler& handler);
  std::size_t body_limit() const;
  void allow_continue();
  Step refuse_for_memory();
  Step fail(Rejection why, const Error& error);

  // connection_upload.cpp
  Step begin_upload(const UploadHandler& handler);
  Step step_upload();
  Step step_chunked_upload();
  Step deliver_chunk(std::string_view chunk);
  void chunk_used();
  Step end_upload();
  void resume_upload();
  void abort_upload(const Error& why);

  // connection_reply.cpp: from an answer to bytes
  bool take_request();  // marks it answered; false when it no longer waits for an answer
  ResponseHead head_for(int status, std::string_view content_type) const;
  void release_body();
  void end_request(int status);
  void count_request(int status, SteadyTime now);
  void start_stream(StreamedResponse response);
  void start_sse(SseOptions options, std::shared_ptr<SseHandle> handle);
  Step step_stream();
  bool stream_ready();
  Step step_sse();
  void append_sse(std::string_view text);
  void wake_sse();
  void heartbeat(SteadyTime now);

  static constexpr std::size_t kFlushBytes = 64 << 10;
  static constexpr std::size_t kBigBody = 32 << 10;  // written from where it lies instead of copied
  static constexpr std::size_t kUploadChunk = 128 << 10;

  std::atomic<int> refs_{0};
  Core* core_;  // null once closed
  const std::shared_ptr<Mailbox> mailbox_;
  std::optional<Socket> socket_;
  State state_ = State::head;
  bool pumping_ = false, reading_ = false, writing_ = false;
  bool open_request_ = false;  // a Reply is out and not answered
  bool keep_alive_ = true, head_only_ = false, http10_ = false;
  bool close_after_ = false, linger_after_ = false;
  bool head_begun_ = false, turn_ = false;

  InBuffer in_;
  std::string head_;  // the head of the current request; its views point here
  std::size_t scanned_ = 0;
  Request request_;
  std::optional<HeadParser> parser_;
  std::deque<std::string> decoded_;
  std::string remote_, correlation_id_, last_host_;
  std::string_view allowed_origin_;
  Match match_;
  std::size_t route_index_ = HttpMetrics::kUnmatched;
  SteadyTime started_{}, deadline_{}, body_started_{};

  bool chunked_ = false;
  std::uint64_t body_size_ = 0;      // Content-Length; of an upload, what is still to come
  std::uint64_t body_received_ = 0;  // for the minimum rate
  std::size_t body_in_buffer_ = 0;   // of in_, to be consumed with the request
  std::size_t charged_ = 0;
  std::string body_;  // decoded chunks
  std::unique_ptr<Upload> upload_;
  std::unique_ptr<Upload> retired_upload_;  // may still be on the stack; destroyed when pump() ends
  std::shared_ptr<UploadHandle> upload_handle_;
  std::size_t chunk_size_ = 0;  // of the piece that the upload holds
  SteadyTime paused_at_{};

  std::string out_, out_body_;
  std::size_t out_written_ = 0;
  std::optional<StreamedResponse> stream_;
  std::uint64_t stream_left_ = 0;
  SseOptions sse_;
  std::shared_ptr<SseHandle> sse_handle_;
  SteadyTime last_output_{};
};

}  // namespace mlforge::http
