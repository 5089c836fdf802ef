#include "gateway/past_reader.hpp"

#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <ctime>

namespace mlforge::gateway {
namespace {

using namespace std::chrono_literals;

constexpr int kNice = 10;  // about a tenth of a core where both are busy
constexpr int kRests = 9;  // times as long as it has worked
constexpr auto kLongestRest = 50ms;

std::chrono::nanoseconds cpu_time() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

}  // namespace

PastReader::PastReader(const storage::Log& log) : log_(log), thread_([this] { run(); }) {
  pthread_setname_np(thread_.native_handle(), "past");
}

void PastReader::ask(std::weak_ptr<Client> client) {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return;
    waiting_.push_back(std::move(client));
  }
  changed_.notify_one();
}

void PastReader::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    waiting_.clear();
  }
  changed_.notify_one();
  if (thread_.joinable()) thread_.join();
}

bool PastReader::is_appended_to() { return std::exchange(head_, log_.head()) != log_.head(); }

void PastReader::run() {
  // Of this thread alone, as Linux has it; where it is refused, all threads are equal.
  (void)::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), kNice);
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
    if (stopping_) return;
    const auto client = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    const auto before = cpu_time();
    if (const auto alive = client.lock()) alive->make_page();
    const auto worked = cpu_time() - before;
    const bool yield = is_appended_to();
    lock.lock();
    if (yield)
      changed_.wait_for(lock, std::min<std::chrono::nanoseconds>(kRests * worked, kLongestRest),
                        [this] { return stopping_; });
  }
}

}  // namespace mlforge::gateway
