// Secrets that others share with us, such as those that webhooks are signed with: one small file
// each, readable by its owner only. The log holds no more than a fingerprint.
#pragma once
#include <filesystem>
#include <string>
#include <string_view>

#include "events/error.hpp"

namespace mlforge::storage {

// Keeps the secret and answers its fingerprint, 16 hexadecimal digits of a salted SHA-256: without
// the file it says nothing about the secret. `known`: the fingerprint of one that may be the same;
// then that is answered and nothing is written.
Expected<std::string> keep_secret(const std::filesystem::path& folder, std::string_view secret,
                                  std::string_view known = {});

// not_found where there is no such file: it is not part of backups.
Expected<std::string> read_secret(const std::filesystem::path& folder,
                                  std::string_view fingerprint);

void forget_secret(const std::filesystem::path& folder, std::string_view fingerprint);

}  // namespace mlforge::storage
