// Bytes too large for an event, named by their SHA-256. The port, and its implementation in a local
// folder.
#pragma once
#include <cstdint>
#include <filesystem>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "events/error.hpp"
#include "storage/digest.hpp"

namespace mlforge::storage {

struct BlobStored {
  Digest digest;
  std::uint64_t bytes = 0;
  bool deduplicated = false;  // the tenant had the same bytes already
};

// Takes the bytes of one blob in pieces. One thread at a time. Destroyed before finish(), it leaves
// nothing behind.
class BlobWriter {
 public:
  virtual ~BlobWriter() = default;
  // `read_only` when the disk is full; the writer is then of no further use.
  virtual Status append(Bytes bytes) = 0;
  // An answer means that the blob is on disk. To be called once.
  virtual Expected<BlobStored> finish() = 0;
};

// Reads one blob, or a range of it, from its start to its end. One thread at a time.
class BlobReader {
 public:
  virtual ~BlobReader() = default;
  virtual std::uint64_t size() const = 0;  // of what this reader reads, in bytes
  // Fills `out` as far as bytes are left; 0 means the end.
  virtual Expected<std::size_t> read(std::span<std::uint8_t> out) = 0;
};

struct BlobRange {  // in bytes; what lies behind the end of the blob is left out
  std::uint64_t offset = 0;
  std::uint64_t length = std::numeric_limits<std::uint64_t>::max();
};

// Each tenant has a store of its own: nobody learns from a digest what others hold. All methods
// from any thread. A digest that the tenant does not have is `not_found`; an empty tenant is
// `invalid_argument`.
class BlobStore {
 public:
  virtual ~BlobStore() = default;
  virtual Expected<std::unique_ptr<BlobWriter>> create(std::string_view tenant) = 0;
  // `invalid_argument` for a range that begins behind the blob's end.
  virtual Expected<std::unique_ptr<BlobReader>> open(std::string_view tenant, const Digest& digest,
                                                     BlobRange range = {}) const = 0;
  virtual Expected<bool> exists(std::string_view tenant, const Digest& digest) const = 0;
  virtual Expected<std::uint64_t> size(std::string_view tenant, const Digest& digest) const = 0;
  // Reads the blob and compares: `corrupt` when its bytes are not those that its digest names.
  virtual Status verify(std::string_view tenant, const Digest& digest) const = 0;

  // The URI of a store that is not on this machine: its methods may take as long as a network does,
  // all but create() and append(). Empty for a local one.
  virtual std::string remote() const { return {}; }
  // Somebody has read other bytes than those that the digest names: whoever uploads them again is
  // to mend the blob, although there is one of that name and size.
  virtual void doubt(std::string_view, const Digest&) const {}
  // Ends what is under way and refuses what comes, with `unavailable`, where that would take long.
  virtual void stop() {}

  // create(), append() and finish() in one.
  Expected<BlobStored> put(std::string_view tenant, Bytes bytes);
  // The whole blob, checked against its digest; `payload_too_large` above `limit` bytes.
  Expected<std::string> get(std::string_view tenant, const Digest& digest,
                            std::uint64_t limit = 64u << 20) const;
};

// Opens the store in `folder`, which is created where it is missing, and removes what unfinished
// uploads left. One process at a time, which the lock of the data folder sees to.
Expected<std::unique_ptr<BlobStore>> open_local_blobs(const std::filesystem::path& folder);
// The same for reading only: nothing in the folder changes, and it need not be there.
std::unique_ptr<const BlobStore> look_at_local_blobs(const std::filesystem::path& folder);

// Makes a blob of the local store in `from` one of the store in `to` too, as a hard link. False
// where the file system cannot; `not_found` where the blob is not there.
Expected<bool> link_local_blob(const std::filesystem::path& from, const std::filesystem::path& to,
                               std::string_view tenant, const Digest& digest);

}  // namespace mlforge::storage
