#include "storage/secret_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>

#include "storage/digest.hpp"
#include "storage/files.hpp"
#include "storage/log.hpp"

namespace mlforge::storage {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kSecretFingerprint = 16, kSecretSalt = 32;  // characters

bool is_fingerprint(std::string_view text) {
  return text.size() == kSecretFingerprint &&
         text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

std::string hex_digest(std::string_view text) { return to_string(sha256(as_bytes(text))); }

}  // namespace

Expected<std::string> keep_secret(const fs::path& folder, std::string_view secret,
                                  std::string_view known) {
  if (!known.empty())
    if (const auto kept = read_secret(folder, known); kept && *kept == secret)
      return std::string(known);
  std::array<std::uint8_t, 32> random{};
  system_ids()->salt(random);
  const auto salt = hex_digest(as_text(random)).substr(0, kSecretSalt);
  const auto fingerprint = hex_digest(salt + std::string(secret)).substr(0, kSecretFingerprint);
  if (auto bad = make_folder(folder)) return *bad;
  fs::permissions(folder, fs::perms::owner_all);
  const auto path = folder / fingerprint;
  auto file = File::open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
  if (!file) return file.error();
  auto bad = write_all(*file, salt + std::string(secret), path);
  if (!bad) bad = sync_file(*file, path);
  if (!bad) bad = sync_folder(folder);
  if (!bad) return fingerprint;
  ::unlink(path.c_str());
  return *bad;
}

Expected<std::string> read_secret(const fs::path& folder, std::string_view fingerprint) {
  const Error missing{ErrorCode::not_found, "the secret is not in this data folder: set it again",
                      "secret"};
  if (!is_fingerprint(fingerprint)) return missing;
  auto text = read_small_file(folder / fingerprint);
  if (!text) return text.error().code == ErrorCode::not_found ? missing : text.error();
  if (text->size() < kSecretSalt || hex_digest(*text).substr(0, kSecretFingerprint) != fingerprint)
    return Error{ErrorCode::corrupt, "the file of the secret is damaged: set it again", "secret"};
  return text->substr(kSecretSalt);
}

void forget_secret(const fs::path& folder, std::string_view fingerprint) {
  if (is_fingerprint(fingerprint)) ::unlink((folder / fingerprint).c_str());
}

}  // namespace mlforge::storage
