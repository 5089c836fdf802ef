// Looking at text eight bytes at a time.
#pragma once
#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace mlforge {

static_assert(std::endian::native == std::endian::little);

template <class T>
std::uint64_t load_word(const char* at) {
  T word;
  std::memcpy(&word, at, sizeof word);
  return word;
}

// All bytes of a text of up to seven, some of them perhaps twice, and blanks.
inline std::uint64_t word_of_short(std::string_view text) {
  const char* const end = text.data() + text.size();
  if (text.size() >= 4)
    return load_word<std::uint32_t>(text.data()) | load_word<std::uint32_t>(end - 4) << 32;
  constexpr std::uint64_t kBlanks = 0x2020202020202020;
  if (text.size() >= 2)
    return (kBlanks << 32) | load_word<std::uint16_t>(text.data()) |
           load_word<std::uint16_t>(end - 2) << 16;
  return text.empty() ? kBlanks : (kBlanks << 8) | load_word<std::uint8_t>(text.data());
}

// How many bytes both begin with.
inline std::size_t common_start(std::string_view a, std::string_view b) {
  const std::size_t most = std::min(a.size(), b.size());
  std::size_t at = 0;
  for (; at + 8 <= most; at += 8)
    if (const auto other =
            load_word<std::uint64_t>(a.data() + at) ^ load_word<std::uint64_t>(b.data() + at))
      return at + static_cast<std::size_t>(std::countr_zero(other)) / 8;
  while (at < most && a[at] == b[at]) ++at;
  return at;
}

}  // namespace mlforge
