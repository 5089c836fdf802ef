#include "actors/open_lineage_sender.hpp"

#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "actors/dataset_table.hpp"
#include "events/event_codec.hpp"
#include "ml/csv_records.hpp"
#include "storage/files.hpp"

namespace mlforge::actors {
namespace {

constexpr std::uint64_t kHeadBytes = 64 << 10;  // of a table, in which its first line stands

// The run events of one event of the log.
std::vector<std::string> map(const LineageSenderOptions& c, const EventView& view) {
  const auto event = decode_event(view);
  if (!event) {
    spdlog::error("event {} has no lineage: {}", view.position, event.error().message);
    return {};
  }
  LogLineage source(*c.log, *c.blobs, std::string(view.tenant));
  return lineage_events(view, *event, source, {c.name_space, c.version, c.schema_base});
}

class LineageFile final : public Sender {
 public:
  LineageFile(LineageSenderOptions options, std::filesystem::path path)
      : c_(std::move(options)), path_(std::move(path)) {}

  std::size_t batch() const override { return 64; }

  SendResult send(const std::vector<Outgoing>& events) override {
    std::string lines;
    for (const auto& each : events)
      for (const auto& line : map(c_, each.event.view())) lines.append(line).append("\n");
    const auto bad = write(lines);
    if (bad) return {SendResult::What::failed, bad->message, {}};
    return {};
  }

 private:
  Status write(const std::string& lines) {
    if (lines.empty()) return {};
    const bool is_new = !std::filesystem::exists(path_);
    auto file = storage::File::open(path_, O_RDWR | O_CREAT | O_APPEND, 0640);
    if (!file) return file.error();
    if (auto bad = cut_torn_line(*file)) return bad;
    if (auto bad = storage::write_all(*file, lines, path_)) return bad;
    if (auto bad = storage::sync_file(*file, path_)) return bad;
    if (is_new) return storage::sync_folder(path_.parent_path());
    return {};
  }

  // Only a crash, or a full disk, leaves a line without its end; its event is told again.
  Status cut_torn_line(const storage::File& file) const {
    off_t end = ::lseek(file.fd(), 0, SEEK_END);
    const off_t before = end;
    char byte = '\n';
    while (end > 0 && ::pread(file.fd(), &byte, 1, end - 1) == 1 && byte != '\n') --end;
    if (end < 0 || (end != before && ::ftruncate(file.fd(), end) != 0))
      return storage::file_error(errno, "writing", path_);
    return {};
  }

  const LineageSenderOptions c_;
  const std::filesystem::path path_;
};

class LineagePost final : public Sender {
 public:
  LineagePost(LineageSenderOptions options, PostTarget target)
      : c_(std::move(options)), target_(std::move(target)), poster_(c_.guard, c_.ca_file) {}

  SendResult send(const std::vector<Outgoing>& events) override {
    const HttpPoster::Headers headers{{"Content-Type", "application/json"}};
    for (const auto& body : map(c_, events.front().event.view())) {
      auto result = judge(poster_.post(target_, headers, body, post_timeout(c_.settings) / 2));
      if (result.what != SendResult::What::done) return result;
    }
    return {};
  }
  void stop() override { poster_.stop(); }

