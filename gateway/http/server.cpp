#include "gateway/http/server.hpp"

#include <condition_variable>

#include "gateway/http/core.hpp"

namespace mlforge::http {

class Server::Impl {
 public:
  Impl(ServerOptions options, Router router) : core(std::move(options), std::move(router)) {}

  void run() {
    core.run();
    std::lock_guard lock(mutex);
    running = false;
    ended.notify_all();
  }

  Core core;
  std::thread thread;
  std::mutex mutex;
  std::condition_variable ended;
  bool bound = false, running = false, stopped = false;
};

Server::Server(ServerOptions options, Router router)
    : impl_(std::make_unique<Impl>(std::move(options), std::move(router))) {}

Server::~Server() { stop(); }

Status Server::bind() {
  if (auto error = impl_->core.bind()) return error;
  impl_->bound = true;
  return std::nullopt;
}

std::uint16_t Server::port() const { return impl_->core.port; }

std::string Server::url() const {
  const auto& host = impl_->core.options.host;
  const bool v6 = host.find(':') != std::string::npos;
  return "http://" + (v6 ? '[' + host + ']' : host) + ':' + std::to_string(port());
}

Status Server::start() {
  if (!impl_->bound)
    if (auto error = bind()) return error;
  {
    std::lock_guard lock(impl_->mutex);
    impl_->running = true;
  }
  impl_->thread = std::thread([impl = impl_.get()] { impl->run(); });
  return std::nullopt;
}

void Server::run() {
  {
    std::lock_guard lock(impl_->mutex);
    if (impl_->stopped) return;
    impl_->running = true;
  }
  impl_->run();
}

void Server::post(std::function<void()> fn) { impl_->core.mailbox->push(std::move(fn)); }

void Server::stop_accepting() {
  post([core = &impl_->core] { core->stop_accepting(); });
}

void Server::drain(std::chrono::milliseconds deadline, std::function<void(bool)> done) {
  post([core = &impl_->core, deadline, done = std::move(done)] { core->drain(deadline, done); });
}

void Server::stop() {
  const bool inside = impl_->core.mailbox->on_server_thread();
  std::unique_lock lock(impl_->mutex);
  if (!impl_->stopped && impl_->running) post([core = &impl_->core] { core->shutdown(); });
  impl_->stopped = true;
  if (inside) return;
  impl_->ended.wait(lock, [this] { return !impl_->running; });
  lock.unlock();
  if (impl_->thread.joinable()) impl_->thread.join();
}

std::size_t Server::connections() const {
  return impl_->core.open_count.load(std::memory_order_relaxed);
}

std::size_t Server::pending_bytes() const {
  return impl_->core.pending_bytes.load(std::memory_order_relaxed);
}

}  // namespace mlforge::http
