// Texts by number: each distinct text is kept once, and numbers are given in the order of arrival.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mlforge::projections {

// About 20 bytes a text beside the text itself, and no allocation per text. Nothing is ever taken
// out. One thread at a time.
class StringPool {
 public:
  std::size_t size() const { return ends_.size(); }
  // Valid until the next add().
  std::string_view at(std::uint32_t number) const {
    const std::size_t start = number == 0 ? 0 : ends_[number - 1];
    return std::string_view(bytes_).substr(start, ends_[number] - start);
  }
  std::optional<std::uint32_t> find(std::string_view text) const;
  // The number of the text, which is new where it was not known.
  std::uint32_t add(std::string_view text);
  // Memory, in bytes.
  std::size_t footprint() const {
    return bytes_.capacity() + ends_.capacity() * sizeof(std::size_t) + slots_.capacity() * 4;
  }

 private:
  // Where the text is, or the empty slot where it would go. There must be an empty one.
  std::size_t slot_of(std::string_view text) const;
  void grow();

  std::string bytes_;
  std::vector<std::size_t> ends_;
  std::vector<std::uint32_t> slots_;  // number + 1; 0: empty; open addressing, a power of two
};

}  // namespace mlforge::projections
