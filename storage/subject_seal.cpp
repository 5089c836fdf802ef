// The cryptography of sealed texts.
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <cstring>

#include "storage/subject_keys.hpp"

namespace mlforge::storage {
namespace {

using Mac = std::array<std::uint8_t, 32>;

struct FreeCipher {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
using Cipher = std::unique_ptr<EVP_CIPHER_CTX, FreeCipher>;

constexpr std::string_view kNoncePurpose = "mlforge sealed text v1 nonce";
constexpr std::string_view kPrintPurpose = "mlforge fingerprint v1";

Mac hmac(Bytes key, Bytes message) {
  Mac out{};
  unsigned length = out.size();
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), message.data(), message.size(),
       out.data(), &length);
  return out;
}

const std::uint8_t* bytes_of(std::string_view text) {
  return reinterpret_cast<const std::uint8_t*>(text.data());
}

std::string associated(const SealId& key_id, const SealId& context) {
  std::string out(kSealedPrefix);
  out.append(reinterpret_cast<const char*>(key_id.data()), key_id.size());
  out.append(reinterpret_cast<const char*>(context.data()), context.size());
  return out;
}

// Not random: a counter would have to be stored, and a draw would make every repetition another
// text.
std::string nonce_of(const SubjectKey& key, const SealId& context, std::string_view clear) {
  Mac derived = hmac(key.secret, as_bytes(kNoncePurpose));
  std::string message(reinterpret_cast<const char*>(context.data()), context.size());
  message.append(clear);
  const Mac mac = hmac(derived, as_bytes(message));
  OPENSSL_cleanse(derived.data(), derived.size());
  OPENSSL_cleanse(message.data(), message.size());
  return {reinterpret_cast<const char*>(mac.data()), kSealNonceBytes};
}

}  // namespace

SubjectKey::~SubjectKey() { OPENSSL_cleanse(secret.data(), secret.size()); }

std::string to_hex(const SealId& id) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  for (const auto byte : id) {
    out += kHex[byte >> 4];
    out += kHex[byte & 15];
  }
  return out;
}

SealId seal_context(std::string_view tenant, std::string_view stream, std::string_view field) {
  std::string text(tenant);
  text.append(1, '\0').append(stream).append(1, '\0').append(field);
  const Digest digest = sha256(as_bytes(text));
  SealId out;
  std::copy_n(digest.bytes.begin(), out.size(), out.begin());
  return out;
}

std::string seal(const SubjectKey& key, const SealId& context, std::string_view clear) {
  SealedText out{key.id, context, nonce_of(key, context, clear)};
  const std::string also = associated(key.id, context);
  const Cipher cipher(EVP_CIPHER_CTX_new());
  std::string text(clear.size(), '\0'), tag(kSealTagBytes, '\0');
  auto* to = reinterpret_cast<std::uint8_t*>(text.data());
  int length = 0;
  if (!cipher ||
      EVP_EncryptInit_ex(cipher.get(), EVP_aes_256_gcm(), nullptr, key.secret.data(),
                         bytes_of(out.box)) != 1 ||
      EVP_EncryptUpdate(cipher.get(), nullptr, &length, bytes_of(also),
                        static_cast<int>(also.size())) != 1 ||
      EVP_EncryptUpdate(cipher.get(), to, &length, bytes_of(clear),
                        static_cast<int>(clear.size())) != 1 ||
      EVP_EncryptFinal_ex(cipher.get(), to + length, &length) != 1 ||
      EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_GET_TAG, kSealTagBytes, tag.data()) != 1)
    return {};
  out.box += text + tag;
  return to_text(out);
}

std::optional<std::string> unseal(const SubjectKey& key, const SealedText& sealed) {
  if (sealed.key_id != key.id || sealed.box.size() < kSealNonceBytes + kSealTagBytes)
    return std::nullopt;
  const std::string also = associated(sealed.key_id, sealed.context);
  const std::size_t size = sealed.box.size() - kSealNonceBytes - kSealTagBytes;
  const auto* box = bytes_of(sealed.box);
  std::string tag = sealed.box.substr(kSealNonceBytes + size), clear(size, '\0');
  auto* to = reinterpret_cast<std::uint8_t*>(clear.data());
  const Cipher cipher(EVP_CIPHER_CTX_new());
  int length = 0;
  if (!cipher ||
      EVP_DecryptInit_ex(cipher.get(), EVP_aes_256_gcm(), nullptr, key.secret.data(), box) != 1 ||
      EVP_DecryptUpdate(cipher.get(), nullptr, &length, bytes_of(also),
                        static_cast<int>(also.size())) != 1 ||
      EVP_DecryptUpdate(cipher.get(), to, &length, box + kSealNonceBytes, static_cast<int>(size)) !=
          1 ||
      EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_SET_TAG, kSealTagBytes, tag.data()) != 1 ||
      EVP_DecryptFinal_ex(cipher.get(), to + length, &length) != 1)
    return std::nullopt;
  return clear;
}

std::string keyed_fingerprint(const SubjectKey& key, std::string_view text) {
  Mac derived = hmac(key.secret, as_bytes(kPrintPurpose));
  const Mac mac = hmac(derived, as_bytes(text));
  OPENSSL_cleanse(derived.data(), derived.size());
  SealId id;
  std::copy_n(mac.begin(), id.size(), id.begin());
  return to_hex(id).substr(0, 16);
}

}  // namespace mlforge::storage
