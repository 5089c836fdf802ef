#include "gateway/http/mailbox.hpp"

#include <spdlog/spdlog.h>

#include "gateway/http/connection.hpp"

namespace mlforge::http {

thread_local const Mailbox* Mailbox::current_ = nullptr;

void Mailbox::push(Letter letter) {
  std::lock_guard lock(mutex_);
  if (!context_) return;
  letters_.push_back(std::move(letter));
  if (letters_.size() == 1) boost::asio::post(*context_, [this] { deliver(); });
}

void Mailbox::push_all(std::vector<Letter> letters) {
  if (letters.empty()) return;
  std::lock_guard lock(mutex_);
  if (!context_) return;
  const bool wake = letters_.empty();
  std::move(letters.begin(), letters.end(), std::back_inserter(letters_));
  if (wake) boost::asio::post(*context_, [this] { deliver(); });
}

void Mailbox::deliver() {
  {
    std::lock_guard lock(mutex_);
    delivering_.swap(letters_);
  }
  for (auto& letter : delivering_) {
    try {
      if (auto* answer = std::get_if<Answer>(&letter))
        answer->connection->finish(std::move(answer->response));
      else
        std::get<Task>(letter)();
    } catch (const std::exception& failure) {  // one task's failure is not the others'
      spdlog::error("a task on the server's thread failed: {}", failure.what());
    }
  }
  delivering_.clear();
}

void Mailbox::close() {
  std::vector<Letter> rest;
  std::lock_guard lock(mutex_);
  context_ = nullptr;
  rest.swap(letters_);
}

}  // namespace mlforge::http
