// Checks the content store of a data folder: every blob against the digest that is its name.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "events/error.hpp"
#include "storage/digest.hpp"

namespace mlforge::storage {

struct BlobsReport {
  std::uint64_t blobs = 0, bytes = 0;  // hashed
  // "<tenant folder>/<2 digits>/<62 digits>" whose bytes are others, or cannot be read.
  std::vector<std::string> damaged;
};

// Called now and then with how many of `total` bytes are done.
using BlobsProgress = std::function<void(std::uint64_t done, std::uint64_t total)>;

// Reads all blobs in `folder`, the one that open_local_blobs takes, and changes nothing. A folder
// that is missing holds none. What is named like no blob is passed over, and so are uploads under
// way.
Expected<BlobsReport> verify_blobs(const std::filesystem::path& folder,
                                   const BlobsProgress& progress = {});

// Where open_local_blobs(folder) keeps the blob.
std::filesystem::path local_blob_path(const std::filesystem::path& folder, std::string_view tenant,
                                      const Digest& digest);

// Whether the file holds the bytes that `digest` names. not_found, or internal where it cannot be
// read.
Expected<bool> holds_blob(const std::filesystem::path& file, const Digest& digest,
                          const std::function<void(std::uint64_t bytes)>& read = {});

}  // namespace mlforge::storage
