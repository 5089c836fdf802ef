#include "gateway/http/core.hpp"

#include <fmt/format.h>
#include <random>

#include "gateway/http/connection.hpp"
#include "gateway/http/logging.hpp"

namespace mlforge::http {
namespace {

using std::chrono::milliseconds;

// Connections over the limit still get an answer, but only so many at a time.
constexpr std::size_t kMaxTurnedAway = 64;

Expected<tcp::endpoint> resolve(asio::io_context& context, const ServerOptions& options) {
  error_code ec;
  const auto address = asio::ip::make_address(options.host, ec);
  if (!ec) return tcp::endpoint(address, options.port);
  tcp::resolver resolver(context);
  const auto found =
      resolver.resolve(options.host, std::to_string(options.port), tcp::resolver::passive, ec);
  if (ec || found.empty())
    return Error{ErrorCode::invalid_argument,
                 fmt::format("'{}' is not an address of this machine to listen on ({}).",
                             options.host, ec.message()),
                 "host"};
  for (const auto& entry : found)
    if (entry.endpoint().address().is_v4()) return entry.endpoint();
  return found.begin()->endpoint();
}

}  // namespace

Core::Core(ServerOptions server_options, Router server_router)
    : options(std::move(server_options)),
      router(std::move(server_router)),
      guard(options),
      context(BOOST_ASIO_CONCURRENCY_HINT_UNSAFE_IO),
      mailbox(std::make_shared<Mailbox>(context)),
      acceptor_(context),
      sweep_timer_(context),
      accept_timer_(context),
      drain_timer_(context),
      work_(context.get_executor()) {
  std::random_device device;
  for (auto& word : random_) word = std::uint64_t{device()} << 32 | device();
}

Core::~Core() { mailbox->close(); }

Status Core::bind() {
  if (auto bad = router.build()) return bad;
  metrics = HttpMetrics(options.registry, router.routes());
  const auto endpoint = resolve(context, options);
  if (!endpoint) return endpoint.error();
  error_code ec;
  acceptor_.open(endpoint->protocol(), ec);
  if (!ec) acceptor_.set_option(asio::socket_base::reuse_address(true), ec);
  if (!ec) acceptor_.bind(*endpoint, ec);
  if (!ec) acceptor_.listen(asio::socket_base::max_listen_connections, ec);
  if (ec) {
    error_code ignored;
    acceptor_.close(ignored);
    const auto* hint = ec == asio::error::address_in_use
                           ? " Another program is listening there: stop it or choose another port."
                           : "";
    return Error{ErrorCode::unavailable,
                 fmt::format("The server cannot listen on {}:{} ({}).{}", options.host,
                             options.port, ec.message(), hint),
                 "port"};
  }
  port = acceptor_.local_endpoint().port();
  return std::nullopt;
}

void Core::run() {
  Mailbox::Scope scope(*mailbox);
  accept();
  schedule_sweep();
  for (bool over = false; !over;) {
    try {
      context.run();
      over = true;
    } catch (const std::exception& failure) {  // from a user's callback; the server goes on
      logging::error("a callback on the server's thread failed: {}", failure.what());
    }
  }
  context.restart();
  context.poll();  // handlers of what shutdown() closed
  context.stop();
}

void Core::shutdown() {
  stop_accepting();
  sweep_timer_.cancel();
  drain_timer_.cancel();
  while (!members_.empty()) members_.back()->cut();
  finish_drain(false);
  mailbox->close();
  work_.reset();
  context.stop();
}

void Core::stop_accepting() {
  error_code ignored;
  accept_timer_.cancel();
  acceptor_.close(ignored);
}

void Core::drain(milliseconds deadline, std::function<void(bool)> done) {
  draining = true;
  drained_ = std::move(done);
  stop_accepting();
  const auto members = members_;
  for (auto* member : members) member->drain();
  if (members_.empty()) return finish_drain(true);
  drain_timer_.expires_after(deadline);
  drain_timer_.async_wait([this](error_code ec) {
    if (ec || !drained_) return;
    while (!members_.empty()) members_.back()->cut();
    finish_drain(false);
  });
}

void Core::finish_drain(bool complete) {
  if (auto done = std::exchange(drained_, nullptr)) {
    drain_timer_.cancel();
    done(complete);
  }
}

void Core::join(Member& member) {
  member.slot_ = members_.size();
  members_.push_back(&member);
  open_count.store(members_.size(), std::memory_order_relaxed);
  metrics.connections(members_.size());
}

void Core::leave(Member& member) {
  auto* last = members_.back();
  last->slot_ = member.slot_;
  members_[member.slot_] = last;
  members_.pop_back();
  open_count.store(members_.size(), std::memory_order_relaxed);
  metrics.connections(members_.size());
  if (draining && members_.empty() && drained_)
    asio::post(context, [this] {
      if (members_.empty()) finish_drain(true);
    });
}

bool Core::charge(std::size_t bytes) {
  const auto now = pending_bytes.load(std::memory_order_relaxed);
  if (now + bytes > options.max_pending_bytes) return false;
  pending_bytes.store(now + bytes, std::memory_order_relaxed);
  return true;
}

void Core::discharge(std::size_t bytes) {
  pending_bytes.store(pending_bytes.load(std::memory_order_relaxed) - bytes,
                      std::memory_order_relaxed);
}

// xorshift128+ (Vigna, "Further scramblings of Marsaglia's xorshift generators"): ids, not secrets.
void Core::draw_id(std::string& out) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::array<std::uint64_t, 2> bits{};
  for (auto& word : bits) {
    auto a = random_[0];
    const auto b = random_[1];
    random_[0] = b;
    a ^= a << 23;
    random_[1] = a ^ b ^ (a >> 18) ^ (b >> 5);
    word = random_[1] + b;
  }
  bits[0] = (bits[0] & ~0xf000ull) | 0x4000;         // version 4
  bits[1] = (bits[1] & ~(3ull << 62)) | 1ull << 63;  // variant
  out.resize(36);
  std::size_t at = 0;
  for (int i = 0; i < 32; ++i) {
    if (i == 8 || i == 12 || i == 16 || i == 20) out[at++] = '-';
    out[at++] = kHex[bits[i / 16] >> (60 - 4 * (i % 16)) & 15];
  }
}

