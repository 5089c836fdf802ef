// export and import: the log as lines of JSON.
#include "gateway/transfer.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <iostream>

#include "events/checks.hpp"
#include "gateway/cli/folders.hpp"
#include "gateway/cli/groups.hpp"
#include "gateway/cli/import_mlflow.hpp"
#include "gateway/cli/output_file.hpp"
#include "gateway/cli/progress.hpp"
#include "storage/blob_place.hpp"

namespace mlforge::gateway::cli {
namespace {

struct ExportOptions {
  std::shared_ptr<ConfigFlags> flags;
  std::string from, to, stream, type, file, blobs;
  bool header = false;
};

struct ExportRow {
  std::uint64_t events = 0, blobs = 0, blob_bytes = 0, missing_blobs = 0;
  static constexpr auto fields() {
    return FieldList{field("events", &ExportRow::events), field("blobs", &ExportRow::blobs),
                     field("blob_bytes", &ExportRow::blob_bytes),
                     field("missing_blobs", &ExportRow::missing_blobs)};
  }
};

struct ImportRow {
  std::string folder;
  std::uint64_t events = 0;
  std::string log_id;
  std::uint64_t blobs = 0, blob_bytes = 0;
  static constexpr auto fields() {
    return FieldList{field("folder", &ImportRow::folder), field("events", &ImportRow::events),
                     field("log_id", &ImportRow::log_id), field("blobs", &ImportRow::blobs),
                     field("blob_bytes", &ImportRow::blob_bytes)};
  }
};

Expected<ExportRow> export_folder(const Session& s, const Config& config,
                                  const ExportOptions& options, std::ostream& out) {
  const auto log = look_at_folder(config);
  if (!log) return log.error();
  ExportRequest request{.from = 1, .to = (*log)->head(), .header = options.header};
  request.filter = event_filter(options.stream, options.type);
  if (!options.from.empty()) {
    const auto from = parse_start(**log, options.from, "from");
    if (!from) return from.error();
    request.from = *from;
  }
  if (!options.to.empty()) {
    const auto to = parse_moment(**log, options.to, "to");
    if (!to) return to.error();
    request.to = *to;
    if (request.from > request.to + 1) return invalid("from", "must not be after 'to'");
  }
  auto lines = Exporter::open(**log, request);
  if (!lines) return lines.error();
  ProgressBar bar(s.io, "exporting");
  for (std::string piece;;) {
    piece.clear();
    if (auto bad = lines->next(piece)) return *bad;
    if (piece.empty() || !(out << piece)) break;
    bar.update(lines->done(), lines->total());
  }
  bar.clear();
  ExportRow row{.events = lines->done()};
  if (options.blobs.empty() || !out) return row;
  const auto named = storage::blobs_named(**log, request.to);
  if (!named) return named.error();
  const auto from = storage::look_at_blobs(std::filesystem::path(config.data_dir) / "blobs",
                                           storage::environment_variable);
  if (!from) return from.error();
  const auto to = storage::open_local_blobs(options.blobs);
  if (!to) return to.error();
  ProgressBar blob_bar(s.io, "copying blobs");
  const auto copied =
      storage::copy_blobs(*named, **from, **to, [&](std::uint64_t done, std::uint64_t total) {
        blob_bar.update(done, total);
        return true;
      });
  blob_bar.clear();
  if (!copied) return copied.error();
  row.blobs = copied->blobs;
  row.blob_bytes = copied->bytes;
  row.missing_blobs = copied->missing;
  return row;
}

// Counts the lines that pass through, and tells a bar.
class CountingBuffer : public std::streambuf {
 public:
  CountingBuffer(std::streambuf& to, ProgressBar& bar, std::uint64_t total)
      : to_(to), bar_(bar), total_(total) {}
  std::uint64_t lines = 0;

 protected:
  std::streamsize xsputn(const char* text, std::streamsize n) override {
    lines += static_cast<std::uint64_t>(std::count(text, text + n, '\n'));
    bar_.update(lines, total_);
    return to_.sputn(text, n);
  }
  int_type overflow(int_type c) override {
    lines += c == '\n';
    return to_.sputc(static_cast<char>(c));
  }

