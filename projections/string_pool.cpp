#include "projections/string_pool.hpp"

#include <functional>

namespace mlforge::projections {

std::size_t StringPool::slot_of(std::string_view text) const {
  const std::size_t mask = slots_.size() - 1;
  std::size_t slot = std::hash<std::string_view>{}(text)&mask;
  while (slots_[slot] != 0 && at(slots_[slot] - 1) != text) slot = (slot + 1) & mask;
  return slot;
}

std::optional<std::uint32_t> StringPool::find(std::string_view text) const {
  if (slots_.empty()) return std::nullopt;
  const auto found = slots_[slot_of(text)];
  return found == 0 ? std::nullopt : std::optional(found - 1);
}

std::uint32_t StringPool::add(std::string_view text) {
  if (ends_.size() * 2 >= slots_.size()) grow();
  auto& slot = slots_[slot_of(text)];
  if (slot == 0) {
    bytes_.append(text);
    ends_.push_back(bytes_.size());
    slot = static_cast<std::uint32_t>(ends_.size());
  }
  return slot - 1;
}

void StringPool::grow() {
  slots_.assign(slots_.empty() ? 16 : slots_.size() * 2, 0);
  for (std::uint32_t i = 0; i < ends_.size(); ++i) slots_[slot_of(at(i))] = i + 1;
}

}  // namespace mlforge::projections
