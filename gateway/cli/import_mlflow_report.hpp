// What came of an import: counts, and everything that is not here as it was there.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "gateway/cli/session.hpp"
#include "gateway/mlflow/import_messages.hpp"

namespace mlforge::gateway::cli {

struct ImportTally {
  std::uint64_t found = 0;     // at the source
  std::uint64_t imported = 0;  // new here; under --dry-run: would be
  std::uint64_t updated = 0;   // here before, and changed at the source since
  std::uint64_t unchanged = 0;
  std::uint64_t refused = 0;
  static constexpr auto fields() {
    return FieldList{field("found", &ImportTally::found), field("imported", &ImportTally::imported),
                     field("updated", &ImportTally::updated),
                     field("unchanged", &ImportTally::unchanged),
                     field("refused", &ImportTally::refused)};
  }
};
struct ArtifactTally {
  std::uint64_t files = 0, bytes = 0;  // copied
  std::uint64_t unchanged = 0;         // files that were here already
  std::uint64_t by_reference = 0;      // runs and logged models whose artifacts stay where they are
  static constexpr auto fields() {
    return FieldList{field("files", &ArtifactTally::files), field("bytes", &ArtifactTally::bytes),
                     field("unchanged", &ArtifactTally::unchanged),
                     field("by_reference", &ArtifactTally::by_reference)};
  }
};
struct Mapped {
  std::string name, from, to;  // an experiment
  static constexpr auto fields() {
    return FieldList{field("name", &Mapped::name), field("from", &Mapped::from),
                     field("to", &Mapped::to)};
  }
};
struct Refused {
  std::string what, why;
  static constexpr auto fields() {
    return FieldList{field("what", &Refused::what), field("why", &Refused::why)};
  }
};
struct Difference {
  std::string what, field_name, source, stored;
  static constexpr auto fields() {
    return FieldList{field("what", &Difference::what), field("field", &Difference::field_name),
                     field("source", &Difference::source), field("stored", &Difference::stored)};
  }
};
struct LeftOut {
  std::string what;
  std::uint64_t count = 0;
  static constexpr auto fields() {
    return FieldList{field("what", &LeftOut::what), field("count", &LeftOut::count)};
  }
};
using Differences = std::vector<Difference>;

struct ImportReport {
  std::string source, server;
  bool dry_run = false;
  ImportTally experiments, runs, points, logged_models, models, versions;
  ArtifactTally artifacts;
  std::vector<Mapped> mapped;
  std::vector<Refused> refused;
  Differences differences;  // found by reading back
  std::vector<LeftOut> left_out;
  double seconds = 0;
  static constexpr auto fields() {
    return FieldList{field("source", &ImportReport::source),
                     field("server", &ImportReport::server),
                     field("dry_run", &ImportReport::dry_run),
                     field("experiments", &ImportReport::experiments),
                     field("runs", &ImportReport::runs),
                     field("points", &ImportReport::points),
                     field("logged_models", &ImportReport::logged_models),
                     field("models", &ImportReport::models),
                     field("versions", &ImportReport::versions),
                     field("artifacts", &ImportReport::artifacts),
                     field("mapped", &ImportReport::mapped),
                     field("refused", &ImportReport::refused),
                     field("differences", &ImportReport::differences),
                     field("left_out", &ImportReport::left_out),
                     field("seconds", &ImportReport::seconds)};
  }
};

// What differs between a thing as it was sent and as it is stored; texts are cut to what a person
// wants to see. Times that the source does not know are not compared.
Differences compare(const ImportExperiment& source, const ImportExperiment& stored);
// Without the points.
Differences compare(const ImportRun& source, const ImportRun& stored);
Differences compare(const ImportLoggedModel& source, const ImportLoggedModel& stored);
Differences compare(const ImportModel& source, const ImportModel& stored);

// Whether an import would change any of it: what the source does not name stays.
bool names_any(const Differences& found);

// For people, or as JSON. Answers the exit code: findings where something differs or was refused.
int show_report(const Session& s, const ImportReport& report);

}  // namespace mlforge::gateway::cli
