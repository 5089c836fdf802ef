// A folder of MLflow's file store ("mlruns"): experiments, deleted ones below .trash, and the
// registry below models.
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <optional>

#include "gateway/cli/import_mlflow_source.hpp"

namespace mlforge::gateway::cli {
namespace {

namespace fs = std::filesystem;

Error unreadable_source(const fs::path& path, const std::string& why) {
  return {ErrorCode::corrupt, path.string() + " " + why, "source"};
}

// Names in a folder, sorted; none where there is no such folder.
std::vector<fs::path> entries_of(const fs::path& folder, bool folders) {
  std::vector<fs::path> out;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored))
    if (entry.is_directory(ignored) == folders) out.push_back(entry.path());
  std::sort(out.begin(), out.end());
  return out;
}

Expected<std::string> read_text(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return unreadable_source(path, "cannot be read");
  return std::string(std::istreambuf_iterator<char>(in), {});
}

// The fields of a meta.yaml; null is empty.
class Meta {
 public:
  static Expected<Meta> read(const fs::path& folder) {
    const auto path = folder / "meta.yaml";
    try {
      Meta meta{YAML::LoadFile(path.string()), path};
      if (meta.node_.IsMap()) return meta;
      return unreadable_source(path, "is not a map of names and values");
    } catch (const YAML::Exception& e) {
      return unreadable_source(path, std::string("cannot be read: ") + e.what());
    }
  }
  std::string text(const char* name) const {
    const auto node = node_[name];
    return node && node.IsScalar() ? node.Scalar() : std::string();
  }
  std::int64_t integer(const char* name) const {
    const auto digits = text(name);
    std::int64_t value = 0;
    std::from_chars(digits.data(), digits.data() + digits.size(), value);
    return value;
  }
  Texts texts(const char* name) const {
    Texts out;
    const auto node = node_[name];
    if (node && node.IsMap())
      for (const auto& each : node)
        out[each.first.Scalar()] = each.second.IsScalar() ? each.second.Scalar() : "";
    return out;
  }

 private:
  Meta(YAML::Node node, fs::path path) : node_(std::move(node)), path_(std::move(path)) {}
  YAML::Node node_;
  fs::path path_;
};

// One file a key, whose path is the key.
Status each_file(
    const fs::path& folder,
    const std::function<Status(const std::string& key, const std::string& text)>& visit) {
  std::error_code failed;
  if (!fs::exists(folder, failed)) return {};
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder, failed))
    if (entry.is_regular_file(failed)) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  for (const auto& file : files) {
    const auto text = read_text(file);
    if (!text) return text.error();
    if (auto bad = visit(file.lexically_relative(folder).generic_string(), *text)) return bad;
  }
  return {};
}

Status read_texts(const fs::path& folder, Texts& out) {
  return each_file(folder, [&](const std::string& key, const std::string& text) -> Status {
    out[key] = text;
    return {};
  });
}

std::vector<std::string> words_of(std::string_view line) {
  std::vector<std::string> out;
  while (!line.empty()) {
    const auto end = std::min(line.find_first_of(" \r\t"), line.size());
    if (end > 0) out.emplace_back(line.substr(0, end));
    line.remove_prefix(std::min(end + 1, line.size()));
  }
  return out;
}

template <class Number>
bool parse_number(const std::string& word, Number& out) {
  if constexpr (std::is_same_v<Number, double>) {
    char* end = nullptr;
    out = std::strtod(word.c_str(), &end);  // also "nan" and "inf"
    return end != word.c_str() && *end == '\0';
  } else {
    const auto [end, code] = std::from_chars(word.data(), word.data() + word.size(), out);
    return code == std::errc{} && end == word.data() + word.size();
  }
}

// Lines "time value step ..." of a metric's file.
Status each_point(
    const fs::path& folder, std::size_t least,
    const std::function<void(const RunPoint&, const std::vector<std::string>&)>& visit) {
  return each_file(folder, [&](const std::string& key, const std::string& text) -> Status {
    std::string_view rest = text;
    for (std::size_t number = 1; !rest.empty(); ++number) {
      const auto end = std::min(rest.find('\n'), rest.size());
      const auto line = words_of(rest.substr(0, end));
      rest.remove_prefix(std::min(end + 1, rest.size()));
      if (line.empty()) continue;
      RunPoint point{.key = key};
      if (line.size() < least || !parse_number(line[0], point.timestamp) ||
          !parse_number(line[1], point.value) ||
          (line.size() > 2 && !parse_number(line[2], point.step)))
        return unreadable_source(folder / key,
                                 "has no 'time value step' in line " + std::to_string(number));
      visit(point, line);
    }
    return {};
  });
}

class FolderSource : public MlflowSource {
 public:
  explicit FolderSource(fs::path root) : root_(std::move(root)) {}

