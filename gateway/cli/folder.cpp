// verify and rebuild: work on a data folder that no server has open.
#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <iterator>

#include "gateway/cli/groups.hpp"
#include "gateway/cli/progress.hpp"
#include "gateway/cli/verify_views.hpp"
#include "projections/open_views.hpp"
#include "storage/base64.hpp"
#include "storage/blob_place.hpp"
#include "storage/cursor_store.hpp"
#include "storage/lmdb_log.hpp"
#include "storage/proof_file.hpp"
#include "storage/verify.hpp"
#include "storage/verify_blobs.hpp"
#include "storage/verify_subject_keys.hpp"

namespace mlforge::gateway::cli {
namespace {

struct VerifyRow {
  bool ok = false;
  std::uint64_t events = 0;
  Position first_bad_position = 0;
  std::string what;
  bool index_checked = false;
  std::uint64_t blobs = 0, blob_bytes = 0;
  std::vector<std::string> damaged_blobs;
  std::string blobs_not_checked;  // where they lie, if not in this folder
  std::uint64_t missing_blobs = 0, damaged_keys = 0;
  bool damaged_cursors = false;
  bool views_checked = false;
  std::vector<std::string> damaged_views;  // projections
  double seconds = 0;
  bool tree_checked = false;
  std::uint64_t expired = 0;
  std::string root;
  std::uint64_t checkpoint_size = 0;
  std::string signed_by;
  bool pinned = false;
  static constexpr auto fields() {
    return FieldList{field("ok", &VerifyRow::ok),
                     field("events", &VerifyRow::events),
                     field("first_bad_position", &VerifyRow::first_bad_position),
                     field("what", &VerifyRow::what),
                     field("index_checked", &VerifyRow::index_checked),
                     field("blobs", &VerifyRow::blobs),
                     field("blob_bytes", &VerifyRow::blob_bytes),
                     field("damaged_blobs", &VerifyRow::damaged_blobs),
                     field("blobs_not_checked", &VerifyRow::blobs_not_checked),
                     field("missing_blobs", &VerifyRow::missing_blobs),
                     field("damaged_keys", &VerifyRow::damaged_keys),
                     field("damaged_cursors", &VerifyRow::damaged_cursors),
                     field("views_checked", &VerifyRow::views_checked),
                     field("damaged_views", &VerifyRow::damaged_views),
                     field("seconds", &VerifyRow::seconds),
                     field("tree_checked", &VerifyRow::tree_checked),
                     field("root", &VerifyRow::root),
                     field("checkpoint_size", &VerifyRow::checkpoint_size),
                     field("signed_by", &VerifyRow::signed_by),
                     field("pinned", &VerifyRow::pinned),
                     field("expired", &VerifyRow::expired)};
  }
};

// Adds to the row what the content store holds.
Status verify_blobs(const Session& s, const std::string& folder, VerifyRow& row) {
  const auto remote = storage::remote_blobs(std::filesystem::path(folder) / "blobs");
  if (!remote) return remote.error();
  row.blobs_not_checked = *remote;
  if (!remote->empty()) return {};
  ProgressBar bar(s.io, "verifying blobs");
  auto report = storage::verify_blobs(
      std::filesystem::path(folder) / "blobs",
      [&](std::uint64_t done, std::uint64_t total) { bar.update(done, total); });
  bar.clear();
  if (!report) return report.error();
  row.blobs = report->blobs;
  row.blob_bytes = report->bytes;
  row.damaged_blobs = std::move(report->damaged);
  row.ok = row.ok && row.damaged_blobs.empty();
  if (row.what.empty() && !row.ok)
    row.what = fmt::format(
        "{} of {} blobs do not match their digest: upload them again, or restore "
        "them from a backup.",
        row.damaged_blobs.size(), row.blobs);
  return {};
}

// The same for the keys of subjects. A folder without them, as backups are, is whole.
Status verify_subject_keys(const std::string& folder, VerifyRow& row) {
  const auto damaged =
      storage::count_damaged_keys(std::filesystem::path(folder) / "keys" / "subjects.keys");
  if (!damaged) return damaged.error();
  row.damaged_keys = *damaged;
  row.ok = row.ok && *damaged == 0;
  if (row.what.empty() && *damaged > 0)
    row.what = fmt::format(
        "{} slots of keys/subjects.keys are damaged: what those keys encrypted reads as erased. "
        "Restore the file, or take its keys from a copy with 'mlforge subjects import-keys'.",
        *damaged);
  return {};
}

// And for the cursors of subscriptions.
Status verify_cursors(const std::string& folder, VerifyRow& row) {
  const auto opened = storage::DataFolder::open_existing(folder);
  if (!opened) return opened.error();
  const auto damage =
      storage::verify_cursors(opened->path() / "subscriptions", opened->format().log_id);
  if (!damage) return damage.error();
  row.damaged_cursors = !damage->empty();
  row.ok = row.ok && damage->empty();
  if (row.what.empty()) row.what = *damage;
  return {};
}

// And, where that is asked for, for the read models.
Status verify_read_models(const Session& s, const std::string& folder, VerifyRow& row) {
  ProgressBar bar(s.io, "verifying read models");
  auto report = verify_views(folder);
  bar.clear();
  if (!report) return report.error();
  row.views_checked = report->checked;
  row.damaged_views = std::move(report->damaged);
  row.ok = row.ok && report->what.empty();
  if (row.what.empty()) row.what = report->what;
  return {};
}

struct VerifyOptions {
  std::shared_ptr<ConfigFlags> flags;
  std::string path, key;
  bool read_models = false;
};

using Key = std::optional<storage::VerifierKey>;

std::string signature_text(const std::string& signed_by, bool pinned) {
  if (signed_by.empty()) return "none";
  return "by key " + signed_by +
         (pinned ? ", which the given key vouches for" : "; who that is, only --key can tell");
}

struct ProofRow {
  bool ok = false;
  std::string kind, claim, what, tenant, stream;
  Position first_bad_position = 0;
  std::uint64_t events = 0, checkpoint_size = 0, from_size = 0;
  std::string root, from_root;
  bool from_signed = false;
  std::string origin, signed_by;
  bool pinned = false;
  static constexpr auto fields() {
    return FieldList{field("ok", &ProofRow::ok),
                     field("kind", &ProofRow::kind),
                     field("claim", &ProofRow::claim),
                     field("what", &ProofRow::what),
                     field("tenant", &ProofRow::tenant),
                     field("stream", &ProofRow::stream),
                     field("first_bad_position", &ProofRow::first_bad_position),
                     field("events", &ProofRow::events),
                     field("checkpoint_size", &ProofRow::checkpoint_size),
                     field("root", &ProofRow::root),
                     field("from_size", &ProofRow::from_size),
                     field("from_root", &ProofRow::from_root),
                     field("from_signed", &ProofRow::from_signed),
                     field("origin", &ProofRow::origin),
                     field("signed_by", &ProofRow::signed_by),
                     field("pinned", &ProofRow::pinned)};
  }
};

int verify_proof_file(const Session& s, const std::string& path, const Key& key) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return s.fail({ErrorCode::not_found, "the file " + path + " cannot be read", ""});
  const std::string text(std::istreambuf_iterator<char>(in), {});
  const auto report = storage::verify_proof(text, key);
  if (!report) return s.fail(report.error());
  const ProofRow row{.ok = report->what.empty(),
                     .kind = report->kind,
                     .claim = report->claim,
                     .what = report->what,
                     .tenant = report->tenant,
                     .stream = report->stream,
                     .first_bad_position = report->first_bad_position,
                     .events = report->events,
                     .checkpoint_size = report->checkpoint.size,
                     .from_size = report->from_size,
                     .root = storage::to_base64(report->checkpoint.root.bytes),
                     .from_root = report->from_root,
                     .from_signed = report->from_signed,
                     .origin = report->checkpoint.origin,
                     .signed_by = report->signed_by,
                     .pinned = report->pinned};
  if (s.json)
    s.line(to_json(row));
  else
    s.facts({{"result", row.ok ? "ok" : "wrong"},
             {"proven", row.claim},
             {"finding", row.what},
             {"first bad position",
              row.first_bad_position ? std::to_string(row.first_bad_position) : ""},
             {"log", row.origin},
             {"signed", signature_text(row.signed_by, row.pinned)}});
  return row.ok ? kOk : kFindings;
}

int verify_folder(const Session& s, const std::string& folder, const Key& key, bool read_models) {
  const auto start = std::chrono::steady_clock::now();
  ProgressBar bar(s.io, "verifying");
  const auto report = storage::verify_log(
      folder, [&](std::uint64_t done, std::uint64_t total) { bar.update(done, total); }, key);
  bar.clear();
  if (!report) return s.fail(report.error());
  VerifyRow row{.ok = report->what.empty(),
                .events = report->events,
                .first_bad_position = report->first_bad_position,
                .what = report->what,
                .index_checked = report->index_checked,
                .missing_blobs = report->missing_blobs,
                .tree_checked = report->tree_checked,
                .expired = report->expired,
                .root = report->root,
                .checkpoint_size = report->checkpoint_size,
                .signed_by = report->signed_by,
                .pinned = report->pinned};
  if (auto bad = verify_blobs(s, folder, row)) return s.fail(*bad);
  if (auto bad = verify_subject_keys(folder, row)) return s.fail(*bad);
  if (auto bad = verify_cursors(folder, row)) return s.fail(*bad);
  if (read_models && row.ok)
    if (auto bad = verify_read_models(s, folder, row)) return s.fail(*bad);
  row.seconds = seconds_since(start);
  if (s.json)
    s.line(to_json(row));
  else
    s.facts(
        {{"events", std::to_string(row.events)},
         {"result", row.ok ? "ok" : "damaged"},
         {"dropped by retention", row.expired ? std::to_string(row.expired) : ""},
         {"first bad position",
          row.first_bad_position ? std::to_string(row.first_bad_position) : ""},
         {"finding", row.what},
         {"index", row.index_checked ? "checked" : "not there: made anew at the next start"},
         {"blobs", row.blobs_not_checked.empty()
                       ? fmt::format("{} ({} bytes)", row.blobs, row.blob_bytes)
                       : "at " + row.blobs_not_checked +
                             ": not looked at here; each is checked when it is read"},
         {"damaged blobs", fmt::format("{}", fmt::join(row.damaged_blobs, ", "))},
         {"missing blobs",
          row.missing_blobs
              ? fmt::format("{} files that events name are not in this folder", row.missing_blobs)
              : ""},
         {"read models", read_models ? row.views_checked ? "compared with the log"
                                                         : "not there: made anew at the next start"
                                     : ""},
         {"damaged read models", fmt::format("{}", fmt::join(row.damaged_views, ", "))},
         {"tree", row.tree_checked ? "checked" : "not there: made anew at the next start"},
         {"root", row.root},
         {"checkpoint", row.checkpoint_size
                            ? fmt::format("of {} events, signed {}", row.checkpoint_size,
                                          signature_text(row.signed_by, row.pinned))
                            : ""},
         {"seconds", fmt::format("{:.2f}", row.seconds)}});
  return row.ok ? kOk : kFindings;
}

// A proof file or a data folder.
int verify(const Session& s, const Config& config, const VerifyOptions& o) {
  Key key;
  if (!o.key.empty()) {
    auto parsed = storage::parse_verifier_key(o.key);
    if (!parsed) return s.fail(parsed.error());
    key = *std::move(parsed);
  }
  std::error_code ignored;
  const std::string what = o.path.empty() ? config.data_dir : o.path;
  return std::filesystem::is_regular_file(what, ignored)
             ? verify_proof_file(s, what, key)
             : verify_folder(s, what, key, o.read_models);
}

struct RebuiltRow {
  std::string name;
  std::uint64_t events = 0;
  std::string digest_before, digest_after;
  bool equal = false;
  static constexpr auto fields() {
    return FieldList{field("name", &RebuiltRow::name), field("events", &RebuiltRow::events),
                     field("digest_before", &RebuiltRow::digest_before),
                     field("digest_after", &RebuiltRow::digest_after),
                     field("equal", &RebuiltRow::equal)};
  }
};

struct RebuildReport {
  std::uint64_t events = 0;
  double seconds = 0, events_per_second = 0;
  double cpu_seconds = 0;  // of the process meanwhile
  std::vector<RebuiltRow> projections;
  static constexpr auto fields() {
    return FieldList{field("events", &RebuildReport::events),
                     field("seconds", &RebuildReport::seconds),
                     field("events_per_second", &RebuildReport::events_per_second),
                     field("cpu_seconds", &RebuildReport::cpu_seconds),
                     field("projections", &RebuildReport::projections)};
  }
};

double cpu_seconds() {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

// Makes the named projections anew in `fresh`, all in one pass over the log.
Expected<std::unique_ptr<projections::ProjectionEngine>> rebuild_into(
    const Session& s, const storage::Log& log, projections::ViewStore& fresh,
    const std::vector<std::string>& names, RebuildReport& report) {
  auto wanted = projections::all_projections();
  std::erase_if(wanted, [&](const auto& each) {
    return std::find(names.begin(), names.end(), each->name()) == names.end();
  });
  auto engine = projections::ProjectionEngine::open(log, fresh, std::move(wanted));
  if (!engine) return engine.error();
  const auto start = std::chrono::steady_clock::now();
  const double cpu = cpu_seconds();
  ProgressBar bar(s.io, "rebuilding");
  if (auto bad = (*engine)->rebuild(
          "", [&](Position reached, Position head) { bar.update(reached, head); }))
    return *bad;
  report.seconds = seconds_since(start);
  report.cpu_seconds = cpu_seconds() - cpu;
  if (report.seconds > 0)
    report.events_per_second = static_cast<double>(report.events) / report.seconds;
  for (const auto& status : (*engine)->statuses())
    if (status.failed)
      return Error{ErrorCode::internal,
                   "projection '" + status.name + "' failed at event " +
                       std::to_string(status.failed_at) + ": " + status.error,
                   "projection"};
  return engine;
}

Expected<RebuiltRow> compare(const projections::ProjectionEngine& old,
                             const projections::ProjectionEngine& fresh, const std::string& name,
                             std::uint64_t events) {
  const auto before = old.digest(name);
  if (!before) return before.error();
  const auto after = fresh.digest(name);
  if (!after) return after.error();
  return RebuiltRow{name, events, *before, *after, *before == *after};
}

Expected<std::vector<std::string>> wanted_names(const projections::ProjectionEngine& engine,
                                                const std::string& wanted) {
  std::vector<std::string> names;
  std::string list;
  for (const auto& status : engine.statuses()) {
    list += (list.empty() ? "" : ", ") + status.name;
    if (wanted.empty() || status.name == wanted) names.push_back(status.name);
  }
  if (!names.empty()) return names;
  return Error{ErrorCode::not_found,
               "there is no projection named '" + wanted + "'; there are " + list, "projection"};
}

// The old views are brought up to the head first, so that the digests before and after are of the
// same events. The new ones are made beside them and take their place when all is done: what goes
// wrong on the way, such as a damaged record, costs nothing.
Expected<RebuildReport> rebuild_views(const Session& s, const storage::Log& log,
                                      const std::filesystem::path& folder,
                                      const std::string& wanted) {
  auto old = projections::open_views(log, folder);
  if (!old) return old.error();
  if (old->behind) return *old->behind;
  const auto names = wanted_names(*old->engine, wanted);
  if (!names) return names.error();
  const auto beside = projections::fresh_views_folder(folder);
  if (!wanted.empty())
    if (auto bad = projections::copy_views(*old->store, beside)) return *bad;
  auto fresh = projections::ViewStore::open(beside);
  if (!fresh) return fresh.error();
  RebuildReport report{.events = log.head()};
  {
    const auto engine = rebuild_into(s, log, **fresh, *names, report);
    if (!engine) return engine.error();
    for (const auto& name : *names) {
      auto row = compare(*old->engine, **engine, name, report.events);
      if (!row) return row.error();
      report.projections.push_back(*std::move(row));
    }
  }
  old->engine.reset();
  if (auto bad = old->store->close()) return *bad;
  if (auto bad = (*fresh)->close()) return *bad;
  if (auto bad = projections::replace_views(folder, beside)) return *bad;
  return report;
}

Expected<RebuildReport> rebuild_folder(const Session& s, const Config& config,
                                       const std::string& wanted) {
  const std::filesystem::path folder = config.data_dir;
  // Opening would create a log where there is none; this only looks.
  if (auto there = storage::DataFolder::open_existing(folder); !there) return there.error();
  storage::LmdbLogOptions options;
  options.map_bytes = std::size_t{config.log_map_gib} << 30;
  auto log = storage::open_lmdb_log(folder, options);
  if (!log) return log.error();
  auto report = rebuild_views(s, **log, folder / "views", wanted);
  if (!report) {
    std::error_code ignored;
    std::filesystem::remove_all(projections::fresh_views_folder(folder / "views"), ignored);
    return report;
  }
  if (auto bad = (*log)->close()) return *bad;
  return report;
}

int rebuild(const Session& s, const Config& config, const std::string& wanted) {
  const auto report = rebuild_folder(s, config, wanted);
  if (!report) return s.fail(report.error());
  bool equal = true;
  Table table({{"PROJECTION"}, {"EVENTS", true}, {"DIGEST BEFORE"}, {"DIGEST AFTER"}, {"EQUAL"}});
  for (const auto& row : report->projections) {
    equal = equal && row.equal;
    table.row({row.name, std::to_string(row.events), row.digest_before.substr(0, 16),
               row.digest_after.substr(0, 16), row.equal ? "yes" : "no"});
  }
  if (s.json) {
    s.line(to_json(*report));
  } else {
    s.table(table);
    s.line(fmt::format("{} events in {:.3f} s ({:.3f} s of CPU), {:.0f} events/s", report->events,
                       report->seconds, report->cpu_seconds, report->events_per_second));
  }
  return equal ? kOk : kFindings;
}

}  // namespace

void add_folder_commands(CLI::App& root, Session& s) {
  struct Options {
    std::shared_ptr<ConfigFlags> flags;
    std::string projection;
  };
  const auto v = std::make_shared<VerifyOptions>();
  auto* c = s.command(
      root, "verify",
      "Check a proof file, or every record and every blob of a folder that no server has open",
      "  mlforge verify ./mlforge-data\n  mlforge verify event.json --key \"$KEY\"\n"
      "  mlforge verify --json",
      [&s, v] {
        const auto loaded = s.load(*v->flags);
        return loaded ? verify(s, loaded->config, *v) : s.fail(loaded.error());
      });
  c->add_option("path", v->path, "A proof file or a data folder; without it, the one of --data")
      ->type_name("FILE|DIR");
  c->add_option("--key", v->key, "The verifier key that is trusted: name+hash+base64")
      ->type_name("KEY");
  c->add_flag("--read-models", v->read_models,
              "Make the read models anew, in a temporary folder, and compare");
  v->flags = s.add_config(*c, {"data_dir"});

  const auto r = std::make_shared<Options>();
  c = s.command(
      root, "rebuild", "Make the read models anew from the log, and compare",
      "  mlforge rebuild --data ./mlforge-data\n  mlforge rebuild --projection runs --json",
      [&s, r] {
        const auto loaded = s.load(*r->flags);
        return loaded ? rebuild(s, loaded->config, r->projection) : s.fail(loaded.error());
      });
  r->flags = s.add_config(*c, {"data_dir", "log_map_gib"});
  c->add_option("--projection", r->projection, "Only this one")->type_name("NAME");
}

}  // namespace mlforge::gateway::cli
