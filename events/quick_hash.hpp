// A hash of bytes for tables in memory, several times faster than std::hash on short names. Not
// kept anywhere, not for what an attacker may choose freely at length.
#pragma once
#include <cstdint>
#include <cstring>
#include <string_view>

namespace mlforge {

// Folded multiplication of 8 bytes with 8 bytes, the idea of W. Yi's wyhash (2019). Every bit of
// the answer depends on every byte and on `seed`.
inline std::uint64_t quick_hash(std::string_view text, std::uint64_t seed = 0) {
  using Word = std::uint64_t;
  constexpr Word kA = 0x9E3779B97F4A7C15u, kB = 0xD1B54A32D192ED03u;
  const auto fold = [](Word a, Word b) {
    __extension__ using Wide = unsigned __int128;
    const Wide product = Wide{a} * b;
    return static_cast<Word>(product) ^ static_cast<Word>(product >> 64);
  };
  const auto load = [](const char* at, std::size_t bytes) {
    Word word = 0;
    std::memcpy(&word, at, bytes);
    return word;
  };
  const char* at = text.data();
  std::size_t left = text.size();
  Word hash = (seed + 1) * kA;
  for (; left > 16; at += 16, left -= 16) hash = fold(load(at, 8) ^ kB, load(at + 8, 8) ^ hash);
  Word first = 0, last = 0;  // the rest; they overlap
  if (left >= 8) {
    first = load(at, 8);
    last = load(at + left - 8, 8);
  } else if (left >= 4) {
    first = load(at, 4);
    last = load(at + left - 4, 4);
  } else if (left > 0) {
    first = static_cast<unsigned char>(at[0]);
    last = Word{static_cast<unsigned char>(at[left / 2])} << 8 |
           static_cast<unsigned char>(at[left - 1]);
  }
  return fold(fold(first ^ kB, last ^ hash), kA ^ text.size());
}

}  // namespace mlforge
