// Answered predictions that are not in the log yet, in files of the data folder: written before the
// answer and without a sync, so that the end of the process loses none of them; a power cut may.
#pragma once
#include <cstdint>
#include <deque>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "events/deployment.hpp"
#include "storage/files.hpp"
#include "storage/log.hpp"

namespace mlforge::actors {

// One row of an endpoint, as a batch of one.
struct SpooledRow {
  std::string endpoint, subject;  // subject: whom the row is about; empty: nobody
  PredictionsLogged row;
};

// Rows that were answered before, endpoint by endpoint in their order; those that are in the log
// already are left out. A row that was cut off by the end of the process was never answered.
Expected<std::vector<SpooledRow>> read_spool(const std::filesystem::path& folder,
                                             const storage::Log& log, std::string_view tenant);

// As commands of at most 500 rows, in the order of the rows.
std::vector<RecordPredictions> to_batches(std::span<const SpooledRow> rows);

// Not thread-safe.
class PredictionSpool {
 public:
  // Deletes what is in the folder, which is made where it is missing.
  static Expected<PredictionSpool> start(std::filesystem::path folder);

  static std::string encode(const SpooledRow& row);
  // read_only where the disk is full: then the prediction must not be answered.
  // A file with a row about somebody goes as soon as all its rows are finished.
  Status add(std::string_view endpoint, std::string_view encoded, bool about_somebody);
  // The first `rows` of an endpoint are in the log, or lost: their file goes when all of it is and
  // another one is written.
  void finished(std::string_view endpoint, std::size_t rows);
  // What is finished goes from the disk now, or with the last row of its file.
  void rotate();

 private:
  Status next_file();
  void forget(std::uint64_t file);
  std::filesystem::path path_of(std::uint64_t file) const;

  std::filesystem::path folder_;
  storage::File file_;
  std::uint64_t current_ = 0;
  std::size_t size_ = 0;
  bool about_somebody_ = false;                     // a row of the current file
  std::map<std::uint64_t, std::size_t> open_rows_;  // file -> rows that are not finished
  std::map<std::string, std::deque<std::uint64_t>, std::less<>>
      files_of_;  // endpoint -> of its rows
};

}  // namespace mlforge::actors
