// SHA-256 digests: the names of blobs and the leaves of the Merkle tree.
#pragma once
#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace mlforge::storage {

using Bytes = std::span<const std::uint8_t>;

inline Bytes as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
inline std::string_view as_text(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

struct Digest {
  std::array<std::uint8_t, 32> bytes{};
  auto operator<=>(const Digest&) const = default;
};

// 64 lower-case hexadecimal digits. parse_digest answers nothing for any other form.
std::string to_string(const Digest& digest);
std::optional<Digest> parse_digest(std::string_view hex);

Digest sha256(Bytes bytes);

// Two digests at once, in little more than the time of one where the processor has the SHA
// extensions and the messages are of about the same length. Any thread.
void sha256_pair(Bytes a, Bytes b, Digest& of_a, Digest& of_b);

// SHA-256 (FIPS 180-4) over bytes that arrive in pieces. OpenSSL's own functions rather than its
// EVP interface, which costs a short message more than the hashing. Not thread-safe; may be copied.
class Sha256 {
 public:
  Sha256();

  void update(Bytes bytes);
  // The digest of everything since the start or the last finish(); begins anew.
  Digest finish();

 private:
  alignas(8) std::array<std::uint8_t, 112> context_;  // SHA256_CTX
};

}  // namespace mlforge::storage