  Expected<SourceCounts> count() override {
    const auto found = experiments();
    if (!found) return found.error();
    SourceCounts out;
    std::uint64_t traces = 0;
    for (const auto& each : *found) {
      out.runs += runs_in(each.experiment_id).size();
      traces += entries_of(folders_.at(each.experiment_id) / "traces", true).size();
    }
    if (traces) out.left_out.emplace_back("traces", traces);
    return out;
  }

  Expected<std::vector<ImportExperiment>> experiments() override {
    std::vector<ImportExperiment> out;
    for (const auto& parent : {root_, root_ / ".trash"})
      for (const auto& folder : entries_of(parent, true)) {
        std::error_code ignored;
        const bool other = folder.filename() == ".trash" || folder.filename() == "models";
        if (other || !fs::exists(folder / "meta.yaml", ignored)) continue;
        const auto meta = Meta::read(folder);
        if (!meta) return meta.error();
        ImportExperiment e{.experiment_id = meta->text("experiment_id"),
                           .name = meta->text("name"),
                           .artifact_location = meta->text("artifact_location"),
                           .deleted = meta->text("lifecycle_stage") == "deleted",
                           .creation_time = meta->integer("creation_time") * kUsPerMs,
                           .last_update_time = meta->integer("last_update_time") * kUsPerMs,
                           .tags = {}};
        if (e.experiment_id.empty()) e.experiment_id = folder.filename().string();
        if (auto bad = read_texts(folder / "tags", e.tags)) return *bad;
        folders_[e.experiment_id] = folder;
        out.push_back(std::move(e));
      }
    return out;
  }

  Expected<std::vector<std::string>> run_ids(const std::string& experiment_id) override {
    return runs_in(experiment_id);
  }

  Expected<ImportRun> run(const std::string& experiment_id, const std::string& id) override {
    const auto folder = folders_.at(experiment_id) / id;
    const auto meta = Meta::read(folder);
    if (!meta) return meta.error();
    ImportRun out;
    out.run_id = id;
    out.experiment_id = experiment_id;
    out.name = meta->text("run_name");
    if (out.name.empty()) out.name = meta->text("name");
    out.user_id = meta->text("user_id");
    out.status = run_status(meta->text("status"));
    if (out.status.empty())
      return unreadable_source(folder / "meta.yaml",
                               "has the unknown status " + meta->text("status"));
    out.start_time = meta->integer("start_time") * kUsPerMs;
    out.end_time = meta->integer("end_time") * kUsPerMs;
    out.artifact_uri = meta->text("artifact_uri");
    out.deleted = meta->text("lifecycle_stage") == "deleted";
    if (auto bad = read_texts(folder / "params", out.params)) return *bad;
    if (auto bad = read_texts(folder / "tags", out.tags)) return *bad;
    if (const auto name = out.tags.find("mlflow.runName");
        out.name.empty() && name != out.tags.end())
      out.name = name->second;
    if (auto bad = read_links(folder, folders_.at(experiment_id), out)) return *bad;
    std::vector<RunPoint> points;
    auto bad = each_point(folder / "metrics", 2,
                          [&](const RunPoint& point, const auto&) { points.push_back(point); });
    if (!bad) bad = load_model_points(experiment_id);
    if (bad) return *bad;
    out.metrics = series_of(std::move(points), model_points_[experiment_id][id]);
    return out;
  }

  Expected<std::vector<ImportLoggedModel>> logged_models() override {
    std::vector<ImportLoggedModel> out;
    for (const auto& [experiment_id, parent] : folders_)
      for (const auto& folder : entries_of(parent / "models", true)) {
        const auto meta = Meta::read(folder);
        if (!meta) return meta.error();
        ImportLoggedModel m{.logged_model_id = meta->text("model_id"),
                            .experiment_id = experiment_id,
                            .name = meta->text("name"),
                            .source_run_id = meta->text("source_run_id"),
                            .model_type = meta->text("model_type"),
                            .artifact_uri = meta->text("artifact_location"),
                            .status = logged_model_status(meta->text("status")),
                            .deleted = meta->text("lifecycle_stage") == "deleted",
                            .creation_time = meta->integer("creation_timestamp") * kUsPerMs,
                            .last_update_time = meta->integer("last_updated_timestamp") * kUsPerMs,
                            .params = {},
                            .tags = {}};
        if (auto bad = read_texts(folder / "params", m.params)) return *bad;
        if (auto bad = read_texts(folder / "tags", m.tags)) return *bad;
        out.push_back(std::move(m));
      }
    return out;
  }

  Expected<std::vector<std::string>> models() override {
    std::vector<std::string> out;
    for (const auto& folder : entries_of(root_ / "models", true))
      out.push_back(folder.filename().string());
    return out;
  }

