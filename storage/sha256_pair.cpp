// SHA-256 (FIPS 180-4) of two messages at a time with the SHA extensions of x86-64: one message
// leaves half of the unit idle, because each round waits for the one before. OpenSSL, which hashes
// everything else here, has no public call for that.
#include <cstring>

#include "storage/digest.hpp"
#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

namespace mlforge::storage {
namespace {

void pair_one_by_one(Bytes a, Bytes b, Digest& of_a, Digest& of_b) {
  of_a = sha256(a);
  of_b = sha256(b);
}

#if defined(__x86_64__)

constexpr std::size_t kBlock = 64;

alignas(64) constexpr std::uint32_t kRounds[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

// The blocks of a message: those that lie in it, then one or two with the padding and the length.
class Blocks {
 public:
  explicit Blocks(Bytes message) : at_(message.data()), whole_(message.size() / kBlock) {
    const std::size_t rest = message.size() % kBlock;
    tail_blocks_ = rest + 9 <= kBlock ? 1 : 2;
    std::memset(tail_, 0, sizeof tail_);
    if (rest > 0) std::memcpy(tail_, at_ + whole_ * kBlock, rest);
    tail_[rest] = 0x80;
    const std::uint64_t bits = std::uint64_t{message.size()} * 8;
    for (std::size_t i = 0; i < 8; ++i)
      tail_[tail_blocks_ * kBlock - 1 - i] = static_cast<std::uint8_t>(bits >> (8 * i));
  }
  std::size_t left() const { return whole_ + tail_blocks_ - done_; }
  const std::uint8_t* next() {
    const std::size_t n = done_++;
    return n < whole_ ? at_ + n * kBlock : tail_ + (n - whole_) * kBlock;
  }

 private:
  const std::uint8_t* at_;
  std::size_t whole_, tail_blocks_, done_ = 0;
  std::uint8_t tail_[2 * kBlock];
};

// The eight words of the state in the order that the instructions want.
struct Lane {
  __m128i abef, cdgh;
};

#define MLFORGE_SHA __attribute__((target("sha,sse4.1")))

MLFORGE_SHA inline Lane first_state() {
  return {_mm_set_epi32(0x6a09e667, static_cast<int>(0xbb67ae85), 0x510e527f,
                        static_cast<int>(0x9b05688c)),
          _mm_set_epi32(0x3c6ef372, static_cast<int>(0xa54ff53a), 0x1f83d9ab, 0x5be0cd19)};
}

// The last sixteen words of a message's schedule, four to a register.
struct Schedule {
  __m128i words[4];
};

MLFORGE_SHA inline void load(const std::uint8_t* block, Schedule& schedule) {
  const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
  const auto* at = reinterpret_cast<const __m128i*>(block);
  schedule.words[0] = _mm_shuffle_epi8(_mm_loadu_si128(at), swap);
  schedule.words[1] = _mm_shuffle_epi8(_mm_loadu_si128(at + 1), swap);
  schedule.words[2] = _mm_shuffle_epi8(_mm_loadu_si128(at + 2), swap);
  schedule.words[3] = _mm_shuffle_epi8(_mm_loadu_si128(at + 3), swap);
}

// Rounds 4 I to 4 I + 3, and the words that the rounds sixteen later take.
template <int I>
MLFORGE_SHA inline __attribute__((always_inline)) void four_rounds(Lane& lane, Schedule& schedule) {
  auto& [words] = schedule;
  __m128i sum =
      _mm_add_epi32(words[I % 4], _mm_load_si128(reinterpret_cast<const __m128i*>(kRounds) + I));
  lane.cdgh = _mm_sha256rnds2_epu32(lane.cdgh, lane.abef, sum);
  sum = _mm_shuffle_epi32(sum, 0x0e);
  lane.abef = _mm_sha256rnds2_epu32(lane.abef, lane.cdgh, sum);
  if constexpr (I < 12) {
    const __m128i seven_before = _mm_alignr_epi8(words[(I + 3) % 4], words[(I + 2) % 4], 4);
    const __m128i partly =
        _mm_add_epi32(_mm_sha256msg1_epu32(words[I % 4], words[(I + 1) % 4]), seven_before);
    words[I % 4] = _mm_sha256msg2_epu32(partly, words[(I + 3) % 4]);
  }
}

template <int I = 0>
MLFORGE_SHA inline __attribute__((always_inline)) void all_rounds(Lane& a, Schedule& of_a, Lane& b,
                                                                  Schedule& of_b) {
  four_rounds<I>(a, of_a);
  four_rounds<I>(b, of_b);
  if constexpr (I < 15) all_rounds<I + 1>(a, of_a, b, of_b);
}

template <int I = 0>
MLFORGE_SHA inline __attribute__((always_inline)) void all_rounds(Lane& a, Schedule& of_a) {
  four_rounds<I>(a, of_a);
  if constexpr (I < 15) all_rounds<I + 1>(a, of_a);
}

MLFORGE_SHA inline void add(Lane& lane, const Lane& before) {
  lane.abef = _mm_add_epi32(lane.abef, before.abef);
  lane.cdgh = _mm_add_epi32(lane.cdgh, before.cdgh);
}

MLFORGE_SHA void compress_two(Lane& a, const std::uint8_t* block_a, Lane& b,
                              const std::uint8_t* block_b) {
  Schedule of_a, of_b;
  load(block_a, of_a);
  load(block_b, of_b);
  Lane next_a = a, next_b = b;
  all_rounds(next_a, of_a, next_b, of_b);
  add(a, next_a);
  add(b, next_b);
}

MLFORGE_SHA void compress_one(Lane& lane, const std::uint8_t* block) {
  Schedule schedule;
  load(block, schedule);
  Lane next = lane;
  all_rounds(next, schedule);
  add(lane, next);
}

MLFORGE_SHA inline void store(const Lane& lane, Digest& digest) {
  std::uint32_t f_e_b_a[4], h_g_d_c[4];
  _mm_storeu_si128(reinterpret_cast<__m128i*>(f_e_b_a), lane.abef);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(h_g_d_c), lane.cdgh);
  const std::uint32_t words[8] = {f_e_b_a[3], f_e_b_a[2], h_g_d_c[3], h_g_d_c[2],
                                  f_e_b_a[1], f_e_b_a[0], h_g_d_c[1], h_g_d_c[0]};
  for (std::size_t i = 0; i < 8; ++i) {
    const std::uint32_t big_endian = __builtin_bswap32(words[i]);
    std::memcpy(digest.bytes.data() + 4 * i, &big_endian, 4);
  }
}

MLFORGE_SHA void pair_together(Bytes a, Bytes b, Digest& of_a, Digest& of_b) {
  Blocks blocks_a(a), blocks_b(b);
  Lane lane_a = first_state(), lane_b = first_state();
  while (blocks_a.left() > 0 && blocks_b.left() > 0)
    compress_two(lane_a, blocks_a.next(), lane_b, blocks_b.next());
  while (blocks_a.left() > 0) compress_one(lane_a, blocks_a.next());
  while (blocks_b.left() > 0) compress_one(lane_b, blocks_b.next());
  store(lane_a, of_a);
  store(lane_b, of_b);
}

bool has_sha_extensions() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  if (!__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx)) return false;
  constexpr unsigned kSha = 1u << 29;
  return (ebx & kSha) != 0 && __builtin_cpu_supports("sse4.1");
}

#endif

using Pair = void (*)(Bytes, Bytes, Digest&, Digest&);

Pair choose_pair() {
#if defined(__x86_64__)
  if (has_sha_extensions()) return pair_together;
#endif
  return pair_one_by_one;
}

}  // namespace

void sha256_pair(Bytes a, Bytes b, Digest& of_a, Digest& of_b) {
  static const Pair chosen = choose_pair();
  chosen(a, b, of_a, of_b);
}

}  // namespace mlforge::storage
