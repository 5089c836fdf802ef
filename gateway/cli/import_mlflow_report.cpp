#include "gateway/cli/import_mlflow_report.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace mlforge::gateway::cli {
namespace {

constexpr std::size_t kMostValueBytes = 200;  // bytes of a value
constexpr std::size_t kMostReportRows = 20;   // of a table for people
constexpr const char* kAbsent = "(absent)";

std::string cut_value(std::string text) {
  if (text.size() <= kMostValueBytes) return text;
  std::size_t at = kMostValueBytes;
  while (at > 0 && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) --at;
  return text.substr(0, at) + "...";
}

void add_difference(Differences& out, const std::string& what, const std::string& name,
                    const std::string& source, const std::string& stored) {
  out.push_back({what, name, cut_value(source), cut_value(stored)});
}

template <class Map>
void compare_maps(Differences& out, const std::string& what, std::string_view name,
                  const Map& source, const Map& stored) {
  const auto value = [](const Map& map, const std::string& key) {
    const auto at = map.find(key);
    return at == map.end() ? std::string(kAbsent) : to_json(at->second);
  };
  Map keys = source;
  keys.insert(stored.begin(), stored.end());
  for (const auto& [key, ignored] : keys)
    if (value(source, key) != value(stored, key))
      add_difference(out, what, std::string(name) + "." + key, value(source, key),
                     value(stored, key));
}

// As JSON, so that every kind of field compares the same way. Points are left to who has them all,
// versions to compare(ImportModel).
template <class T>
void compare_fields(Differences& out, const std::string& what, const T& source, const T& stored) {
  for_each_field<T>([&](const auto& f) {
    const auto& mine = source.*(f.member);
    const auto& theirs = stored.*(f.member);
    using M = std::remove_cvref_t<decltype(mine)>;
    if constexpr (codec::IsMap<M>::value) {
      compare_maps(out, what, f.name, mine, theirs);
    } else if constexpr (!std::is_same_v<M, std::vector<ImportSeries>> &&
                         !std::is_same_v<M, std::vector<ImportVersion>>) {
      const bool unknown =
          (f.name == "creation_time" || f.name == "last_update_time") && to_json(mine) == "0";
      if (!unknown && to_json(mine) != to_json(theirs))
        add_difference(out, what, std::string(f.name), to_json(mine), to_json(theirs));
    }
  });
}

// What the order of says nothing.
ImportRun sorted(const ImportRun& run) {
  ImportRun out = run;
  out.metrics.clear();
  std::sort(out.datasets.begin(), out.datasets.end(), [](const auto& a, const auto& b) {
    return std::tie(a.name, a.digest) < std::tie(b.name, b.digest);
  });
  std::sort(out.models.begin(), out.models.end(), [](const auto& a, const auto& b) {
    return std::tie(a.role, a.model_id, a.step) < std::tie(b.role, b.model_id, b.step);
  });
  return out;
}

std::string tally_text(const ImportTally& t, bool dry_run) {
  if (t.found == 0) return "0";
  std::string out = fmt::format("{} found", t.found);
  const auto part = [&](std::uint64_t n, const char* word) {
    if (n) out += fmt::format(", {} {}", n, word);
  };
  part(t.imported, dry_run ? "to import" : "imported");
  part(t.updated, dry_run ? "to update" : "updated");
  part(t.unchanged, "there already");
  part(t.refused, "refused");
  return out;
}

template <class Rows, class AddRow>
void show_section(const Session& s, const Rows& rows, Table table, AddRow add_row) {
  for (std::size_t i = 0; i < std::min(rows.size(), kMostReportRows); ++i) add_row(table, rows[i]);
  s.section(table);
  if (rows.size() > kMostReportRows)
    s.line(fmt::format("... and {} more (--json has all)", rows.size() - kMostReportRows));
}

void show_for_people(const Session& s, const ImportReport& r) {
  std::string artifacts;
  if (r.artifacts.files || r.artifacts.unchanged)
    artifacts = fmt::format("{} files ({}) copied, {} there already", r.artifacts.files,
                            bytes_text(r.artifacts.bytes), r.artifacts.unchanged);
  if (r.artifacts.by_reference)
    artifacts += fmt::format("{}{} runs and models keep theirs where they are",
                             artifacts.empty() ? "" : ", ", r.artifacts.by_reference);
  s.facts({{"source", r.source},
           {"server", r.server},
           {"experiments", tally_text(r.experiments, r.dry_run)},
           {"runs", tally_text(r.runs, r.dry_run)},
           {"metric points", tally_text(r.points, r.dry_run)},
           {"logged models", tally_text(r.logged_models, r.dry_run)},
           {"registered models", tally_text(r.models, r.dry_run)},
           {"model versions", tally_text(r.versions, r.dry_run)},
           {"artifacts", artifacts},
           {"seconds", fmt::format("{:.1f}", r.seconds)},
           {"differences", r.dry_run ? "" : std::to_string(r.differences.size())}});
  show_section(s, r.mapped, Table({{"EXPERIMENT"}, {"ID THERE"}, {"ID HERE"}}),
               [](Table& t, const Mapped& m) {
                 t.row({m.name, m.from, m.to});
               });
  show_section(s, r.refused, Table({{"REFUSED"}, {"WHY"}}), [](Table& t, const Refused& each) {
    t.row({each.what, each.why});
  });
  show_section(s, r.differences, Table({{"DIFFERS"}, {"FIELD"}, {"SOURCE"}, {"STORED"}}),
               [](Table& t, const Difference& d) {
                 t.row({d.what, d.field_name, d.source, d.stored});
               });
  show_section(s, r.left_out, Table({{"NOT IMPORTED"}, {"COUNT", true}}),
               [](Table& t, const LeftOut& l) {
                 t.row({l.what, std::to_string(l.count)});
               });
}

}  // namespace

