// Rows held in memory by key, made for few waits for memory where there are many rows.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <string_view>
#include <utility>
#include <vector>

#include "events/quick_hash.hpp"

namespace mlforge::projections {

// Open addressing with linear probing over 8-byte slots, at most half full; a row and its key are
// one piece of memory, which never moves until clear(). Rows are never taken out singly.
// One thread.
template <class R>
class RowTable {
 public:
  class Entry {
   public:
    R row;
    std::string_view key() const { return {reinterpret_cast<const char*>(this + 1), key_size_}; }

   private:
    friend RowTable;
    std::size_t key_size_ = 0;
  };

  RowTable() = default;
  RowTable(RowTable&& other) noexcept
      : slots_(std::move(other.slots_)),
        chunks_(std::move(other.chunks_)),
        size_(std::exchange(other.size_, 0)),
        free_(std::exchange(other.free_, kChunkUnits)) {}
  RowTable& operator=(RowTable&&) = delete;
  ~RowTable() { clear(); }

  static std::uint32_t hash(std::string_view key) {
    const std::uint64_t h = quick_hash(key);
    return static_cast<std::uint32_t>(h ^ (h >> 32));
  }

  std::size_t size() const { return size_; }

  // nullptr where there is none. `hash` is hash(key).
  Entry* find(std::string_view key, std::uint32_t hash) const {
    if (slots_.empty()) return nullptr;
    for (std::size_t i = hash & mask();; i = (i + 1) & mask()) {
      const Slot slot = slots_[i];
      if (slot.place == 0) return nullptr;
      if (slot.hash == hash && at(slot)->key() == key) return at(slot);
    }
  }

  // There must be none of this key yet.
  Entry& add(std::string_view key, std::uint32_t hash) {
    if (2 * (size_ + 1) > slots_.size()) grow();
    const Slot slot{hash, room_for(sizeof(Entry) + key.size())};
    Entry* entry = new (memory(slot)) Entry;
    entry->key_size_ = key.size();
    std::memcpy(static_cast<void*>(entry + 1), key.data(), key.size());
    insert(slot);
    ++size_;
    return *entry;
  }

  void clear() {
    for (const Slot& slot : slots_)
      if (slot.place != 0) at(slot)->~Entry();
    slots_.clear();
    chunks_.clear();
    size_ = 0;
    free_ = kChunkUnits;
  }

  // For many look-ups whose waits overlap: of all keys the first, then the second.
  void fetch_slot(std::uint32_t hash) const {
    if (!slots_.empty()) __builtin_prefetch(&slots_[hash & mask()]);
  }
  void fetch_entry(std::uint32_t hash) const {
    if (slots_.empty()) return;
    const Slot slot = slots_[hash & mask()];
    if (slot.place == 0) return;
    const auto* bytes = static_cast<const char*>(memory(slot));
    __builtin_prefetch(bytes);
    __builtin_prefetch(bytes + sizeof(Entry));
  }

 private:
  // Where an entry lies: its chunk from bit 16 on, and the units in front of it there.
  struct Slot {
    std::uint32_t hash = 0, place = 0;  // place 0: free
  };
  static constexpr std::size_t kUnit = alignof(std::max_align_t), kChunkUnits = 1u << 16;
  static_assert(alignof(Entry) <= kUnit);
  struct alignas(kUnit) Unit {
    std::byte bytes[kUnit];
  };

  std::size_t mask() const { return slots_.size() - 1; }
  void* memory(Slot slot) const { return &chunks_[slot.place >> 16][slot.place & 0xffff]; }
  Entry* at(Slot slot) const { return std::launder(static_cast<Entry*>(memory(slot))); }

  void insert(Slot slot) {
    std::size_t i = slot.hash & mask();
    while (slots_[i].place != 0) i = (i + 1) & mask();
    slots_[i] = slot;
  }

  void grow() {
    std::vector<Slot> former(std::max<std::size_t>(64, 2 * slots_.size()));
    former.swap(slots_);
    for (const Slot& slot : former)
      if (slot.place != 0) insert(slot);
  }

  // The first unit of all is never given away: its place is 0.
  std::uint32_t room_for(std::size_t bytes) {
    const std::size_t units = (bytes + kUnit - 1) / kUnit;
    if (free_ + units > kChunkUnits) {
      free_ = chunks_.empty() ? 1 : 0;
      chunks_.push_back(
          std::make_unique_for_overwrite<Unit[]>(std::max(free_ + units, kChunkUnits)));
    }
    const auto place = static_cast<std::uint32_t>(((chunks_.size() - 1) << 16) + free_);
    free_ = std::min(free_ + units, kChunkUnits);
    return place;
  }

  std::vector<Slot> slots_;
  std::vector<std::unique_ptr<Unit[]>> chunks_;
  std::size_t size_ = 0, free_ = kChunkUnits;
};

}  // namespace mlforge::projections
