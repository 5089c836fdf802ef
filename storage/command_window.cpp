#include "storage/command_window.hpp"

namespace mlforge::storage {
namespace {

// Every outcome in the window has an event of its own in it, so the ring cannot run over; of the
// buckets' slots four sevenths are in use at most.
constexpr std::size_t kRing = Log::command_window();
constexpr std::size_t kBuckets = kRing / 4;
static_assert((kRing & (kRing - 1)) == 0);

constexpr std::size_t kFingerprintBytes = 16;

}  // namespace

std::string_view bare_command_id(std::string_view id) {
  if (id.size() <= kFingerprintBytes + 1 || id[id.size() - kFingerprintBytes - 1] != '#') return id;
  const auto digits = id.substr(id.size() - kFingerprintBytes);
  if (digits.find_first_not_of("0123456789abcdef") != digits.npos) return id;
  return id.substr(0, id.size() - kFingerprintBytes - 1);
}

std::uint32_t CommandWindow::hash(StreamName command) {
  const std::size_t hash = StreamKeyHash()({command.tenant, bare_command_id(command.name)});
  return static_cast<std::uint32_t>(hash ^ hash >> 32);
}

CommandWindow::CommandWindow() : buckets_(kBuckets) {}

const CommandWindow::Entry* CommandWindow::find_entry(StreamName command,
                                                      std::uint32_t hash) const {
  for (std::size_t at = hash % kBuckets;; at = (at + 1) % kBuckets) {
    const Bucket& bucket = buckets_[at];
    for (const Slot slot : bucket.slots) {
      if (slot.hash != hash || !is_live(slot.number)) continue;
      const Entry& entry = ring_[slot.number % kRing];
      const std::string_view text = entry.text;
      if (text.substr(0, entry.tenant_bytes) == command.tenant &&
          bare_command_id(text.substr(entry.tenant_bytes)) == bare_command_id(command.name))
        return &entry;
    }
    if (!is_live(bucket.passed_on)) return nullptr;
  }
}

void CommandWindow::prefetch(std::uint32_t hash) const {
  __builtin_prefetch(&buckets_[hash % kBuckets]);
}

std::optional<Appended> CommandWindow::find(StreamName command) const {
  const std::uint32_t of = hash(command);
  const std::lock_guard lock(mutex_);
  return find(command, of);
}

std::optional<Appended> CommandWindow::find(StreamName command, std::uint32_t hash) const {
  const Entry* entry = find_entry(command, hash);
  if (!entry) return std::nullopt;
  Appended outcome = entry->appended;
  outcome.duplicate = true;
  outcome.other_request = std::string_view(entry->text).substr(entry->tenant_bytes) != command.name;
  return outcome;
}

void CommandWindow::add(std::span<const Outcome> outcomes, Position head) {
  const std::lock_guard lock(mutex_);
  while (begin_ < end_ && is_outside(ring_[begin_ % kRing].appended, head)) ++begin_;
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    if (i + kAhead < outcomes.size()) prefetch(outcomes[i + kAhead].hash);
    if (!is_outside(outcomes[i].appended, head)) insert(outcomes[i]);
  }
}

void CommandWindow::insert(const Outcome& outcome) {
  if (find_entry(outcome.command, outcome.hash)) return;
  const std::size_t index = end_ % kRing;
  if (index >= ring_.size()) ring_.resize(index + 1);
  Entry& entry = ring_[index];
  entry.text.assign(outcome.command.tenant).append(outcome.command.name);
  entry.tenant_bytes = outcome.command.tenant.size();
  entry.appended = outcome.appended;
  note(outcome.hash, static_cast<std::uint32_t>(end_));
  ++end_;
}

// Into the first bucket with a slot that is free, or whose entry has left the ring. (A count comes
// round after four thousand million commands: a slot from before it may look live once more, but
// then what stands in the ring there is another command.)
void CommandWindow::note(std::uint32_t hash, std::uint32_t number) {
  for (std::size_t at = hash % kBuckets;; at = (at + 1) % kBuckets) {
    Bucket& bucket = buckets_[at];
    for (Slot& slot : bucket.slots)
      if (!is_live(slot.number)) {
        slot = {hash, number};
        return;
      }
    bucket.passed_on = number;
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
  const CommandWindow::Outcome outcome{
      {tenant_, command_id_}, appended_, CommandWindow::hash({tenant_, command_id_})};
  window_.add({&outcome, 1}, head);
  command_id_.clear();
}

}  // namespace mlforge::storage
