// Where steps keep what they make: the blobs of one tenant, by digests as they stand in outputs.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "events/error.hpp"
#include "events/vocabulary.hpp"
#include "storage/blob_store.hpp"

namespace mlforge::actors {

// Borrows the store. All members may block; any thread.
class StepBlobs {
 public:
  StepBlobs(storage::BlobStore& store, std::string tenant)
      : store_(store), tenant_(std::move(tenant)) {}

  // Durable when it returns. The answer carries `path`, the digest and the size. read_only on a
  // full disk.
  Expected<FileRef> put(std::string path, std::string_view bytes) const;

  // All bytes, at most 1 GiB. not_found; corrupt when they do not match the digest.
  Expected<std::string> get(std::string_view digest) const;

  // The size in bytes, or not_found.
  Expected<std::uint64_t> size(std::string_view digest) const;

 private:
  storage::BlobStore& store_;
  std::string tenant_;
};

}  // namespace mlforge::actors
