// Ed25519 (RFC 8032) through OpenSSL: the key that signs the log's checkpoints, and the text form
// that verifiers are given.
#pragma once
#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "events/error.hpp"
#include "storage/digest.hpp"

namespace mlforge::storage {

using PublicKey = std::array<std::uint8_t, 32>;

// Who signs: a name and a public key. Its text is the vkey of C2SP signed-note,
// "<name>+<8 hexadecimal digits>+<base64 of 0x01 and the key>".
struct VerifierKey {
  std::string name;
  PublicKey key{};

  // The first four bytes of SHA-256(name, newline, 0x01, key), big-endian.
  std::uint32_t hash() const;
  std::string id() const;  // the hash as 8 hexadecimal digits
  std::string text() const;
  // Any thread.
  bool verify(Bytes message, Bytes signature) const;
  bool operator==(const VerifierKey&) const = default;
};
// invalid_argument for a text of another form, or whose hash is not that of its name and key.
Expected<VerifierKey> parse_verifier_key(std::string_view text);
// Names are not empty and have neither blanks nor '+' nor control characters.
bool is_key_name(std::string_view name);

// A private key. Movable; sign() may be called from any thread.
class SigningKey {
 public:
  // A new one from the system's random numbers.
  static Expected<SigningKey> generate();
  // From a PEM file (PKCS #8): not_found where there is none.
  static Expected<SigningKey> load(const std::filesystem::path& file);
  // From 32 secret bytes, for tests.
  static Expected<SigningKey> from_secret(Bytes secret);

  // Writes the file with mode 0600; on disk when it returns. The folder must exist.
  Status store(const std::filesystem::path& file) const;
  const PublicKey& public_key() const { return public_key_; }
  std::vector<std::uint8_t> sign(Bytes message) const;

 private:
  struct Free {
    void operator()(void* key) const;
  };
  SigningKey() = default;
  static Expected<SigningKey> take(void* key);

  std::unique_ptr<void, Free> key_;  // EVP_PKEY
  PublicKey public_key_{};
};

}  // namespace mlforge::storage
