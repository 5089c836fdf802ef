#include "gateway/http/mailbox.hpp"

#include "gateway/http/connection.hpp"
#include "gateway/http/logging.hpp"

namespace mlforge::http {

namespace {

// So many that the locks do not matter, so few that the first need not wait for the last.
constexpr std::size_t kGathered = 32;

}  // namespace

thread_local Mailbox* Mailbox::current_ = nullptr;
thread_local Mailbox::Gather* Mailbox::gathering_ = nullptr;

void Mailbox::Gather::add(Mailbox& box, Letter letter) {
  if (box_ != &box) hand_over();
  box_ = &box;
  letters_.push_back(std::move(letter));
  if (letters_.size() >= kGathered) hand_over();
}

void Mailbox::Gather::hand_over() {
  if (letters_.empty()) return;
  box_->push_all(std::exchange(letters_, {}));
}

void Mailbox::push_answer(Answer answer) {
  if (gathering_)
    gathering_->add(*this, std::move(answer));
  else
    push(std::move(answer));
}

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

// Only the server's own thread closes the mailbox, so the context can be looked at without the
// lock.
bool Mailbox::at_end_of_turn(Task task) {
  if (!current_ || !current_->context_) return false;
  boost::asio::post(*current_->context_, std::move(task));
  return true;
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
      logging::error("a task on the server's thread failed: {}", failure.what());
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
