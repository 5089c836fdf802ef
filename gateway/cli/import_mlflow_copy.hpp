// Brings what a source holds over to a server, page by page, and reads it back.
#pragma once
#include <map>
#include <set>
#include <unordered_map>

#include "gateway/cli/import_mlflow_report.hpp"
#include "gateway/cli/import_mlflow_source.hpp"
#include "gateway/cli/progress.hpp"

namespace mlforge::gateway::cli {

struct ImportChoices {
  bool dry_run = false;
  bool copy_artifacts = false;  // else they stay where they are
  std::string artifacts_from;   // what "mlflow-artifacts:/" stands for at the source
};

// The state of the server is the only memory: what is there already is not written again, so a
// second import, or one after a kill, goes on where the first ended. Not thread-safe.
class MlflowImporter {
 public:
  MlflowImporter(const Session& s, MlflowSource& source, Api& api, ImportChoices choices);
  // An Error is what ended it (the source or the server); what concerns one thing alone is in the
  // report.
  Expected<ImportReport> run();

 private:
  using StoredRun = mlflow::StoredRun;
  struct Point {
    std::int64_t timestamp = 0, step = 0;
    double value = 0;
    bool operator<(const Point& other) const;
  };
  using Points = std::map<std::string, std::vector<Point>>;  // by key, each once, in order
  static void sort_points(std::vector<Point>& points);
  struct MeasuredId {
    std::string model_id, run_id, key, dataset_name, dataset_digest;
    auto operator<=>(const MeasuredId&) const = default;
  };
  static bool holds(const std::vector<Point>& source, const std::vector<Point>& stored);

  Status import_experiments();
  Status import_logged_models();
  Status import_logged_models(std::vector<ImportLoggedModel> page);
  Status import_runs();
  // A run of a page: what the server had of it, and what became of it.
  struct PageRun {
    ImportRun run;
    std::filesystem::path folder;  // of artifacts to copy
    const StoredRun* stored = nullptr;
    Points points;              // that were there
    std::uint64_t missing = 0;  // points that were not
    bool sent = false, refused = false;
  };
  Status import_runs(std::vector<PageRun> page);
  Expected<Differences> find_differences(PageRun& each);
  // Counts what was written, or would be.
  void settle(const PageRun& each, bool changed);
  Status plan(PageRun& each, std::vector<mlflow::ImportItem>& batch);
  Status check_sent(std::vector<PageRun>& page, const std::vector<mlflow::ImportResult>& results);
  Status write_run(const PageRun& each, std::vector<mlflow::ImportItem>& batch);
  Status import_models();
  Status import_model(const std::string& name);
  void follow_moved(std::string& uri) const;
  // Points of logged models, as the source has them, and what the server has of them.
  void remember_measured(const ImportRun& run);
  Status compare_measured();
  Status compare_measured(const std::vector<std::string>& models);

  // Copies the files below a local folder, and compares what is there then.
  Status copy_files(const std::string& what, const std::filesystem::path& from,
                    const std::string& to);
  // The local folder of a URI; empty where it is somewhere else.
  std::filesystem::path local_folder(const std::string& uri) const;
  // Where the artifacts of a run or a logged model are here: changes `uri` where they are copied.
  // The folder to copy from, or nothing. `otherwise`: where they may be if not at the URI.
  std::filesystem::path place(std::string& uri, const std::string& below,
                              const std::filesystem::path& otherwise);

  Expected<mlflow::ImportState> read(const mlflow::ImportRead& wanted);
  Expected<std::vector<mlflow::ImportResult>> send(std::vector<mlflow::ImportItem> items);
  Expected<Points> points_of(const StoredRun& stored);
  static Points points_of(const ImportRun& run);
  static std::uint64_t count_missing(const ImportRun& run, const Points& stored);
  void compare_points(const std::string& run_id, const Points& source, const Points& stored);
  void refuse(ImportTally& tally, const std::string& what, const std::string& why);
  void keep(const Differences& found);
  void progress(std::uint64_t more);

  const Session& s_;
  MlflowSource& source_;
  Api& api_;
  ImportChoices choices_;
  ImportReport report_;
  ProgressBar bar_;
  std::uint64_t done_ = 0, total_ = 0;
  std::uint64_t behind_server_ = 0;  // runs and models whose artifacts only the old server gives
  std::map<std::string, std::string> experiment_ids_;   // there -> here
  std::unordered_map<std::string, std::string> moved_;  // artifact URIs: there -> here
  std::set<std::string> logged_models_;                 // of which points are compared
  std::map<MeasuredId, std::vector<Point>> measured_;   // at the source
};

}  // namespace mlforge::gateway::cli
