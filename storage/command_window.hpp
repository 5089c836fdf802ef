// The outcomes of the commands among the last events, so that a command that is sent again is not
// done again.
#pragma once
#include <deque>
#include <mutex>
#include <optional>
#include <span>
#include <unordered_map>

#include "storage/log.hpp"
#include "storage/stream_key.hpp"

namespace mlforge::storage {

class CommandWindow {
 public:
  struct Outcome {
    StreamName command;  // tenant and command id
    Appended appended;
  };

  // Any thread. The answer has `duplicate` set.
  std::optional<Appended> find(StreamName command) const;

  // Adds outcomes in the order of their positions and forgets those that `head` has moved out of
  // the window. The writer's thread.
  void add(std::span<const Outcome> outcomes, Position head);

 private:
  using Table = std::unordered_map<StreamKey, Appended, StreamKeyHash, StreamKeyEqual>;
  mutable std::mutex mutex_;
  Table table_;
  std::deque<const Table::value_type*> order_;  // the oldest first
};

// Collects the outcomes again from events that are read in order (when a log is opened).
class OutcomeCollector {
 public:
  explicit OutcomeCollector(CommandWindow& window) : window_(window) {}
  void event(const EventView& event);
  void finish(Position head);

 private:
  void flush(Position head);
  CommandWindow& window_;
  std::string tenant_, command_id_;
  Appended appended_;
};

}  // namespace mlforge::storage
