#include "storage/digest.hpp"

#define OPENSSL_SUPPRESS_DEPRECATED  // by 3.0 in favour of EVP
#include <openssl/sha.h>

#include <cstdlib>
#include <new>

namespace mlforge::storage {
namespace {

SHA256_CTX* sha(std::array<std::uint8_t, 112>& context) {
  static_assert(sizeof(SHA256_CTX) <= sizeof context && alignof(SHA256_CTX) <= 8);
  return std::launder(reinterpret_cast<SHA256_CTX*>(context.data()));
}

// A process without SHA-256 can neither write nor prove anything, so a failure here ends it.
void require(bool ok) {
  if (!ok) std::abort();
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

}  // namespace

std::string to_string(const Digest& digest) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  out.reserve(64);
  for (const std::uint8_t byte : digest.bytes) {
    out += kHex[byte >> 4];
    out += kHex[byte & 15];
  }
  return out;
}

std::optional<Digest> parse_digest(std::string_view hex) {
  if (hex.size() != 64) return std::nullopt;
  Digest digest;
  for (std::size_t i = 0; i < 32; ++i) {
    const int high = hex_value(hex[2 * i]), low = hex_value(hex[2 * i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    digest.bytes[i] = static_cast<std::uint8_t>(high << 4 | low);
  }
  return digest;
}

Sha256::Sha256() {
  new (context_.data()) SHA256_CTX;
  require(SHA256_Init(sha(context_)) == 1);
}

void Sha256::update(Bytes bytes) {
  require(SHA256_Update(sha(context_), bytes.data(), bytes.size()) == 1);
}

Digest Sha256::finish() {
  Digest digest;
  require(SHA256_Final(digest.bytes.data(), sha(context_)) == 1);
  require(SHA256_Init(sha(context_)) == 1);
  return digest;
}

Digest sha256(Bytes bytes) {
  Sha256 hash;
  hash.update(bytes);
  return hash.finish();
}

}  // namespace mlforge::storage
