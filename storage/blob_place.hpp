// Where the blobs of a data folder lie: in its folder `blobs` (or where that links to), or in S3,
// which the file blobs/DESTINATION then says.
#pragma once
#include <filesystem>
#include <memory>
#include <string>

#include "storage/blob_store.hpp"
#include "storage/s3_settings.hpp"

namespace mlforge::storage {

// s3://... , or empty where the blobs are local. An Error where the file cannot be read.
Expected<std::string> remote_blobs(const std::filesystem::path& blobs);

// The same note in the copy of a data folder; nothing where the blobs are local.
Status copy_remote_note(const std::filesystem::path& from, const std::filesystem::path& to);

// The store of a server that starts. `s3`: where the blobs are to lie from now on, noted once S3
// has answered; empty: where they lay. `conflict` where bytes lie elsewhere already.
Expected<std::unique_ptr<BlobStore>> open_blobs(const std::filesystem::path& blobs,
                                                const std::string& s3,
                                                const ReadVariable& variable);
// For reading only. S3 is not asked before something is read.
Expected<std::unique_ptr<const BlobStore>> look_at_blobs(const std::filesystem::path& blobs,
                                                         const ReadVariable& variable);

}  // namespace mlforge::storage
