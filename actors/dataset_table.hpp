// A dataset version's files as one table, described by the file schema.yaml among them.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "actors/step_blobs.hpp"
#include "events/error.hpp"
#include "events/vocabulary.hpp"
#include "ml/csv.hpp"
#include "ml/table.hpp"
#include "ml/validate.hpp"

namespace mlforge::actors {

inline constexpr std::string_view kSchemaFile = "schema.yaml";

// What schema.yaml says; its form is described in docs/pipelines.md.
struct DatasetSchema {
  ml::CsvOptions csv;                  // without kinds: they depend on the file's header
  std::vector<std::string> csv_files;  // paths; empty: every .csv, .data and .test
  bool missing_as_category = false;    // training sees the marker itself in categorical columns
  ml::DataSchema data;
};

// malformed, unknown_field or invalid_argument, naming line and column. Pure; any thread.
Expected<DatasetSchema> read_dataset_schema(std::string_view yaml);

// The rows of all CSV files in the order of their paths; shape (rows, columns). Without a
// schema.yaml each file has a header and kinds are inferred. not_found: a CSV file or blob is
// missing; malformed: names file, line and column; invalid_argument: no CSV file, or files that do
// not fit together. Reads blobs, so it may block; any thread.
Expected<ml::Table> load_dataset_table(const std::vector<FileRef>& files, const StepBlobs& blobs);

// The category that load_dataset_table puts for a missing categorical cell; empty where
// schema.yaml does not ask for one. Errors and threads as there.
Expected<std::optional<std::string>> missing_category(const std::vector<FileRef>& files,
                                                      const StepBlobs& blobs);

struct DatasetCheck {
  std::uint64_t rows = 0, columns = 0;
  std::vector<Check> checks;  // see ml/validate.hpp; missing markers count as missing here
};

// Reads the version and judges it by its schema. Errors as load_dataset_table.
Expected<DatasetCheck> check_dataset(const std::vector<FileRef>& files, const StepBlobs& blobs);

}  // namespace mlforge::actors
