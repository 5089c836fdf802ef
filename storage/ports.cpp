// The system's clock and ids, and their seeded twins.
#include <openssl/rand.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <random>

#include "storage/log.hpp"

namespace mlforge::storage {
namespace {

struct SystemClock final : Clock {
  TimeUs now() override {
    using namespace std::chrono;
    return duration_cast<microseconds>(system_clock::now().time_since_epoch()).count();
  }
};

// Random bytes in blocks: one call into the generator a block.
class RandomBlock {
 public:
  void take(std::span<std::uint8_t> out) {
    while (!out.empty()) {
      if (used_ == sizeof block_) refill();
      const std::size_t n = std::min(out.size(), sizeof block_ - used_);
      std::memcpy(out.data(), block_ + used_, n);
      std::memset(block_ + used_, 0, n);
      used_ += n;
      out = out.subspan(n);
    }
  }

 private:
  void refill() {
    if (RAND_bytes(block_, sizeof block_) != 1) std::abort();  // without randomness no salt hides
    used_ = 0;
  }
  std::uint8_t block_[4096];
  std::size_t used_ = sizeof block_;
};

class SeededBytes {
 public:
  explicit SeededBytes(std::uint64_t seed) : engine_(seed) {}
  void take(std::span<std::uint8_t> out) {
    for (std::uint8_t& byte : out) byte = static_cast<std::uint8_t>(engine_() >> 32);
  }

 private:
  std::mt19937_64 engine_;
};

// UUIDv7 (RFC 9562, section 6.2, method 1): 48 bits of milliseconds, then a 26-bit counter that
// starts at random in its lower half every millisecond, then 48 random bits. Ascending even when
// the clock goes back.
template <class Random>
class Uuid7Source final : public IdSource {
 public:
  template <class... Args>
  explicit Uuid7Source(Args... args) : random_(args...) {}

  Uuid next(TimeUs now) override {
    const std::lock_guard lock(mutex_);
    const auto ms = static_cast<std::uint64_t>(std::max<TimeUs>(now / 1000, 0));
    std::uint8_t random[10];
    random_.take(random);
    if (ms > last_ms_) {
      start_millisecond(ms, random);
    } else if (++counter_ >= kCounterEnd) {
      start_millisecond(last_ms_ + 1, random);
    }
    return make(random + 4);
  }

  void salt(std::span<std::uint8_t> out) override {
    const std::lock_guard lock(mutex_);
    random_.take(out);
  }

 private:
  static constexpr std::uint32_t kCounterEnd = 1u << 26;

  void start_millisecond(std::uint64_t ms, const std::uint8_t* random) {
    last_ms_ = ms;
    std::memcpy(&counter_, random, 4);
    counter_ &= kCounterEnd / 2 - 1;
  }

  Uuid make(const std::uint8_t* random) const {
    Uuid id;
    for (int i = 0; i < 6; ++i) id.bytes[i] = static_cast<std::uint8_t>(last_ms_ >> (40 - 8 * i));
    id.bytes[6] = static_cast<std::uint8_t>(0x70 | counter_ >> 22);
    id.bytes[7] = static_cast<std::uint8_t>(counter_ >> 14);
    id.bytes[8] = static_cast<std::uint8_t>(0x80 | (counter_ >> 8 & 0x3f));
    id.bytes[9] = static_cast<std::uint8_t>(counter_);
    std::memcpy(id.bytes.data() + 10, random, 6);
    return id;
  }

  std::mutex mutex_;
  Random random_;
  std::uint64_t last_ms_ = 0;
  std::uint32_t counter_ = 0;
};

}  // namespace

std::shared_ptr<Clock> system_clock() { return std::make_shared<SystemClock>(); }

std::shared_ptr<IdSource> system_ids() { return std::make_shared<Uuid7Source<RandomBlock>>(); }

std::shared_ptr<IdSource> seeded_ids(std::uint64_t seed) {
  return std::make_shared<Uuid7Source<SeededBytes>>(seed);
}

}  // namespace mlforge::storage
