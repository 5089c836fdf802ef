#include "storage/command_window.hpp"

namespace mlforge::storage {

std::optional<Appended> CommandWindow::find(StreamName command) const {
  const std::lock_guard lock(mutex_);
  const auto found = table_.find(command);
  if (found == table_.end()) return std::nullopt;
  Appended outcome = found->second;
  outcome.duplicate = true;
  return outcome;
}

void CommandWindow::add(std::span<const Outcome> outcomes, Position head) {
  const std::lock_guard lock(mutex_);
  for (const Outcome& outcome : outcomes) {
    const auto [at, inserted] = table_.try_emplace(StreamKey(outcome.command), outcome.appended);
    if (inserted) order_.push_back(&*at);
  }
  while (!order_.empty() && order_.front()->second.last + Log::command_window() <= head) {
    const auto oldest = table_.find(order_.front()->first);
    order_.pop_front();
    table_.erase(oldest);
  }
}

void OutcomeCollector::event(const EventView& e) {
  if (!command_id_.empty() && e.command_id == command_id_ && e.tenant == tenant_) {
    appended_.last = e.position;
    return;
  }
  flush(e.position);
  tenant_ = e.tenant;
  command_id_ = e.command_id;
  appended_ = {e.position, e.position, false};
}

void OutcomeCollector::finish(Position head) { flush(head); }

void OutcomeCollector::flush(Position head) {
  if (command_id_.empty()) return;
  const CommandWindow::Outcome outcome{{tenant_, command_id_}, appended_};
  window_.add({&outcome, 1}, head);
  command_id_.clear();
}

}  // namespace mlforge::storage
