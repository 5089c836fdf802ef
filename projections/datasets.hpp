// Datasets: what is staged, and the versions.
#pragma once
#include "projections/projection.hpp"

namespace mlforge::projections {

struct DatasetVersionRow {
  std::uint64_t version = 0;
  std::string digest, message;
  std::vector<FileRef> files;
  std::string created_time, actor;
  std::uint64_t rows = 0, columns = 0;  // known from the validation
  std::optional<bool> valid;            // absent: not validated yet
  std::vector<Check> checks;
  static constexpr auto fields() {
    return FieldList{field("version", &DatasetVersionRow::version),
                     field("digest", &DatasetVersionRow::digest),
                     field("message", &DatasetVersionRow::message),
                     field("files", &DatasetVersionRow::files),
                     field("created_time", &DatasetVersionRow::created_time),
                     field("actor", &DatasetVersionRow::actor),
                     field("rows", &DatasetVersionRow::rows),
                     field("columns", &DatasetVersionRow::columns),
                     field("valid", &DatasetVersionRow::valid),
                     field("checks", &DatasetVersionRow::checks)};
  }
};

// As queries answer it; stored in parts, so that staging a file does not rewrite all others.
struct DatasetRow {
  std::string name, source, created_time, actor;
  std::vector<FileRef> staged;       // by path
  std::vector<std::string> removed;  // paths that the next version will not have
  std::vector<DatasetVersionRow> versions;
  static constexpr auto fields() {
    return FieldList{field("name", &DatasetRow::name),
                     field("source", &DatasetRow::source),
                     field("created_time", &DatasetRow::created_time),
                     field("actor", &DatasetRow::actor),
                     field("staged", &DatasetRow::staged),
                     field("removed", &DatasetRow::removed),
                     field("versions", &DatasetRow::versions)};
  }
};

struct DatasetHead {
  std::string name, source, created_time, actor;
  std::uint64_t latest_version = 0;
  static constexpr auto fields() {
    return FieldList{field("name", &DatasetHead::name), field("source", &DatasetHead::source),
                     field("created_time", &DatasetHead::created_time),
                     field("actor", &DatasetHead::actor),
                     field("latest_version", &DatasetHead::latest_version)};
  }
};

struct StagedRow {
  FileRef file;
  bool removed = false;
  static constexpr auto fields() {
    return FieldList{field("file", &StagedRow::file), field("removed", &StagedRow::removed)};
  }
};

// Versioned: "dataset" by name, "version" by name and number, "staged" by name, latest version and
// path: a commit leaves the staged rows behind by raising the latest version.
class DatasetsProjection : public Dispatch<DatasetsProjection> {
 public:
  static constexpr std::string_view kName = "datasets";
  static constexpr std::uint32_t kVersion = 1;
  void on(ViewWriter& view, const EventView& envelope, const DatasetCreated& event);
  void on(ViewWriter& view, const EventView& envelope, const DatasetFileStaged& event);
  void on(ViewWriter& view, const EventView& envelope, const DatasetFileUnstaged& event);
  void on(ViewWriter& view, const EventView& envelope, const DatasetCommitted& event);
  void on(ViewWriter& view, const EventView& envelope, const DatasetValidated& event);
};

}  // namespace mlforge::projections
