// Reads the past for those who watch the log from an earlier position, so that neither the server's
// thread nor the writer waits for them.
#pragma once
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "storage/log.hpp"

namespace mlforge::gateway {

// Makes pages on a thread of its own, one after the other for all who ask, in turn. While events
// are being appended it rests nine times as long as it works, and the thread has a lower priority:
// the past comes later then, never the present.
class PastReader {
 public:
  // Who asks: make_page() is called once for each ask, on the reader's thread.
  class Client {
   public:
    virtual ~Client() = default;
    virtual void make_page() = 0;
  };

  // `log` outlives it.
  explicit PastReader(const storage::Log& log);
  ~PastReader() { stop(); }

  // Any thread. A client that is gone when its turn comes is passed over.
  void ask(std::weak_ptr<Client> client);
  // Ends the thread; who waits is not answered any more. Any thread.
  void stop();

 private:
  void run();
  bool is_appended_to();

  const storage::Log& log_;
  Position head_ = 0;  // as it was at the last page
  std::mutex mutex_;   // guards what follows
  std::condition_variable changed_;
  std::deque<std::weak_ptr<Client>> waiting_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace mlforge::gateway
