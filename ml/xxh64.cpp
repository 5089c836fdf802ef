#include "ml/xxh64.hpp"

#include <array>
#include <bit>

namespace mlforge::ml {
namespace {

constexpr std::uint64_t kPrime1 = 0x9E3779B185EBCA87ULL;
constexpr std::uint64_t kPrime2 = 0xC2B2AE3D27D4EB4FULL;
constexpr std::uint64_t kPrime3 = 0x165667B19E3779F9ULL;
constexpr std::uint64_t kPrime4 = 0x85EBCA77C2B2AE63ULL;
constexpr std::uint64_t kPrime5 = 0x27D4EB2F165667C5ULL;

// Little-endian by specification; compilers turn the loop into one load.
template <int N>
std::uint64_t read_le(const char* p) {
  std::uint64_t v = 0;
  for (int i = 0; i < N; ++i)
    v |= static_cast<std::uint64_t>(static_cast<unsigned char>(p[i])) << (8 * i);
  return v;
}

std::uint64_t round_of(std::uint64_t acc, std::uint64_t lane) {
  return std::rotl(acc + lane * kPrime2, 31) * kPrime1;
}

std::uint64_t merge(std::uint64_t acc, std::uint64_t lane_acc) {
  return (acc ^ round_of(0, lane_acc)) * kPrime1 + kPrime4;
}

std::uint64_t stripes(const char*& p, const char* end, std::uint64_t seed) {
  std::array<std::uint64_t, 4> acc{seed + kPrime1 + kPrime2, seed + kPrime2, seed, seed - kPrime1};
  for (; end - p >= 32; p += 32)
    for (int i = 0; i < 4; ++i) acc[i] = round_of(acc[i], read_le<8>(p + 8 * i));
  std::uint64_t h =
      std::rotl(acc[0], 1) + std::rotl(acc[1], 7) + std::rotl(acc[2], 12) + std::rotl(acc[3], 18);
  for (const auto a : acc) h = merge(h, a);
  return h;
}

}  // namespace

std::uint64_t xxh64(std::string_view bytes, std::uint64_t seed) {
  const char* p = bytes.data();
  const char* const end = p + bytes.size();
  std::uint64_t h = bytes.size() >= 32 ? stripes(p, end, seed) : seed + kPrime5;
  h += bytes.size();
  for (; end - p >= 8; p += 8)
    h = std::rotl(h ^ round_of(0, read_le<8>(p)), 27) * kPrime1 + kPrime4;
  if (end - p >= 4) {
    h = std::rotl(h ^ (read_le<4>(p) * kPrime1), 23) * kPrime2 + kPrime3;
    p += 4;
  }
  for (; p != end; ++p) h = std::rotl(h ^ (read_le<1>(p) * kPrime5), 11) * kPrime1;
  h = (h ^ (h >> 33)) * kPrime2;
  h = (h ^ (h >> 29)) * kPrime3;
  return h ^ (h >> 32);
}

}  // namespace mlforge::ml
