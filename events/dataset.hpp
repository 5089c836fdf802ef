// Datasets: files are staged, a commit makes them a version, a validation says what the version is
// worth.
#pragma once
#include <map>

#include "events/vocabulary.hpp"

namespace mlforge {

struct DatasetVersion {
  std::string digest;
  std::vector<FileRef> files;
  std::optional<bool> valid;  // empty until validated
};

struct DatasetState {
  bool exists = false;
  std::string name;
  std::map<std::string, FileRef> staged;       // path -> file that the next commit adds or replaces
  std::map<std::string, bool> staged_removal;  // path -> true: the next commit leaves it out
  std::vector<DatasetVersion> versions;        // [0] is version 1
};

struct StageFiles {
  std::string dataset;
  std::string source;
  std::vector<FileRef> files;
  static constexpr auto fields() {
    return FieldList{field("dataset", &StageFiles::dataset), field("source", &StageFiles::source),
                     required("files", &StageFiles::files)};
  }
};

struct UnstageFile {
  std::string dataset, path;
};

struct RecordValidation {
  std::string dataset;
  std::uint64_t version = 0;
  std::uint64_t rows = 0, columns = 0;
  std::vector<Check> checks;
};

struct CommitDataset {
  std::string dataset, message;
  std::string digest;          // of `files`, computed by the caller
  std::vector<FileRef> files;  // what was validated; must equal files_to_commit
  std::optional<RecordValidation>
      validation;  // of `files`: recorded with the commit, in one append
  static constexpr auto fields() { return FieldList{field("message", &CommitDataset::message)}; }
};

Expected<Events> decide(const DatasetState& state, const StageFiles& command);
Expected<Events> decide(const DatasetState& state, const UnstageFile& command);
Expected<Events> decide(const DatasetState& state, const CommitDataset& command);
Expected<Events> decide(const DatasetState& state, const RecordValidation& command);

void evolve(DatasetState& state, const DatasetCreated& event);
void evolve(DatasetState& state, const DatasetFileStaged& event);
void evolve(DatasetState& state, const DatasetFileUnstaged& event);
void evolve(DatasetState& state, const DatasetCommitted& event);
void evolve(DatasetState& state, const DatasetValidated& event);

// The files of the next version: the last version's with the staged ones over them, sorted by path.
std::vector<FileRef> files_to_commit(const DatasetState& state);

// The text whose SHA-256 is the digest of a version: "<digest>  <path>\n" per file.
std::string digest_text(const std::vector<FileRef>& files);

}  // namespace mlforge
