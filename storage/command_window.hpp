// The outcomes of the commands among the last events, so that a command that is sent again is not
// done again.
#pragma once
#include <cstdint>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "storage/log.hpp"
#include "storage/stream_key.hpp"

namespace mlforge::storage {

// A ring of outcomes in the order of their positions, and a table of open addresses into it (linear
// probing, removal by shifting back): a look-up that finds nothing, which is what nearly all do,
// touches one cache line.
class CommandWindow {
 public:
  struct Outcome {
    StreamName command;  // tenant and command id
    Appended appended;
    std::uint32_t hash = 0;  // hash(command)
  };

  CommandWindow();

  // Of the id without its fingerprint. Whoever has it passes it on, for it is not cheap.
  static std::uint32_t hash(StreamName command);

  // Asks the processor to fetch what find() will look at, some commands ahead: it is anywhere, and
  // waiting for it is most of what a look-up costs. The writer's thread.
  void prefetch(std::uint32_t hash) const;
  static constexpr std::size_t kAhead = 8;

  // Any thread. The answer has `duplicate` set.
  std::optional<Appended> find(StreamName command) const { return find(command, hash(command)); }
  std::optional<Appended> find(StreamName command, std::uint32_t hash) const;

  // Adds outcomes in the order of their positions and forgets those that `head` has moved out of
  // the window. The writer's thread.
  void add(std::span<const Outcome> outcomes, Position head);

 private:
  struct Entry {
    std::string text;  // tenant and id; its memory is used again when the ring comes round
    std::size_t tenant_bytes = 0;
    Appended appended;
    std::uint32_t hash = 0;
  };
  struct Slot {
    std::uint32_t hash = 0;
    std::uint32_t entry = 0;  // index into the ring, plus one; 0: the slot is free
  };

  static bool is_outside(const Appended& appended, Position head) {
    return appended.last + Log::command_window() <= head;
  }
  std::size_t find_slot(StreamName command, std::uint32_t hash) const;
  void insert(const Outcome& outcome);
  void remove_oldest();

  mutable std::mutex mutex_;
  std::vector<Entry> ring_;
  std::uint64_t begin_ = 0, end_ = 0;  // the entries in use, counted from the first one ever
  std::vector<Slot> slots_;
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
