// How other threads reach the server's thread: answers and tasks are queued under one lock, and
// however many are queued before the server looks, it is woken once.
#pragma once
#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <mutex>
#include <utility>
#include <variant>
#include <vector>

#include "gateway/http/reply.hpp"

namespace boost::asio {
class io_context;
}

namespace mlforge::http {

class Connection;
void intrusive_ptr_add_ref(Connection* c) noexcept;
void intrusive_ptr_release(Connection* c) noexcept;
using ConnectionRef = boost::intrusive_ptr<Connection>;

class Mailbox {
 public:
  struct Answer {
    ConnectionRef connection;
    Response response;
  };
  using Task = std::function<void()>;
  using Letter = std::variant<Answer, Task>;

  explicit Mailbox(boost::asio::io_context& context) : context_(&context) {}

  // Any thread. After close() a letter is destroyed at once, on the caller's thread.
  void push(Letter letter);
  void push_all(std::vector<Letter> letters);

  // The server's thread.
  void deliver();
  void close();
  bool on_server_thread() const { return current_ == this; }
  // On a server's thread: calls `task` there after what is ready now, the requests that have come
  // among it. Answers false, having done nothing, on another thread and after close().
  static bool at_end_of_turn(Task task);

  // While one lives, the answers that its thread gives to requests are handed over some at a time,
  // so that the server's thread is not woken for each.
  class Gather {
   public:
    Gather() : before_(std::exchange(gathering_, this)) {}
    ~Gather() {
      gathering_ = before_;
      hand_over();
    }
    Gather(const Gather&) = delete;
    Gather& operator=(const Gather&) = delete;

   private:
    friend class Mailbox;
    void add(Mailbox& box, Letter letter);
    void hand_over();

    Gather* before_;
    Mailbox* box_ = nullptr;  // of letters_, which keep it alive
    std::vector<Letter> letters_;
  };
  // As push(), through the thread's Gather where it has one.
  void push_answer(Answer answer);

  // Marks the calling thread as the server's for the lifetime of the scope.
  class Scope {
   public:
    explicit Scope(Mailbox& box) : before_(current_) { current_ = &box; }
    ~Scope() { current_ = before_; }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    Mailbox* before_;
  };

 private:
  static thread_local Mailbox* current_;
  static thread_local Gather* gathering_;

  std::mutex mutex_;
  boost::asio::io_context* context_;  // null once closed
  std::vector<Letter> letters_;
  std::vector<Letter> delivering_;  // the server's thread only; keeps its capacity
};

}  // namespace mlforge::http
