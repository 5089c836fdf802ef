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

// A ring of outcomes in the order of their positions, and a table of buckets into it, each a cache
// line: a look-up that finds nothing, which is what nearly all do, touches one of them. Nothing is
// taken out of the table: an entry that has left the ring gives its slot to the next that wants it.
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

  // The answer has `duplicate` set. Any thread; with the hash only the writer's, the only one that
  // changes the window and so needs no lock to read it.
  std::optional<Appended> find(StreamName command) const;
  std::optional<Appended> find(StreamName command, std::uint32_t hash) const;

  // Adds outcomes in the order of their positions and forgets those that `head` has moved out of
  // the window. The writer's thread.
  void add(std::span<const Outcome> outcomes, Position head);

 private:
  struct Entry {
    std::string text;  // tenant and id; its memory is used again when the ring comes round
    std::size_t tenant_bytes = 0;
    Appended appended;
  };
  // Entries are counted from 1 on, the slots keep the low half of the count.
  struct Slot {
    std::uint32_t hash = 0, number = 0;
  };
  static constexpr std::size_t kSlots = 7;
  struct alignas(64) Bucket {
    Slot slots[kSlots];
    std::uint32_t passed_on = 0;  // the last entry that found no slot here and went to the next
  };

  static bool is_outside(const Appended& appended, Position head) {
    return appended.last + Log::command_window() <= head;
  }
  bool is_live(std::uint32_t number) const {
    return number - static_cast<std::uint32_t>(begin_) < end_ - begin_;
  }
  const Entry* find_entry(StreamName command, std::uint32_t hash) const;
  void insert(const Outcome& outcome);
  void note(std::uint32_t hash, std::uint32_t number);

  mutable std::mutex mutex_;
  std::vector<Entry> ring_;
  std::uint64_t begin_ = 1, end_ = 1;  // the entries in use
  std::vector<Bucket> buckets_;
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
