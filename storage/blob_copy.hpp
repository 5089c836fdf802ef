// The blobs that a log speaks of, and copies of them.
#pragma once
#include <filesystem>
#include <set>
#include <string>
#include <utility>

#include "storage/blob_store.hpp"
#include "storage/log_builder.hpp"

namespace mlforge::storage {

// Digests by tenant, in ascending order.
using BlobNames = std::set<std::pair<std::string, Digest>>;

struct BlobsNamed {
  BlobNames files;   // of files: artifacts, datasets. Their blobs must be there
  BlobNames others;  // whatever else looks like a digest; a blob may stand behind it or not
};

// Adds what an event names, whatever its type is.
void add_blobs_named(const EventView& event, BlobsNamed& named);

// What the events at 1 to `last` name.
Expected<BlobsNamed> blobs_named(const Log& log, Position last);

struct BlobsCopied {
  std::uint64_t blobs = 0, bytes = 0;
  std::uint64_t missing = 0;  // files that `from` does not have
  std::string first_missing;  // digest; empty where none is missing
};

// Copies those that `from` has, each checked against its digest (`corrupt`).
Expected<BlobsCopied> copy_blobs(const BlobsNamed& named, const BlobStore& from, BlobStore& to,
                                 const CopyProgress& progress = {});

// The same between two folders of local stores on one disk, as hard links: blobs never change. What
// cannot be linked is copied.
Expected<BlobsCopied> link_blobs(const BlobsNamed& named, const std::filesystem::path& from,
                                 const std::filesystem::path& to);

}  // namespace mlforge::storage
