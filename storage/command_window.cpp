#include "storage/command_window.hpp"

namespace mlforge::storage {
namespace {

// Every outcome in the window has an event of its own in it, so the ring cannot run over; the table
// is at most half full.
constexpr std::size_t kRing = Log::command_window();
constexpr std::size_t kSlots = 2 * kRing;
static_assert((kSlots & (kSlots - 1)) == 0);

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

CommandWindow::CommandWindow() : slots_(kSlots) {}

// The slot of the command, or the free one where it would go.
std::size_t CommandWindow::find_slot(StreamName command, std::uint32_t hash) const {
  std::size_t at = hash % kSlots;
  for (; slots_[at].entry != 0; at = (at + 1) % kSlots) {
    if (slots_[at].hash != hash) continue;
    const Entry& entry = ring_[slots_[at].entry - 1];
    const std::string_view text = entry.text;
    if (text.substr(0, entry.tenant_bytes) == command.tenant &&
        bare_command_id(text.substr(entry.tenant_bytes)) == bare_command_id(command.name))
      break;
  }
  return at;
}

void CommandWindow::prefetch(std::uint32_t hash) const {
  __builtin_prefetch(&slots_[hash % kSlots]);
}

std::optional<Appended> CommandWindow::find(StreamName command, std::uint32_t hash) const {
  const std::lock_guard lock(mutex_);
  const Slot& slot = slots_[find_slot(command, hash)];
  if (slot.entry == 0) return std::nullopt;
  const Entry& entry = ring_[slot.entry - 1];
  Appended outcome = entry.appended;
  outcome.duplicate = true;
  outcome.other_request = std::string_view(entry.text).substr(entry.tenant_bytes) != command.name;
  return outcome;
}

void CommandWindow::add(std::span<const Outcome> outcomes, Position head) {
  const std::lock_guard lock(mutex_);
  while (begin_ < end_ && is_outside(ring_[begin_ % kRing].appended, head)) {
    if (begin_ + kAhead < end_) prefetch(ring_[(begin_ + kAhead) % kRing].hash);
    remove_oldest();
  }
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    if (i + kAhead < outcomes.size()) prefetch(outcomes[i + kAhead].hash);
    if (!is_outside(outcomes[i].appended, head)) insert(outcomes[i]);
  }
}

void CommandWindow::insert(const Outcome& outcome) {
  const std::uint32_t hash = outcome.hash;
  Slot& slot = slots_[find_slot(outcome.command, hash)];
  if (slot.entry != 0) return;
  const std::size_t index = end_++ % kRing;
  if (index == ring_.size()) ring_.emplace_back();
  Entry& entry = ring_[index];
  entry.text.assign(outcome.command.tenant).append(outcome.command.name);
  entry.tenant_bytes = outcome.command.tenant.size();
  entry.appended = outcome.appended;
  entry.hash = hash;
  slot = {hash, static_cast<std::uint32_t>(index + 1)};
}

// Knuth, The Art of Computer Programming, volume 3, section 6.4, algorithm R: no tombstones.
void CommandWindow::remove_oldest() {
  const std::size_t index = begin_++ % kRing;
  std::size_t hole = ring_[index].hash % kSlots;
  while (slots_[hole].entry != index + 1) hole = (hole + 1) % kSlots;
  for (std::size_t at = (hole + 1) % kSlots; slots_[at].entry != 0; at = (at + 1) % kSlots) {
    const std::size_t home = slots_[at].hash % kSlots;
    if ((at - home) % kSlots < (at - hole) % kSlots) continue;
    slots_[hole] = slots_[at];
    hole = at;
  }
  slots_[hole] = Slot{};
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
