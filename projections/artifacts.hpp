// The tree of artifacts below the server's own artifact root, as MLflow's clients name it:
// "<experiment>/<run>/artifacts/model/MLmodel".
#pragma once
#include "projections/entity_key.hpp"
#include "projections/projection.hpp"
#include "projections/view_reader.hpp"

namespace mlforge::projections {

struct ArtifactRow {
  std::string path;    // from the root on
  std::string digest;  // empty: a folder
  std::uint64_t bytes = 0;
  std::uint64_t children = 0;  // of a folder
  static constexpr auto fields() {
    return FieldList{field("path", &ArtifactRow::path), field("digest", &ArtifactRow::digest),
                     field("bytes", &ArtifactRow::bytes),
                     field("children", &ArtifactRow::children)};
  }
  bool is_folder() const { return digest.empty(); }
};

// Versioned: "entry" by folder and name; a folder is there while something is in it. "root" by run:
// where the run's own artifacts lie.
class ArtifactsProjection : public Dispatch<ArtifactsProjection> {
 public:
  static constexpr std::string_view kName = "artifacts";
  static constexpr std::uint32_t kVersion = 2;
  void on(ViewWriter& view, const EventView& envelope, const RunStarted& event);
  void on(ViewWriter& view, const EventView& envelope, const RunArtifactLogged& event);
  void on(ViewWriter& view, const EventView& envelope, const RunArtifactRemoved& event);
  void on(ViewWriter& view, const EventView& envelope, const ArtifactStored& event);
  void on(ViewWriter& view, const EventView& envelope, const ArtifactRemoved& event);

 private:
  std::string path_of(ViewWriter& view, const EventView& envelope, const std::string& path);

  EntityKey root_key_{kName, "root"};
};

// The path below the root of "mlflow-artifacts:/a/b", "mlflow-artifacts://host/a/b" or of a URL of
// the route /api/2.0/mlflow-artifacts/artifacts/ (whatever its host, as MLflow's server takes it);
// nothing for another scheme.
std::optional<std::string> proxied_path(std::string_view uri);

// A file or a folder; nothing where there is none as of the position. The root, "", is a folder.
std::optional<ArtifactRow> find_artifact(ViewReader& view, std::string_view tenant,
                                         std::string_view path, Position as_of = kLatest);
// What is in a folder, by name; empty where there is no such folder.
std::vector<ArtifactRow> list_artifacts(ViewReader& view, std::string_view tenant,
                                        std::string_view folder, Position as_of = kLatest);

}  // namespace mlforge::projections
