#include "gateway/workers.hpp"

// Boost 1.74's coroutines need <utility> first, so it stands in a block of its own.
#include <utility>

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>

namespace mlforge::gateway {

struct Workers::Pool {
  boost::asio::thread_pool threads;
};

Workers::Workers(std::size_t threads) : pool_(new Pool{boost::asio::thread_pool(threads)}) {}

Workers::~Workers() = default;

void Workers::post(std::function<void()> work) {
  boost::asio::post(pool_->threads, std::move(work));
}

void Workers::post_after(std::chrono::milliseconds delay, std::function<void()> work) {
  auto timer = std::make_shared<boost::asio::steady_timer>(pool_->threads, delay);
  timer->async_wait([timer, work = std::move(work)](boost::system::error_code stopped) {
    if (!stopped) work();
  });
}

void Workers::stop() { pool_->threads.stop(); }

void Workers::join() { pool_->threads.join(); }

}  // namespace mlforge::gateway