 private:
  const LineageSenderOptions c_;
  const PostTarget target_;
  HttpPoster poster_;
};

}  // namespace

template <class Visit>
void LogLineage::each(const std::string& stream, std::uint64_t limit, Position as_of,
                      Visit visit) const {
  const auto read = log_.read_stream(tenant_, stream, 1, limit, as_of, [&](const EventView& view) {
    if (view.type == RunMetricsLogged::type) return true;  // many, and none of them is asked for
    const auto event = decode_event(view);
    if (event) mlforge::visit(visit, *event);
    return true;
  });
  if (!read) spdlog::warn("lineage of {}: {}", stream, read.error().message);
}

LineageRun LogLineage::run(const std::string& run_id, Position as_of) {
  LineageRun out;
  each("run/" + run_id, UINT64_MAX, as_of, [&]<class E>(const E& e) {
    if constexpr (std::is_same_v<E, RunStarted>) out.started = e;
    if constexpr (std::is_same_v<E, RunInputLogged>) out.inputs.push_back(e);
    if constexpr (std::is_same_v<E, RunArtifactLogged>) ++out.artifacts;
    if constexpr (std::is_same_v<E, RunParamsLogged>)
      out.params.insert(e.params.begin(), e.params.end());
  });
  each("experiments/all", UINT64_MAX, as_of, [&]<class E>(const E& e) {
    if constexpr (std::is_same_v<E, ExperimentCreated>)
      if (e.experiment_id == out.started.experiment_id) out.experiment = e.name;
  });
  return out;
}

PipelineRunStarted LogLineage::pipeline_run(const std::string& id, Position as_of) {
  PipelineRunStarted out;
  each("pipeline_run/" + id, 1, as_of, [&]<class E>(const E& e) {
    if constexpr (std::is_same_v<E, PipelineRunStarted>) out = e;
  });
  return out;
}

std::string LogLineage::model_of_endpoint(const std::string& endpoint, Position as_of) {
  std::string out;
  each("deployment/" + endpoint, 1, as_of, [&]<class E>(const E& e) {
    if constexpr (std::is_same_v<E, EndpointCreated>) out = e.model;
  });
  return out;
}

std::vector<LineageColumn> LogLineage::columns(const std::string& dataset, std::uint64_t version,
                                               Position as_of) {
  std::vector<FileRef> files;
  each("dataset/" + dataset, UINT64_MAX, as_of, [&]<class E>(const E& e) {
    if constexpr (std::is_same_v<E, DatasetCommitted>)
      if (e.version == version) files = e.files;
  });
  return columns_of(files);
}

std::vector<LineageColumn> LogLineage::columns_of(const std::vector<FileRef>& files) const {
  std::vector<LineageColumn> out;
  for (const auto& file : files) {
    const auto digest = storage::parse_digest(file.digest);
    if (file.path != kSchemaFile || !digest) continue;
    const auto yaml = blobs_.get(tenant_, *digest, 1 << 20);
    const auto schema = yaml ? read_dataset_schema(*yaml) : Expected<DatasetSchema>(yaml.error());
    if (!schema) return out;
    for (const auto& column : schema->data.columns)
      out.push_back({column.name, column.kind == ml::ColumnKind::numeric ? "DOUBLE" : "VARCHAR"});
    if (!out.empty()) return out;
  }
  for (const auto& file : files) {
    const auto digest = storage::parse_digest(file.digest);
    if (!file.path.ends_with(".csv") || !digest) continue;
    auto reader = blobs_.open(tenant_, *digest, {0, kHeadBytes});
    if (!reader) return out;
    std::string head(kHeadBytes, '\0');
    const auto size = (*reader)->read({reinterpret_cast<std::uint8_t*>(head.data()), head.size()});
    const auto end = size ? head.substr(0, *size).find('\n') : std::string::npos;
    if (end == std::string::npos) return out;
    std::vector<std::string> cells;
    const ml::CsvOptions options;
    const auto line = head.substr(0, end + 1);
    if (ml::CsvRecords(line, options).next(cells))
      for (const auto& cell : cells) out.push_back({cell, ""});
    return out;
  }
  return out;
}

Expected<std::unique_ptr<Sender>> make_lineage_sender(LineageSenderOptions options) {
  if (options.settings.url.starts_with("file:")) {
    const std::filesystem::path path = options.settings.url.substr(5);
    return std::unique_ptr<Sender>(std::make_unique<LineageFile>(std::move(options), path));
  }
  auto target = parse_post_target(options.settings.url);
  if (!target) return target.error();
  return std::unique_ptr<Sender>(
      std::make_unique<LineagePost>(std::move(options), *std::move(target)));
}

}  // namespace mlforge::actors