void Core::accept() {
  acceptor_.async_accept(context, [this](error_code ec, Socket socket) {
    if (!acceptor_.is_open()) return;
    if (!ec) {
      accepted(std::move(socket));
      return accept();
    }
    // Out of file descriptors, or a client that gave up: go on a little later.
    accept_timer_.expires_after(milliseconds(ec == asio::error::connection_aborted ? 0 : 100));
    accept_timer_.async_wait([this](error_code stopped) {
      if (!stopped && acceptor_.is_open()) accept();
    });
  });
}

void Core::accepted(Socket socket) {
  error_code ignored;
  socket.set_option(tcp::no_delay(true), ignored);
  socket.non_blocking(true, ignored);
  if (members_.size() < options.max_connections) return Connection::start(*this, std::move(socket));
  metrics.reject(Rejection::connections);
  if (members_.size() < options.max_connections + kMaxTurnedAway)
    Connection::turn_away(*this, std::move(socket));
}

void Core::schedule_sweep() {
  const auto shortest = std::min(options.idle_timeout, options.heartbeat) / 4;
  sweep_timer_.expires_after(
      std::clamp<milliseconds>(shortest, milliseconds(5), milliseconds(1000)));
  sweep_timer_.async_wait([this](error_code ec) {
    if (ec) return;
    const auto now = std::chrono::steady_clock::now();
    for (std::size_t i = members_.size(); i-- > 0;)
      if (i < members_.size()) members_[i]->sweep(now);
    schedule_sweep();
  });
}

}  // namespace mlforge::http