 private:
  std::streambuf& to_;
  ProgressBar& bar_;
  std::uint64_t total_;
};

struct Head {
  Position position = 0;
  static constexpr auto fields() { return FieldList{field("position", &Head::position)}; }
};

Expected<ExportRow> export_server(const Session& s, const ExportOptions& options,
                                  std::ostream& out) {
  if (!options.blobs.empty())
    return Error{ErrorCode::invalid_argument,
                 "--blobs copies from a folder: name it with --data, or let the server make a "
                 "backup ('mlforge backup')",
                 "blobs"};
  Query query;
  query.add("from", options.from).add("to", options.to);
  query.add("stream", options.stream).add("type", options.type);
  if (options.header) query.add("header", "1");
  Api api = s.api();
  // Only a whole log says beforehand how many lines it has; a part of it has no bar.
  std::uint64_t total = 0;
  if (s.io.err_is_terminal && query.text().empty())
    if (const auto head = api.get_as<Head>("/api/v1/info")) total = head->value.position;
  ProgressBar bar(s.io, "exporting");
  CountingBuffer counter(*out.rdbuf(), bar, total);
  std::ostream counted(&counter);
  const auto bad = api.download("/api/v1/events/export" + query.text(), counted);
  bar.clear();
  if (bad) return *bad;
  return ExportRow{.events = counter.lines - (options.header ? 1 : 0)};
}

int export_lines(const Session& s, const ExportOptions& options) {
  const bool local = !options.flags->values.empty();
  auto file = OutputFile::open(s.io, options.file);
  if (!file) return s.fail(file.error());
  std::ostream& out = file->stream();
  Expected<ExportRow> row = Error{};
  if (local) {
    const auto loaded = s.load(*options.flags);
    if (!loaded) return s.fail(loaded.error());
    row = export_folder(s, loaded->config, options, out);
  } else {
    row = export_server(s, options, out);
  }
  if (!row) return s.fail(row.error());
  if (auto bad = file->keep()) return s.fail(*bad);
  if (row->missing_blobs)
    s.note(fmt::format("{} files that events name are not in the store", row->missing_blobs));
  if (s.json && !options.file.empty())
    s.line(to_json(*row));
  else
    s.note(fmt::format("{} events exported", row->events) +
           (row->blobs
                ? fmt::format(", {} blobs ({}) copied", row->blobs, bytes_text(row->blob_bytes))
                : ""));
  return row->missing_blobs ? kFindings : kOk;
}

int import_file(const Session& s, const Config& config, const std::string& file,
                ImportOptions options) {
  options.folder = config.data_dir;
  options.map_bytes = std::size_t{config.log_map_gib} << 30;
  ProgressBar bar(s.io, "importing");
  std::error_code failed;
  const auto size = std::filesystem::file_size(file, failed);
  CountingFile counting(file, failed ? 0 : size, bar);
  if (file != "-" && !counting.is_open())
    return s.fail({ErrorCode::not_found, "there is no file " + file + " to read", "file"});
  std::istream lines(&counting);
  const auto report = import_lines(file == "-" ? s.io.in : lines, options);
  bar.clear();
  if (!report) return s.fail(report.error());
  const ImportRow row{config.data_dir, report->events, to_string(report->log_id),
                      report->blobs.blobs, report->blobs.bytes};
  if (s.json)
    s.line(to_json(row));
  else
    s.facts({{"folder", row.folder},
             {"events", std::to_string(row.events)},
             {"log id", row.log_id},
             {"blobs",
              row.blobs ? fmt::format("{} ({})", row.blobs, bytes_text(row.blob_bytes)) : ""}});
  if (report->blobs.missing == 0) return kOk;
  s.note(fmt::format("{} files that events name are not there, the first is {}",
                     report->blobs.missing, report->blobs.first_missing));
  return kFindings;
}

void add_import(CLI::App& root, Session& s) {
  struct Options {
    std::shared_ptr<ConfigFlags> flags;
    std::string file, blobs;
    bool keep_log_id = false;
  };
  const auto o = std::make_shared<Options>();
  const auto run = [&s, o] {
    if (o->file.empty())
      return s.fail({ErrorCode::invalid_argument,
                     "name the file of exported lines (- reads stdin), or 'mlflow' and what to "
                     "bring over from there",
                     "file"});
    const auto loaded = s.load(*o->flags);
    if (!loaded) return s.fail(loaded.error());
    return import_file(s, loaded->config, o->file,
                       {.blobs = o->blobs, .keep_log_id = o->keep_log_id});
  };
  auto* c = s.command(root, "import", "Make a new data folder out of exported lines",
                      "  mlforge import log.jsonl --data ./copy\n"
                      "  mlforge import log.jsonl --data ./copy --blobs ./blobs --keep-log-id\n"
                      "  mlforge import mlflow sqlite:///mlflow.db",
                      run);
  c->add_option("file", o->file, "Lines of 'mlforge export'; - reads stdin");
  o->flags = s.add_config(*c, {"data_dir", "log_map_gib"});
  c->add_option("--blobs", o->blobs, "Take the blobs from this folder of 'mlforge export --blobs'")
      ->type_name("DIR");
  c->add_flag("--keep-log-id", o->keep_log_id,
              "The id of the log that was exported, from its --header; else a new one");
  add_import_mlflow(*c, s);
}

}  // namespace

Expected<std::unique_ptr<storage::LmdbLog>> open_folder(const Config& config) {
  // Opening would create a log where there is none; this only looks.
  if (auto there = storage::DataFolder::open_existing(config.data_dir); !there)
    return there.error();
  storage::LmdbLogOptions options;
  options.map_bytes = std::size_t{config.log_map_gib} << 30;
  return storage::open_lmdb_log(config.data_dir, options);
}

Expected<std::unique_ptr<storage::ReadOnlyLog>> look_at_folder(const Config& config) {
  return storage::ReadOnlyLog::open(config.data_dir, std::size_t{config.log_map_gib} << 30);
}

void add_transfer_commands(CLI::App& root, Session& s) {
  const auto o = std::make_shared<ExportOptions>();
  auto* c = s.remote(root, "export", "Write the log as lines of JSON, byte for byte restorable",
                     "  mlforge export -o log.jsonl\n"
                     "  mlforge export --data ./mlforge-data --blobs ./blobs -o log.jsonl\n"
                     "  mlforge export --type 'model.*' --from 2026-11-21T00:00:00Z",
                     [&s, o] { return export_lines(s, *o); });
  o->flags = s.add_config(*c, {"data_dir"});
  c->add_option("--from", o->from, "First position, or an RFC 3339 time")->type_name("WHEN");
  c->add_option("--to", o->to, "Last position, or an RFC 3339 time")->type_name("WHEN");
  c->add_option("--stream", o->stream, "A stream, or its start with *: 'run/*'");
  c->add_option("--type", o->type, "A type, or its start with *: 'run.*'");
  c->add_option("-o,--output", o->file, "Write to this file")->type_name("FILE");
  c->add_option("--blobs", o->blobs, "Copy the blobs that events name to this folder")
      ->type_name("DIR");
  c->add_flag("--header", o->header, "Begin with a line that holds the log's id");
  add_import(root, s);
}

}  // namespace mlforge::gateway::cli
