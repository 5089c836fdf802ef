// Where the bytes of an upload wait until its digest is known.
#pragma once
#include <atomic>
#include <filesystem>
#include <memory>
#include <string_view>

#include "storage/blob_store.hpp"
#include "storage/files.hpp"

namespace mlforge::storage {

// A file of its own that is hashed and counted as it is written, and removed unless it was taken
// away under another name. What keep() does with it is the store's. One thread.
class SpoolingWriter : public BlobWriter {
 public:
  ~SpoolingWriter() override { end(); }
  Status append(Bytes bytes) final;
  Expected<BlobStored> finish() final;

 protected:
  SpoolingWriter(File file, std::filesystem::path path)
      : file_(std::move(file)), path_(std::move(path)) {}
  // Says whether the same bytes were there already, else puts the file into the store. Called once.
  virtual Expected<bool> keep(const Digest& digest) = 0;

  const File& file() const { return file_; }
  const std::filesystem::path& path() const { return path_; }
  std::uint64_t bytes() const { return bytes_; }

 private:
  void end();

  File file_;
  std::filesystem::path path_;
  Sha256 hash_;
  std::uint64_t bytes_ = 0;
  bool ended_ = false;
};

// Set where nobody is named.
Status check_tenant(std::string_view tenant);

// The names of the files of uploads under way. Any thread.
class BlobSpool {
 public:
  explicit BlobSpool(std::filesystem::path folder) : folder_(std::move(folder)) {}
  const std::filesystem::path& folder() const { return folder_; }
  // Makes the folder; removes what is in it, which a server that was killed has left. While no
  // upload is under way.
  Status prepare() const;
  std::filesystem::path next() { return folder_ / std::to_string(next_.fetch_add(1)); }

 private:
  const std::filesystem::path folder_;
  std::atomic<std::uint64_t> next_{0};
};

}  // namespace mlforge::storage
