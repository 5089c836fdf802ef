// dataset: upload, stage, commit, read back.
#include <filesystem>

#include "events/dataset.hpp"
#include "gateway/cli/groups.hpp"
#include "gateway/cli/progress.hpp"
#include "projections/queries.hpp"

namespace mlforge::gateway::cli {
namespace dataset_group {
namespace {

namespace fs = std::filesystem;
using projections::DatasetRow;
using projections::DatasetVersionRow;

const std::string kDatasets = "/api/v1/datasets";

struct Options {
  std::string name, source, message, path, as_of;
  std::vector<std::string> files;
  std::uint64_t version = 0;  // 0: the newest
  ListOptions list;
};

std::uint64_t newest(const DatasetRow& row) {
  std::uint64_t version = 0;
  for (const auto& each : row.versions) version = std::max(version, each.version);
  return version;
}

struct StoredRow {
  std::string path, digest;
  std::uint64_t bytes = 0;
  bool stored = false;
  Position position = 0;
  static constexpr auto fields() {
    return FieldList{field("path", &StoredRow::path), field("digest", &StoredRow::digest),
                     field("bytes", &StoredRow::bytes), field("stored", &StoredRow::stored),
                     field("position", &StoredRow::position)};
  }
};

struct LocalFile {
  fs::path local;
  std::string remote;  // its path in the dataset
};

// A folder stands for all files in it, in order, with paths relative to it.
Expected<std::vector<LocalFile>> collect(const Options& options) {
  std::vector<LocalFile> out;
  for (const auto& text : options.files) {
    std::error_code bad;
    const fs::path path = text;
    if (fs::is_directory(path, bad)) {
      const auto before = out.size();
      for (const auto& each : fs::recursive_directory_iterator(path, bad))
        if (each.is_regular_file())
          out.push_back({each.path(), each.path().lexically_relative(path).generic_string()});
      std::sort(out.begin() + static_cast<std::ptrdiff_t>(before), out.end(),
                [](const auto& a, const auto& b) { return a.remote < b.remote; });
    } else if (fs::is_regular_file(path, bad)) {
      out.push_back({path, path.filename().generic_string()});
    } else {
      return Error{ErrorCode::not_found, "there is no file '" + text + "'", "file"};
    }
  }
  if (!options.path.empty()) {
    if (out.size() != 1)
      return Error{ErrorCode::invalid_argument, "--path names one file, so give one", "path"};
    out.front().remote = options.path;
  }
  return out;
}

int add(const Session& s, const Options& options) {
  const auto files = collect(options);
  if (!files) return s.fail(files.error());
  Api api = s.api();
  Query query;
  query.add("source", options.source);
  Table table({{"PATH"}, {"BYTES", true}, {"SHA-256"}, {"STORED"}});
  std::string rows;
  for (const auto& file : *files) {
    const auto size = fs::file_size(file.local);
    ProgressBar bar(s.io, file.remote);
    CountingFile buffer(file.local.string(), size, bar);
    if (!buffer.is_open())
      return s.fail({ErrorCode::forbidden, "cannot read '" + file.local.string() + "'", "file"});
    std::istream in(&buffer);
    const auto answer = api.upload(kDatasets + "/" + escape(options.name) + "/files/" +
                                       escape_path(file.remote) + query.text(),
                                   in, size);
    if (!answer) return s.fail(answer.error());
    const auto row = from_json<StoredRow>(*answer, Unknown::skip);
    if (!row) return s.fail(row.error());
    rows += (rows.empty() ? "" : ",") + *answer;
    table.row({row->path, bytes_text(row->bytes), row->digest.substr(0, 16),
               row->stored ? "yes" : "no, known bytes"});
  }
  if (s.json)
    s.line("{\"files\":[" + rows + "]}");
  else
    s.table(table);
  return kOk;
}

void print_checks(const Session& s, const std::vector<Check>& checks) {
  Table table({{"CHECK"}, {"COLUMN"}, {"OBSERVED"}, {"EXPECTED"}, {"RESULT"}});
  for (const auto& c : checks)
    table.row({c.name, c.column, c.observed, c.expected, c.passed ? "passed" : "failed"});
  s.section(table);
}

int commit(const Session& s, const Options& options) {
  const auto answer =
      s.api().post_as<DatasetVersionRow>(kDatasets + "/" + escape(options.name) + "/commits",
                                         to_json(CommitDataset{.message = options.message}));
  const int code = s.show(answer, [&](const DatasetVersionRow& row) {
    s.facts({{"dataset", options.name},
             {"version", std::to_string(row.version)},
             {"digest", row.digest},
             {"rows", std::to_string(row.rows)},
             {"columns", std::to_string(row.columns)},
             {"valid", row.valid.value_or(false) ? "yes" : "no"}});
    print_checks(s, row.checks);
  });
  return code == kOk && !answer->value.valid.value_or(true) ? kFindings : code;
}

int list(const Session& s, const Options& options) {
  return show_page(
      s, s.api().get_as<projections::Page<DatasetRow>>(kDatasets + options.list.query().text()),
      Table({{"NAME"}, {"VERSION", true}, {"CREATED"}, {"BY"}, {"SOURCE"}}),
      "there are no datasets", [](Table& table, const DatasetRow& row) {
        table.row({row.name, row.versions.empty() ? "-" : std::to_string(newest(row)),
                   time_text(row.created_time), row.actor, row.source});
      });
}

void print_files(const Session& s, const std::vector<FileRef>& files) {
  Table table({{"FILE"}, {"BYTES", true}, {"SHA-256"}});
  for (const auto& file : files)
    table.row({file.path, bytes_text(file.bytes), file.digest.substr(0, 16)});
  s.section(table);
}

int show_version(const Session& s, const Options& options) {
  Query query;
  query.add("as_of", options.as_of);
  return s.show(
      s.api().get_as<DatasetVersionRow>(kDatasets + "/" + escape(options.name) + "/versions/" +
                                        std::to_string(options.version) + query.text()),
      [&](const DatasetVersionRow& row) {
        s.facts({{"dataset", options.name},
                 {"version", std::to_string(row.version)},
                 {"message", row.message},
                 {"digest", row.digest},
                 {"created", time_text(row.created_time) + " by " + row.actor},
                 {"rows", std::to_string(row.rows)},
                 {"columns", std::to_string(row.columns)},
                 {"valid", !row.valid   ? "not checked"
                           : *row.valid ? "yes"
                                        : "no"}});
        print_files(s, row.files);
        print_checks(s, row.checks);
      });
}

int show(const Session& s, const Options& options) {
  if (options.version) return show_version(s, options);
  Query query;
  query.add("as_of", options.as_of);
  return s.show(
      s.api().get_as<DatasetRow>(kDatasets + "/" + escape(options.name) + query.text()),
      [&](const DatasetRow& row) {
        std::vector<std::string> staged;
        for (const auto& file : row.staged) staged.push_back(file.path);
        s.facts({{"dataset", row.name},
                 {"source", row.source},
                 {"created", time_text(row.created_time) + " by " + row.actor},
                 {"staged", join_text(staged)},
                 {"removed", join_text(row.removed)}});
        Table table({{"VERSION", true},
                     {"ROWS", true},
                     {"COLUMNS", true},
                     {"VALID"},
                     {"CREATED"},
                     {"BY"},
                     {"MESSAGE"}});
        for (const auto& v : row.versions)
          table.row({std::to_string(v.version), std::to_string(v.rows), std::to_string(v.columns),
                     !v.valid   ? "-"
                     : *v.valid ? "yes"
                                : "no",
                     time_text(v.created_time), v.actor, v.message});
        s.section(table);
      });
}

int cat(const Session& s, const Options& options) {
  Api api = s.api();
  auto version = options.version;
  if (version == 0) {
    const auto row = api.get_as<DatasetRow>(kDatasets + "/" + escape(options.name));
    if (!row) return s.fail(row.error());
    version = newest(row->value);
    if (version == 0)
      return s.fail({ErrorCode::not_found,
                     "dataset '" + options.name + "' has no version yet: commit one", "version"});
  }
  const auto bad = api.download(kDatasets + "/" + escape(options.name) + "/versions/" +
                                    std::to_string(version) + "/files/" + escape_path(options.path),
                                s.io.out);
  return bad ? s.fail(*bad) : kOk;
}

int remove(const Session& s, const Options& options) {
  const auto answer = s.api().send(
      http::Method::delete_,
      kDatasets + "/" + escape(options.name) + "/files/" + escape_path(options.path), "");
  if (!answer) return s.fail(answer.error());
  if (s.json)
    s.line(*answer);
  else
    s.note("'" + options.path + "' is left out of the next version of '" + options.name + "'");
  return kOk;
}

}  // namespace
}  // namespace dataset_group

void add_dataset_commands(CLI::App& root, Session& s) {
  using namespace dataset_group;
  auto* group = s.group(root, "dataset", "Data that models are trained on, in versions");
  const auto o = std::make_shared<Options>();
  const auto named = [&](const char* name, const char* description, const char* examples,
                         int (*run)(const Session&, const Options&)) {
    auto* c = s.remote(*group, name, description, examples, [&s, o, run] { return run(s, *o); });
    c->add_option("dataset", o->name, "Name of the dataset")->required();
    return c;
  };
  auto* c = named("add", "Upload files and stage them for the next version",
                  "  mlforge dataset add adult ./adult/ ops/demo/schema.yaml\n"
                  "  mlforge dataset add adult ./new.csv --path adult.csv --source 'export of May'",
                  add);
  c->add_option("file", o->files, "Files; a folder stands for all in it")->required();
  c->add_option("--path", o->path, "Path in the dataset, for one file");
  c->add_option("--source", o->source, "Where the data comes from");
  c = named("commit", "Check what is staged and make it a version (6: checks failed)",
            "  mlforge dataset commit adult -m 'all rows of 1994'", commit);
  c->add_option("-m,--message", o->message, "What this version is");
  c = s.remote(*group, "list", "All datasets", "  mlforge dataset list",
               [&s, o] { return list(s, *o); });
  o->list.add_to(*c);
  c = named("show", "A dataset with its versions, or one version with its checks",
            "  mlforge dataset show adult\n  mlforge dataset show adult --version 1", show);
  c->add_option("--version", o->version, "One version")->type_name("N");
  add_as_of(*c, o->as_of);
  c = named("cat", "The bytes of a file, to stdout",
            "  mlforge dataset cat adult adult.data | head", cat);
  c->add_option("path", o->path, "Path in the dataset")->required();
  c->add_option("--version", o->version, "Of this version (default: the newest)")->type_name("N");
  c = named("remove", "Leave a file out of the next version",
            "  mlforge dataset remove adult old.csv", remove);
  c->add_option("path", o->path, "Path in the dataset")->required();
}

}  // namespace mlforge::gateway::cli
