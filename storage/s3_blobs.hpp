// Blobs in S3, under the names that they have in a local folder: <prefix>/<tenant>/<two
// digits>/<the other 62>.
#pragma once
#include <filesystem>
#include <memory>

#include "storage/blob_store.hpp"
#include "storage/s3_settings.hpp"

namespace mlforge::storage {

// An upload gathers in the local folder `spool` until its digest is known; then it goes to S3 in
// one request, or, where it is larger than 16 MiB, in parts that S3 shows as one object when all
// are there. Each request says the digest of what it brings, and S3 compares. finish() answers
// after S3 has. Readers fetch 8 MiB at a time. So an upload and a download hold no more than that
// in memory. Errors of S3 are `unavailable` and name the destination. The folder must be there for
// uploads.
std::unique_ptr<BlobStore> s3_blobs(S3Settings settings, const std::filesystem::path& spool);

// The same, for a server that is to start: looks whether the bucket answers to these keys, ends the
// uploads in parts that a killed server has left behind, and empties the spool.
Expected<std::unique_ptr<BlobStore>> open_s3_blobs(S3Settings settings,
                                                   const std::filesystem::path& spool);

}  // namespace mlforge::storage