  Expected<ImportModel> model(const std::string& name) override {
    const auto folder = root_ / "models" / name;
    const auto meta = Meta::read(folder);
    if (!meta) return meta.error();
    ImportModel out{.model = name,
                    .description = meta->text("description"),
                    .creation_time = meta->integer("creation_timestamp") * kUsPerMs,
                    .last_update_time = meta->integer("last_updated_timestamp") * kUsPerMs,
                    .tags = {},
                    .versions = {},
                    .aliases = {}};
    if (auto bad = read_texts(folder / "tags", out.tags)) return *bad;
    Texts aliases;
    if (auto bad = read_texts(folder / "aliases", aliases)) return *bad;
    for (const auto& [alias, version] : aliases)
      if (!parse_number(version, out.aliases[alias]))
        return unreadable_source(folder / "aliases" / alias, "holds no number of a version");
    for (const auto& each : entries_of(folder, true)) {
      if (!each.filename().string().starts_with("version-")) continue;
      auto version = read_version(each);
      if (!version) return version.error();
      out.versions.push_back(*std::move(version));
    }
    std::sort(out.versions.begin(), out.versions.end(),
              [](const auto& a, const auto& b) { return a.version < b.version; });
    return out;
  }

  fs::path artifacts_of_run(const std::string& experiment_id, const std::string& run_id) override {
    const auto at = folders_.find(experiment_id);
    return at == folders_.end() ? fs::path() : at->second / run_id / "artifacts";
  }

 private:
  std::vector<std::string> runs_in(const std::string& experiment_id) const {
    std::vector<std::string> out;
    std::error_code ignored;
    for (const auto& folder : entries_of(folders_.at(experiment_id), true))
      if (const auto name = folder.filename(); name != "tags" && name != "datasets" &&
                                               name != "traces" && name != "models" &&
                                               fs::exists(folder / "meta.yaml", ignored))
        out.push_back(name.string());
    return out;
  }

  static Status read_links(const fs::path& folder, const fs::path& experiment, ImportRun& out) {
    for (const auto& input : entries_of(folder / "inputs", true)) {
      const auto meta = Meta::read(input);
      if (!meta) return meta.error();
      const auto id = meta->text("source_id");
      if (meta->text("source_type") == "MODEL") {
        out.models.push_back({id, "input", 0});
        continue;
      }
      const auto dataset = Meta::read(experiment / "datasets" / id);
      if (!dataset) return dataset.error();
      out.datasets.push_back({.name = dataset->text("name"),
                              .digest = dataset->text("digest"),
                              .source_type = dataset->text("source_type"),
                              .source = dataset->text("source"),
                              .schema = dataset->text("schema"),
                              .profile = dataset->text("profile"),
                              .tags = meta->texts("tags")});
    }
    for (const auto& output : entries_of(folder / "outputs", true)) {
      const auto meta = Meta::read(output);
      if (!meta) return meta.error();
      out.models.push_back({output.filename().string(), "output", meta->integer("step")});
    }
    return {};
  }

  Expected<ImportVersion> read_version(const fs::path& folder) const {
    const auto meta = Meta::read(folder);
    if (!meta) return meta.error();
    ImportVersion v{.version = static_cast<std::uint64_t>(meta->integer("version")),
                    .source = meta->text("source"),
                    .run_id = meta->text("run_id"),
                    .run_link = meta->text("run_link"),
                    .description = meta->text("description"),
                    .model_id = meta->text("model_id"),
                    .storage_location = meta->text("storage_location"),
                    .stage = meta->text("current_stage"),
                    .deleted = false,
                    .creation_time = meta->integer("creation_timestamp") * kUsPerMs,
                    .last_update_time = meta->integer("last_updated_timestamp") * kUsPerMs,
                    .tags = {}};
    if (v.stage == "Deleted_Internal")
      return ImportVersion{.version = v.version, .source = "deleted", .deleted = true};
    if (v.stage.empty()) v.stage = "None";
    if (v.storage_location == v.source) v.storage_location.clear();
    if (auto bad = read_texts(folder / "tags", v.tags)) return *bad;
    return v;
  }

  Status load_model_points(const std::string& experiment_id) {
    if (model_points_.contains(experiment_id)) return {};
    auto& of_runs = model_points_[experiment_id];
    for (const auto& model : entries_of(folders_.at(experiment_id) / "models", true)) {
      auto bad = each_point(
          model / "metrics", 4, [&](const RunPoint& point, const std::vector<std::string>& line) {
            of_runs[line[3]].push_back(
                {point.key, model.filename().string(), line.size() > 5 ? line[4] : "",
                 line.size() > 5 ? line[5] : "", point.timestamp, point.step, point.value});
          });
      if (bad) return bad;
    }
    return {};
  }

  fs::path root_;
  std::map<std::string, fs::path> folders_;  // of experiments, by id
  std::map<std::string, std::map<std::string, std::vector<ModelPoint>>> model_points_;
};

}  // namespace

std::unique_ptr<MlflowSource> open_mlflow_folder(fs::path folder) {
  return std::make_unique<FolderSource>(std::move(folder));
}

}  // namespace mlforge::gateway::cli