Differences compare(const ImportExperiment& source, const ImportExperiment& stored) {
  Differences out;
  compare_fields(out, "experiment " + source.experiment_id, source, stored);
  return out;
}

Differences compare(const ImportRun& source, const ImportRun& stored) {
  Differences out;
  compare_fields(out, "run " + source.run_id, sorted(source), sorted(stored));
  return out;
}

Differences compare(const ImportLoggedModel& source, const ImportLoggedModel& stored) {
  Differences out;
  compare_fields(out, "logged model " + source.logged_model_id, source, stored);
  return out;
}

Differences compare(const ImportModel& source, const ImportModel& stored) {
  Differences out;
  compare_fields(out, "model " + source.model, source, stored);
  std::map<std::uint64_t, const ImportVersion*> there, here;
  for (const auto& v : source.versions)
    if (!v.deleted) there[v.version] = &v;
  for (const auto& v : stored.versions) here[v.version] = &v;
  for (const auto& [number, v] : there) {
    const auto what = "version " + std::to_string(number) + " of model " + source.model;
    const auto at = here.find(number);
    if (at == here.end())
      add_difference(out, what, "version", std::to_string(number), kAbsent);
    else
      compare_fields(out, what, *v, *at->second);
  }
  for (const auto& [number, v] : here)
    if (!there.contains(number))
      add_difference(out, "version " + std::to_string(number) + " of model " + source.model,
                     "version", kAbsent, std::to_string(number));
  return out;
}

bool names_any(const Differences& found) {
  // A time alone is that of a change here, which an import leaves as it is.
  return std::any_of(found.begin(), found.end(), [](const Difference& d) {
    return d.source != kAbsent && d.field_name != "last_update_time";
  });
}

int show_report(const Session& s, const ImportReport& report) {
  if (s.json)
    s.line(to_json(report));
  else
    show_for_people(s, report);
  return report.differences.empty() && report.refused.empty() ? kOk : kFindings;
}

}  // namespace mlforge::gateway::cli
