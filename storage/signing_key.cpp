#include "storage/signing_key.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>

#include "storage/base64.hpp"
#include "storage/files.hpp"

namespace mlforge::storage {
namespace {

constexpr std::uint8_t kEd25519 = 0x01;  // of C2SP signed-note
constexpr std::size_t kSignatureBytes = 64;

EVP_PKEY* evp(void* key) { return static_cast<EVP_PKEY*>(key); }

struct FreeContext {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};
using Context = std::unique_ptr<EVP_MD_CTX, FreeContext>;
struct FreeBio {
  void operator()(BIO* bio) const { BIO_free(bio); }
};
using Bio = std::unique_ptr<BIO, FreeBio>;

Error openssl_error(std::string_view doing) {
  return {ErrorCode::internal, fmt::format("OpenSSL failed {}.", doing)};
}

Error bad_key(std::string_view what) {
  return {ErrorCode::invalid_argument,
          fmt::format("The verifier key {}. It is <name>+<8 hexadecimal digits>+<base64>.", what),
          "key"};
}

}  // namespace

bool is_key_name(std::string_view name) {
  return !name.empty() && std::none_of(name.begin(), name.end(), [](unsigned char c) {
    return c <= 0x20 || c == 0x7F || c == '+';
  });
}

std::uint32_t VerifierKey::hash() const {
  std::string input = name + '\n' + static_cast<char>(kEd25519);
  input.append(as_text(key));
  const Digest digest = sha256(as_bytes(input));
  return std::uint32_t{digest.bytes[0]} << 24 | std::uint32_t{digest.bytes[1]} << 16 |
         std::uint32_t{digest.bytes[2]} << 8 | digest.bytes[3];
}

std::string VerifierKey::id() const { return fmt::format("{:08x}", hash()); }

std::string VerifierKey::text() const {
  std::vector<std::uint8_t> bytes{kEd25519};
  bytes.insert(bytes.end(), key.begin(), key.end());
  return fmt::format("{}+{}+{}", name, id(), to_base64(bytes));
}

bool VerifierKey::verify(Bytes message, Bytes signature) const {
  if (signature.size() != kSignatureBytes) return false;
  EVP_PKEY* raw = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, key.data(), key.size());
  const Context context(EVP_MD_CTX_new());
  const bool good = raw && context &&
                    EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, raw) == 1 &&
                    EVP_DigestVerify(context.get(), signature.data(), signature.size(),
                                     message.data(), message.size()) == 1;
  EVP_PKEY_free(raw);
  return good;
}

Expected<VerifierKey> parse_verifier_key(std::string_view text) {
  const auto first = text.find('+');
  const auto second = first == text.npos ? text.npos : text.find('+', first + 1);
  if (second == text.npos) return bad_key("has not three parts");
  VerifierKey key{.name = std::string(text.substr(0, first))};
  if (!is_key_name(key.name)) return bad_key("has a name with blanks, or none");
  const auto bytes = from_base64(text.substr(second + 1));
  if (!bytes || bytes->size() != 33 || (*bytes)[0] != kEd25519)
    return bad_key("holds no Ed25519 key in base64");
  std::copy(bytes->begin() + 1, bytes->end(), key.key.begin());
  if (text.substr(first + 1, second - first - 1) != key.id())
    return bad_key("has a hash that is not the one of its name and key");
  return key;
}

void SigningKey::Free::operator()(void* key) const { EVP_PKEY_free(evp(key)); }

Expected<SigningKey> SigningKey::take(void* raw) {
  SigningKey key;
  key.key_.reset(raw);
  std::size_t length = key.public_key_.size();
  if (!raw || EVP_PKEY_id(evp(raw)) != EVP_PKEY_ED25519 ||
      EVP_PKEY_get_raw_public_key(evp(raw), key.public_key_.data(), &length) != 1 ||
      length != key.public_key_.size())
    return openssl_error("making an Ed25519 key");
  return key;
}

Expected<SigningKey> SigningKey::generate() {
  return take(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
}

Expected<SigningKey> SigningKey::from_secret(Bytes secret) {
  return take(
      EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, secret.data(), secret.size()));
}

Expected<SigningKey> SigningKey::load(const std::filesystem::path& file) {
  const auto text = read_small_file(file, 4096);
  if (!text) return text.error();
  const Bio bio(BIO_new_mem_buf(text->data(), static_cast<int>(text->size())));
  EVP_PKEY* raw = bio ? PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr) : nullptr;
  auto key = take(raw);
  if (key) return key;
  return Error{ErrorCode::corrupt,
               fmt::format("The file {} holds no Ed25519 private key.", file.string())};
}

Status SigningKey::store(const std::filesystem::path& path) const {
  const Bio bio(BIO_new(BIO_s_mem()));
  char* text = nullptr;
  if (!bio || PEM_write_bio_PKCS8PrivateKey(bio.get(), evp(key_.get()), nullptr, nullptr, 0,
                                            nullptr, nullptr) != 1)
    return openssl_error("writing a key");
  const auto length = BIO_get_mem_data(bio.get(), &text);
  // Its mode is right from the first moment on, so that nobody else can read it in between.
  auto file = File::open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
  if (!file) return file.error();
  if (auto bad = write_all(*file, {text, static_cast<std::size_t>(length)}, path)) return bad;
  if (auto bad = sync_file(*file, path)) return bad;
  return sync_folder(path.parent_path());
}

std::vector<std::uint8_t> SigningKey::sign(Bytes message) const {
  std::vector<std::uint8_t> signature(kSignatureBytes);
  std::size_t length = signature.size();
  const Context context(EVP_MD_CTX_new());
  if (!context ||
      EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, evp(key_.get())) != 1 ||
      EVP_DigestSign(context.get(), signature.data(), &length, message.data(), message.size()) != 1)
    return {};
  signature.resize(length);
  return signature;
}

}  // namespace mlforge::storage
