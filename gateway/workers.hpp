// The threads for what would block the server's: hashing, syncing blobs, reading models.
#pragma once
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>

namespace mlforge::gateway {

class Workers {
 public:
  explicit Workers(std::size_t threads);
  ~Workers();  // stop() and join()

  // Any thread. After stop() nothing that has not begun is run.
  void post(std::function<void()> work);
  // The same when `delay` is over; no thread waits meanwhile.
  void post_after(std::chrono::milliseconds delay, std::function<void()> work);
  void stop();

  // Waits for what has begun. Not from a worker's thread.
  void join();

 private:
  struct Pool;
  const std::unique_ptr<Pool> pool_;
};

}  // namespace mlforge::gateway
