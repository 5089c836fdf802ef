// Runs: pages of them at once, one with many points piece by piece.
#include <algorithm>
#include <cmath>

#include "gateway/cli/import_mlflow_copy.hpp"

namespace mlforge::gateway::cli {
namespace {

using mlflow::ImportItem;
using mlflow::ImportRead;

constexpr std::size_t kRunsAtOnce = 50;
constexpr std::size_t kPointsAtOnce = 200'000;  // of a page of runs
constexpr std::size_t kPointsOfPiece = 20'000;  // of one command
constexpr std::size_t kBytesOfPiece = 2 << 20;  // that its points take in the log, keys included
constexpr std::size_t kPointsOfRead = 250'000;

std::uint64_t count_points(const ImportRun& run) {
  std::uint64_t n = 0;
  for (const auto& series : run.metrics) n += series.values.size();
  return n;
}

}  // namespace

// NaN behind all numbers; two are the same point.
bool MlflowImporter::Point::operator<(const Point& other) const {
  if (timestamp != other.timestamp) return timestamp < other.timestamp;
  if (step != other.step) return step < other.step;
  if (std::isnan(value) || std::isnan(other.value))
    return !std::isnan(value) && std::isnan(other.value);
  return value < other.value;
}

void MlflowImporter::sort_points(std::vector<Point>& points) {
  std::sort(points.begin(), points.end());
  const auto same = [](const Point& a, const Point& b) { return !(a < b) && !(b < a); };
  points.erase(std::unique(points.begin(), points.end(), same), points.end());
}

MlflowImporter::Points MlflowImporter::points_of(const ImportRun& run) {
  Points out;
  for (const auto& series : run.metrics) {
    auto& points = out[series.key];
    for (std::size_t i = 0; i < series.values.size(); ++i)
      points.push_back({series.timestamps[i], series.steps[i], series.values[i]});
  }
  for (auto& [key, points] : out) sort_points(points);
  return out;
}

Expected<MlflowImporter::Points> MlflowImporter::points_of(const StoredRun& stored) {
  ImportRun all;
  all.metrics = stored.run.metrics;
  for (const auto& [key, points] : stored.left_out)
    for (std::uint64_t from = 0; from < points; from += kPointsOfRead) {
      auto answer = read({.series = {{stored.run.run_id, key, from, kPointsOfRead}}});
      if (!answer) return answer.error();
      for (auto& series : answer->series) all.metrics.push_back(std::move(series));
    }
  return points_of(all);
}

std::uint64_t MlflowImporter::count_missing(const ImportRun& run, const Points& stored) {
  std::uint64_t n = 0;
  for (const auto& series : run.metrics) {
    const auto there = stored.find(series.key);
    for (std::size_t i = 0; i < series.values.size(); ++i)
      n += there == stored.end() ||
           !std::binary_search(there->second.begin(), there->second.end(),
                               Point{series.timestamps[i], series.steps[i], series.values[i]});
  }
  return n;
}

void MlflowImporter::compare_points(const std::string& run_id, const Points& source,
                                    const Points& stored) {
  const auto size = [](const Points& all, const std::string& key) {
    const auto at = all.find(key);
    return at == all.end() ? std::size_t{0} : at->second.size();
  };
  Points keys = stored;
  keys.insert(source.begin(), source.end());
  for (const auto& [key, ignored] : keys) {
    const auto mine = source.find(key), theirs = stored.find(key);
    const bool both = mine != source.end() && theirs != stored.end();
    const auto same = [](const Point& a, const Point& b) { return !(a < b) && !(b < a); };
    if (both && std::equal(mine->second.begin(), mine->second.end(), theirs->second.begin(),
                           theirs->second.end(), same))
      continue;
    report_.differences.push_back({"run " + run_id, "metrics." + key,
                                   std::to_string(size(source, key)) + " points",
                                   std::to_string(size(stored, key)) + " points, not the same"});
  }
}

Status MlflowImporter::import_runs() {
  if (auto bad = import_logged_models()) return bad;
  for (const auto& [there, here] : experiment_ids_) {
    const auto ids = source_.run_ids(there);
    if (!ids) return ids.error();
    report_.runs.found += ids->size();
    std::vector<PageRun> page;
    std::uint64_t points = 0;
    for (const auto& id : *ids) {
      auto run = source_.run(there, id);
      if (!run) return run.error();
      run->experiment_id = here;
      points += count_points(*run);
      const auto folder = place(run->artifact_uri, here + "/" + id + "/artifacts",
                                source_.artifacts_of_run(there, id));
      page.push_back({.run = *std::move(run), .folder = folder, .points = {}});
      if (page.size() < kRunsAtOnce && points < kPointsAtOnce) continue;
      if (auto bad = import_runs(std::exchange(page, {}))) return bad;
      points = 0;
    }
    if (auto bad = import_runs(std::move(page))) return bad;
  }
  return choices_.dry_run ? Status() : compare_measured();
}

// Puts what the server does not have yet into the batch; of a run with more points than one command
// carries all pieces but the last are sent at once.
Status MlflowImporter::write_run(const PageRun& each, std::vector<ImportItem>& batch) {
  ImportItem item;
  item.version = each.stored ? each.stored->version : 0;
  item.run = each.run;
  item.run->metrics.clear();
  std::size_t points = 0, bytes = 0;
  const auto send_piece = [&]() -> Status {
    auto piece = item;
    piece.run->status = each.stored ? each.stored->run.status : "running";
    piece.run->end_time = each.stored ? each.stored->run.end_time : 0;
    if (each.stored) piece.run->deleted = each.stored->run.deleted;
    const auto results = send({std::move(piece)});
    if (!results) return results.error();
    if (const auto& error = (*results)[0].error; !error.empty())
      return Error{ErrorCode::conflict, error, "run"};
    item.version = (*results)[0].version;
    item.run->metrics.clear();
    points = bytes = 0;
    return {};
  };
  for (const auto& series : each.run.metrics) {
    const auto there = each.points.find(series.key);
    bool open = false;
    for (std::size_t i = 0; i < series.values.size(); ++i) {
      const Point point{series.timestamps[i], series.steps[i], series.values[i]};
      if (there != each.points.end() &&
          std::binary_search(there->second.begin(), there->second.end(), point))
        continue;
      auto& pieces = item.run->metrics;
      if (!open)
        pieces.push_back(
            {series.key, series.model_id, series.dataset_name, series.dataset_digest, {}, {}, {}});
      open = true;
      pieces.back().timestamps.push_back(point.timestamp);
      pieces.back().steps.push_back(point.step);
      pieces.back().values.push_back(point.value);
      bytes += 40 + series.key.size() + series.model_id.size() + series.dataset_name.size() +
               series.dataset_digest.size();
      if (++points < kPointsOfPiece && bytes < kBytesOfPiece) continue;
      if (auto bad = send_piece()) return bad;
      open = false;
    }
  }
  batch.push_back(std::move(item));
  return {};
}

// What the server has otherwise than the source; looks up its points.
Expected<Differences> MlflowImporter::find_differences(PageRun& each) {
  each.missing = count_points(each.run);
  if (!each.stored) return Differences{{"run " + each.run.run_id, "run_id", each.run.run_id, ""}};
  auto there = points_of(*each.stored);
  if (!there) return there.error();
  each.points = *std::move(there);
  each.missing = count_missing(each.run, each.points);
  const auto before = static_cast<std::ptrdiff_t>(report_.differences.size());
  compare_points(each.run.run_id, points_of(each.run), each.points);
  auto out = compare(each.run, each.stored->run);
  std::move(report_.differences.begin() + before, report_.differences.end(),
            std::back_inserter(out));
  report_.differences.resize(static_cast<std::size_t>(before));
  return out;
}

void MlflowImporter::settle(const PageRun& each, bool changed) {
  auto& tally = report_.runs;
  ++(!changed ? tally.unchanged : each.stored ? tally.updated : tally.imported);
  report_.points.imported += each.missing;
  report_.points.unchanged += count_points(each.run) - each.missing;
}

Status MlflowImporter::plan(PageRun& each, std::vector<ImportItem>& batch) {
  const auto n = count_points(each.run);
  report_.points.found += n;
  const auto differ = find_differences(each);
  if (!differ) return differ.error();
  if (differ->empty()) {
    settle(each, false);
    remember_measured(each.run);
  } else if (choices_.dry_run) {
    each.refused = each.stored && each.stored->run.experiment_id != each.run.experiment_id;
    if (each.refused)
      refuse(report_.runs, "run " + each.run.run_id,
             "it is here already, in experiment " + each.stored->run.experiment_id);
    else
      settle(each, each.missing > 0 || names_any(*differ));
  } else if (auto bad = write_run(each, batch)) {
    if (bad->code != ErrorCode::conflict) return bad;
    refuse(report_.runs, "run " + each.run.run_id, bad->message);
    each.refused = true;
  } else {
    each.sent = true;
    return {};
  }
  progress(1 + n);
  return {};
}

Status MlflowImporter::check_sent(std::vector<PageRun>& page,
                                  const std::vector<mlflow::ImportResult>& results) {
  ImportRead wanted;
  for (const auto& each : page)
    if (each.sent) wanted.runs.push_back(each.run.run_id);
  const auto here = read(wanted);
  if (!here) return here.error();
  std::map<std::string, const StoredRun*> now;
  for (const auto& each : here->runs) now[each.run.run_id] = &each;
  std::size_t at = 0;
  for (auto& each : page) {
    if (!each.sent) continue;
    const auto n = count_points(each.run);
    progress(1 + n);
    const auto& result = results[at++];
    const std::string what = "run " + each.run.run_id;
    if (!result.error.empty()) {
      refuse(report_.runs, what, result.error);
      each.refused = true;
      continue;
    }
    settle(each, result.events > 0 || each.missing > 0);
    remember_measured(each.run);
    const auto found = now.find(each.run.run_id);
    if (found == now.end()) {
      keep({{what, "run_id", each.run.run_id, "(absent)"}});
      continue;
    }
    keep(compare(each.run, found->second->run));
    const auto points = points_of(*found->second);
    if (!points) return points.error();
    compare_points(each.run.run_id, points_of(each.run), *points);
  }
  return {};
}

Status MlflowImporter::import_runs(std::vector<PageRun> page) {
  if (page.empty()) return {};
  ImportRead wanted;
  for (const auto& each : page) wanted.runs.push_back(each.run.run_id);
  const auto here = read(wanted);
  if (!here) return here.error();
  std::map<std::string, const StoredRun*> stored;
  for (const auto& each : here->runs) stored[each.run.run_id] = &each;
  std::vector<ImportItem> batch;
  for (auto& each : page) {
    if (const auto at = stored.find(each.run.run_id); at != stored.end()) each.stored = at->second;
    if (auto bad = plan(each, batch)) return bad;
  }
  if (!batch.empty()) {
    const auto results = send(std::move(batch));
    if (!results) return results.error();
    if (auto bad = check_sent(page, *results)) return bad;
  }
  if (choices_.dry_run) return {};
  for (const auto& each : page)
    if (!each.folder.empty() && !each.refused)
      if (auto bad = copy_files("run " + each.run.run_id, each.folder,
                                each.run.experiment_id + "/" + each.run.run_id + "/artifacts"))
        return bad;
  return {};
}

}  // namespace mlforge::gateway::cli
