// archive, retention and compact: where old bodies are, and how long.
#include <fmt/format.h>

#include "gateway/archiving.hpp"
#include "gateway/cli/folders.hpp"
#include "gateway/cli/groups.hpp"
#include "gateway/cli/progress.hpp"
#include "storage/compact.hpp"

namespace mlforge::gateway::cli {
namespace archive_group {
namespace {

struct ArchiveRow {
  Position position = 0, archived = 0;
  std::uint64_t events = 0, segments = 0, raw_bytes = 0, file_bytes = 0;
  static constexpr auto fields() {
    return FieldList{
        field("position", &ArchiveRow::position),   field("archived", &ArchiveRow::archived),
        field("events", &ArchiveRow::events),       field("segments", &ArchiveRow::segments),
        field("raw_bytes", &ArchiveRow::raw_bytes), field("file_bytes", &ArchiveRow::file_bytes)};
  }
};

// What a server answers.
struct ServerRow {
  Position position = 0, archived = 0, target = 0;
  std::string state;
  std::uint64_t segments = 0, segment_bytes = 0;
  static constexpr auto fields() {
    return FieldList{
        field("position", &ServerRow::position), field("archived", &ServerRow::archived),
        field("target", &ServerRow::target),     field("state", &ServerRow::state),
        field("segments", &ServerRow::segments), field("segment_bytes", &ServerRow::segment_bytes)};
  }
};

struct RetentionRow {
  std::string kind, keep, before;
  Position up_to = 0;
  std::uint64_t events = 0;
  std::uint64_t dropped = 0, segments = 0, bytes_before = 0, bytes_after = 0;
  static constexpr auto fields() {
    return FieldList{field("kind", &RetentionRow::kind),
                     field("keep", &RetentionRow::keep),
                     field("before", &RetentionRow::before),
                     field("up_to", &RetentionRow::up_to),
                     field("events", &RetentionRow::events),
                     field("dropped", &RetentionRow::dropped),
                     field("segments", &RetentionRow::segments),
                     field("bytes_before", &RetentionRow::bytes_before),
                     field("bytes_after", &RetentionRow::bytes_after)};
  }
};

struct CompactRow {
  std::uint64_t bytes_before = 0, bytes_after = 0;
  static constexpr auto fields() {
    return FieldList{field("bytes_before", &CompactRow::bytes_before),
                     field("bytes_after", &CompactRow::bytes_after)};
  }
};

struct Options {
  std::shared_ptr<ConfigFlags> flags;
  std::string before, kind, keep_for;
  std::uint64_t keep = 0;
};

Expected<ArchiveRow> archive_folder(const Session& s, const Config& config, const Options& o) {
  auto log = open_folder(config);
  if (!log) return log.error();
  const auto last = archive_limit(**log, o.before, o.keep);
  if (!last) return last.error();
  ArchiveRow row{.position = (*log)->head()};
  ProgressBar bar(s.io, "archiving");
  for (;;) {
    const auto report = (*log)->archive_some(*last);
    if (!report) return report.error();
    row.events += report->events;
    row.segments += report->segments;
    row.raw_bytes += report->raw_bytes;
    row.file_bytes += report->file_bytes;
    bar.update((*log)->archived(), *last);
    if (report->events == 0) break;
  }
  bar.clear();
  row.archived = (*log)->archived();
  if (auto bad = (*log)->close()) return *bad;
  return row;
}

int archive(const Session& s, const Options& o) {
  if (o.flags->values.empty()) {
    std::string body = "{\"before\":";
    append_json_string(body, o.before);
    body += ",\"keep\":" + std::to_string(o.keep) + "}";
    Api api = s.api();
    const auto answer = api.post_as<ServerRow>("/api/v1/admin/archive", body);
    if (!answer) return s.fail(answer.error());
    const auto& row = answer->value;
    if (s.json)
      s.line(answer->json);
    else
      s.facts({{"archived up to", fmt::format("{} of {}", row.archived, row.position)},
               {"goes on to", std::to_string(row.target)},
               {"segments", fmt::format("{} ({})", row.segments, bytes_text(row.segment_bytes))}});
    return kOk;
  }
  const auto loaded = s.load(*o.flags);
  if (!loaded) return s.fail(loaded.error());
  const auto row = archive_folder(s, loaded->config, o);
  if (!row) return s.fail(row.error());
  if (s.json)
    s.line(to_json(*row));
  else
    s.facts({{"archived up to", fmt::format("{} of {}", row->archived, row->position)},
             {"events", std::to_string(row->events)},
             {"segments", fmt::format("{} ({} of bodies in {})", row->segments,
                                      bytes_text(row->raw_bytes), bytes_text(row->file_bytes))}});
  return kOk;
}

Expected<RetentionRow> retain_folder(const Session& s, const Config& config, const Options& o) {
  auto log = open_folder(config);
  if (!log) return log.error();
  auto state = read_retention(**log);
  if (!state) return state.error();
  const auto plan =
      plan_retention(**log, *state, o.kind, o.keep_for, storage::system_clock()->now());
  if (!plan) return plan.error();
  const auto request = retention_request(*state, *plan, s.actor());
  if (!request) return request.error();
  if (*request) {
    const auto appended = (*log)->append({&**request, 1}).front();
    if (!appended) return appended.error();
    if (!(state = read_retention(**log))) return state.error();
  }
  const auto dropped = drop_bodies(**log, config.data_dir, *state, [] { return true; });
  if (!dropped) return dropped.error();
  if (auto bad = (*log)->close()) return *bad;
  return RetentionRow{
      plan->kind,          plan->keep,      format_time(plan->before), plan->up_to,
      plan->events,        dropped->events, dropped->segments,         dropped->bytes_before,
      dropped->bytes_after};
}

int retain(const Session& s, const Options& o) {
  Expected<RetentionRow> row = Error{};
  if (o.flags->values.empty()) {
    std::string body = "{\"kind\":";
    append_json_string(body, o.kind);
    body += ",\"keep\":";
    append_json_string(body, o.keep_for);
    Api api = s.api();
    const auto answer = api.post_as<RetentionRow>("/api/v1/admin/retention", body + "}");
    if (!answer) return s.fail(answer.error());
    row = answer->value;
  } else {
    const auto loaded = s.load(*o.flags);
    if (!loaded) return s.fail(loaded.error());
    row = retain_folder(s, loaded->config, o);
  }
  if (!row) return s.fail(row.error());
  if (s.json)
    s.line(to_json(*row));
  else
    s.facts({{"kind", row->kind},
             {"before", row->before},
             {"up to position", std::to_string(row->up_to)},
             {"events", std::to_string(row->events)},
             {"dropped",
              row->segments ? fmt::format("{} in {} segments", row->dropped, row->segments) : ""}});
  return kOk;
}

int compact(const Session& s, const Config& config) {
  const auto report = storage::compact_log(config.data_dir);
  if (!report) return s.fail(report.error());
  const CompactRow row{report->bytes_before, report->bytes_after};
  if (s.json)
    s.line(to_json(row));
  else
    s.facts({{"before", bytes_text(row.bytes_before)}, {"after", bytes_text(row.bytes_after)}});
  return kOk;
}

}  // namespace
}  // namespace archive_group

void add_archive_commands(CLI::App& root, Session& s) {
  using namespace archive_group;
  const auto a = std::make_shared<Options>();
  auto* c = s.remote(root, "archive",
                     "Move the bodies of old events into compressed segments, of a server or a "
                     "folder that no server has open",
                     "  mlforge archive --before 2026-11-01T00:00:00Z --keep 10000\n"
                     "  mlforge archive --data ./mlforge-data --before 120000",
                     [&s, a] { return archive(s, *a); });
  a->flags = s.add_config(*c, {"data_dir", "log_map_gib"});
  c->add_option("--before", a->before, "A position or an RFC 3339 time (default: all events)")
      ->type_name("WHEN");
  c->add_option("--keep", a->keep, "Leave so many of the newest events as they are");

  const auto r = std::make_shared<Options>();
  c = s.remote(root, "retention",
               "Drop the payloads of old events of a kind of stream, for ever; their hashes stay",
               "  mlforge retention predictions 30d\n"
               "  mlforge retention predictions 30d --data ./mlforge-data",
               [&s, r] { return retain(s, *r); });
  c->add_option("kind", r->kind, "The kind of stream: predictions")->required();
  c->add_option("keep", r->keep_for, "How long payloads are kept: 12h, 30d, 1y")->required();
  r->flags = s.add_config(*c, {"data_dir", "log_map_gib"});

  const auto p = std::make_shared<Options>();
  c = s.command(root, "compact",
                "Give back the room that archiving has freed in the log of a folder that no server "
                "has open",
                "  mlforge compact --data ./mlforge-data", [&s, p] {
                  const auto loaded = s.load(*p->flags);
                  return loaded ? compact(s, loaded->config) : s.fail(loaded.error());
                });
  p->flags = s.add_config(*c, {"data_dir"});
}

}  // namespace mlforge::gateway::cli
