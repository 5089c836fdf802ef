// One file into S3, whole or not at all.
#pragma once
#include <filesystem>
#include <string>

#include "storage/digest.hpp"
#include "storage/files.hpp"
#include "storage/s3_client.hpp"

namespace mlforge::storage {

struct S3File {
  const File& file;
  std::filesystem::path path;  // of the file; an upload in parts is noted in <path>.parts
  std::uint64_t bytes = 0;
  Digest digest;
};

// Answers when S3 has the object. `corrupt` where the file's bytes are not those of its digest;
// then, and after every other error, S3 shows what it showed before.
Status upload_to_s3(S3Client& client, const std::string& key, const S3File& file);

// Ends the upload that such a note speaks of, if it is still under way, and removes the note.
Status end_noted_upload(S3Client& client, const std::filesystem::path& note);

inline constexpr const char* kPartsNote = ".parts";

}  // namespace mlforge::storage
