#include "actors/nats_publisher.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace mlforge::actors {

using Clock = std::chrono::steady_clock;

struct NatsPublisher::Impl {
  const storage::Log& log;
  const NatsPublisherOptions options;
  NatsTransport transport;
  BroadcastProtocol protocol;

  mutable std::mutex mutex;
  mutable std::condition_variable published;
  std::condition_variable wake;
  std::vector<PublishAck> acks;
  std::size_t ack_batch = 1;  // how many answers are worth a wake-up; a refusal always is
  bool acks_refused = false;
  bool closed = false, woken = true, stopping = false;
  NatsPublisherStatus status;

  BroadcastCursor saved;
  Clock::time_point save_at{};
  std::string cursor_error;
  std::once_flag stopped;
  std::thread thread;

  Impl(const storage::Log& l, NatsPublisherOptions o)
      : log(l),
        options(std::move(o)),
        transport(log.log_id(), options.stream, options.connect,
                  {options.url, [this](PublishAck ack) { receive(std::move(ack)); },
                   [this] { on_closed(); }}),
        protocol(log, transport, options.body, options.protocol,
                 load_cursor(options.cursor_file, log.log_id())),
        saved(protocol.cursor()) {
    thread = std::thread([this] { run(); });
  }

  void receive(PublishAck ack) {
    const std::lock_guard lock(mutex);
    acks_refused |= !ack.error.empty();
    acks.push_back(std::move(ack));
    if (acks_refused || acks.size() == ack_batch) wake.notify_one();
  }

  void on_closed() {
    const std::lock_guard lock(mutex);
    closed = true;
    wake.notify_one();
  }

  void run() {
    std::vector<PublishAck> batch;
    auto deadline = Clock::now();
    for (;;) {
      batch.clear();
      bool lost;
      {
        std::unique_lock lock(mutex);
        ack_batch = std::max<std::size_t>(1, protocol.in_flight() / 4);
        const auto due = [&] {
          return stopping || woken || closed || acks_refused || acks.size() >= ack_batch;
        };
        // A second at most: the cursor is written then, and a time_point far off overflows in the
        // library.
        wake.wait_until(lock, std::min(deadline, Clock::now() + std::chrono::seconds(1)), due);
        if (stopping) break;
        woken = false;
        lost = std::exchange(closed, false);
        acks_refused = false;
        std::swap(batch, acks);
      }
      const auto now = Clock::now();
      for (const auto& ack : batch) protocol.on_ack(ack, now);
      if (lost) protocol.on_disconnect("The broker closed the connection.", now);
      deadline = protocol.step(now);
      show_status();
      keep_cursor(now);
    }
    transport.disconnect();
    keep_cursor(Clock::time_point::max());
  }

  void show_status() {
    const auto head = log.head();
    const std::lock_guard lock(mutex);
    status.state = protocol.state();
    status.connected = status.state == BroadcastState::live;
    status.published = protocol.cursor().position;
    status.head = head;
    status.lag = head > status.published ? head - status.published : 0;
    status.in_flight = protocol.in_flight();
    status.connects = protocol.connects();
    status.resyncs = protocol.resyncs();
    status.last_error = status.connected ? cursor_error : protocol.last_error();
    published.notify_all();
  }

  void keep_cursor(Clock::time_point now) {
    if (options.cursor_file.empty() || protocol.cursor() == saved) return;
    const bool went_back = protocol.cursor().position < saved.position;
    if (now < save_at && !went_back) return;
    const auto error = save_cursor(options.cursor_file, log.log_id(), protocol.cursor());
    cursor_error = error ? error->message : "";
    if (!error) saved = protocol.cursor();
    if (now != Clock::time_point::max()) save_at = now + options.cursor_interval;
  }
};

std::string to_string(const NatsPublisherStatus& status) {
  auto text = fmt::format("{} at {} of {}", to_string(status.state), status.published, status.head);
  if (status.state != BroadcastState::live && !status.last_error.empty())
    text += ": " + status.last_error;
  return text;
}

NatsPublisher::NatsPublisher(const storage::Log& log, NatsPublisherOptions options)
    : impl_(std::make_unique<Impl>(log, std::move(options))) {}

NatsPublisher::~NatsPublisher() { stop(); }

void NatsPublisher::notify(Position) {
  const std::lock_guard lock(impl_->mutex);
  if (std::exchange(impl_->woken, true)) return;
  impl_->wake.notify_one();
}

NatsPublisherStatus NatsPublisher::status() const {
  const std::lock_guard lock(impl_->mutex);
  auto status = impl_->status;
  status.head = impl_->log.head();
  status.lag = status.head > status.published ? status.head - status.published : 0;
  return status;
}

bool NatsPublisher::wait_published(Position position, std::chrono::milliseconds timeout) const {
  std::unique_lock lock(impl_->mutex);
  return impl_->published.wait_for(lock, timeout,
                                   [&] { return impl_->status.published >= position; });
}

void NatsPublisher::stop() {
  std::call_once(impl_->stopped, [this] {
    {
      const std::lock_guard lock(impl_->mutex);
      impl_->stopping = true;
    }
    impl_->wake.notify_one();
    impl_->thread.join();
  });
}

}  // namespace mlforge::actors
