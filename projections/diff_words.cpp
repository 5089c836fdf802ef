#include <fmt/format.h>

#include <algorithm>

#include "projections/diff.hpp"

namespace mlforge::projections {
namespace {

using Words = std::vector<std::string>;

std::string count(std::uint64_t n, std::string_view one, std::string_view many = {}) {
  return n == 1         ? fmt::format("1 {}", one)
         : many.empty() ? fmt::format("{} {}s", n, one)
                        : fmt::format("{} {}", n, many);
}

std::string joined(const Words& parts, std::string_view between = ", ") {
  std::string out;
  for (const auto& part : parts) out += (out.empty() ? "" : std::string(between)) + part;
  return out;
}

// "1", "1 and 2", "1 to 4".
std::string versions(std::vector<std::uint64_t> all) {
  std::sort(all.begin(), all.end());
  if (all.size() == 1) return fmt::format("version {}", all[0]);
  if (all.size() == 2) return fmt::format("versions {} and {}", all[0], all[1]);
  if (all.back() - all.front() + 1 == all.size())
    return fmt::format("versions {} to {}", all.front(), all.back());
  Words texts;
  for (const auto each : all) texts.push_back(std::to_string(each));
  return "versions " + joined(texts);
}

std::string was(std::size_t n) { return n == 1 ? "was" : "were"; }

void promotion(Words& out, const std::string& model, const ModelPromotionDecided& d) {
  const auto name = fmt::format("version {} of model {}", d.version, model);
  const auto figures = d.champion
                           ? fmt::format("{} {:.6g} against {:.6g}, required lead {:.6g}", d.metric,
                                         d.challenger_value, d.champion_value, d.required_delta)
                           : fmt::format("{} {:.6g}", d.metric, d.challenger_value);
  if (!d.approved)
    out.push_back(fmt::format("{} was refused: {} ({})", name, d.reason, figures));
  else if (d.champion)
    out.push_back(fmt::format("{} was promoted to champion in place of version {} ({})", name,
                              d.champion, figures));
  else
    out.push_back(
        fmt::format("{} was promoted to champion, where there was none ({})", name, figures));
}

void pointer(Words& out, const std::string& subject, const PointerMove& m) {
  if (m.from == 0)
    out.push_back(fmt::format("{} was set to version {}", subject, m.to));
  else if (m.to == 0)
    out.push_back(fmt::format("{} was removed; it was version {}", subject, m.from));
  else
    out.push_back(fmt::format("{} moved from version {} to {}", subject, m.from, m.to));
}

void model_words(Words& out, const ModelDiff& m) {
  if (m.registered) out.push_back(fmt::format("model {} was registered", m.name));
  if (!m.versions.empty())
    out.push_back(fmt::format("{} of model {} {} created", versions(m.versions), m.name,
                              was(m.versions.size())));
  if (m.gates_passed + m.gates_failed)
    out.push_back(fmt::format("model {}: {} passed, {} failed", m.name,
                              count(m.gates_passed, "gate"), m.gates_failed));
  for (const auto& d : m.decisions) promotion(out, m.name, d);
  for (const auto& s : m.stages)
    out.push_back(
        fmt::format("version {} of model {} went from {} to {}", s.version, m.name, s.from, s.to));
  for (const auto& a : m.aliases)
    pointer(out, fmt::format("alias {} of model {}", a.name, m.name), a);
}

std::string best(const BestMetric& b) {
  return fmt::format("best {} {:.6g} (run {})", b.metric, b.value, b.run_id);
}

// At most three metrics, those that people ask for first.
Words best_words(const std::vector<BestMetric>& all) {
  std::vector<const BestMetric*> chosen;
  const auto take = [&](const BestMetric& each) {
    if (chosen.size() < 3 && std::find(chosen.begin(), chosen.end(), &each) == chosen.end())
      chosen.push_back(&each);
  };
  for (const std::string_view first : {"auc", "accuracy", "f1"})
    for (const auto& each : all)
      if (each.metric == first) take(each);
  for (const auto& each : all) take(each);
  Words out;
  for (const auto* each : chosen) out.push_back(best(*each));
  return out;
}

void ended_words(Words& parts, std::uint64_t started,
                 const std::map<std::string, std::uint64_t>& ended) {
  if (started) parts.push_back(count(started, "run") + " started");
  std::uint64_t total = 0;
  Words by_status;
  for (const auto& [status, n] : ended) {
    total += n;
    by_status.push_back(fmt::format("{} {}", n, status));
  }
  if (total) parts.push_back(fmt::format("{} ended ({})", count(total, "run"), joined(by_status)));
}

void experiment_words(Words& out, const ExperimentDiff& e) {
  const auto name = e.name.empty() ? e.experiment_id : e.name;
  if (e.created) out.push_back(fmt::format("experiment {} was created", name));
  Words parts;
  ended_words(parts, e.started, e.ended);
  for (auto& each : best_words(e.best)) parts.push_back(std::move(each));
  if (!parts.empty()) out.push_back(fmt::format("experiment {}: {}", name, joined(parts)));
}

void dataset_words(Words& out, const DatasetDiff& d) {
  if (d.created) out.push_back(fmt::format("dataset {} was created", d.name));
  for (const auto& c : d.commits)
    out.push_back(fmt::format("version {} of dataset {} was committed: {}{}{}", c.version, d.name,
                              count(c.files, "file"),
                              c.valid ? (*c.valid ? ", valid" : ", not valid") : "",
                              c.message.empty() ? "" : ", \"" + c.message + "\""));
  if (d.commits.empty() && d.staged + d.unstaged)
    out.push_back(fmt::format("dataset {}: {} staged, {} unstaged", d.name, count(d.staged, "file"),
                              d.unstaged));
}

void pipeline_words(Words& out, const PipelineDiff& p) {
  if (!p.versions.empty())
    out.push_back(fmt::format("{} of pipeline {} {} defined", versions(p.versions), p.name,
                              was(p.versions.size())));
  Words parts;
  ended_words(parts, p.started, p.ended);
  if (p.steps_run + p.steps_cached)
    parts.push_back(
        fmt::format("{} run, {} from the cache", count(p.steps_run, "step"), p.steps_cached));
  if (!parts.empty()) out.push_back(fmt::format("pipeline {}: {}", p.name, joined(parts)));
}

std::string percent(std::uint64_t basis_points) {
  return fmt::format("{:g} %", static_cast<double>(basis_points) / 100);
}

void endpoint_words(Words& out, const EndpointDiff& e) {
  if (e.created)
    out.push_back(fmt::format("endpoint {} was created for model {}", e.name, e.model));
  if (e.split)
    out.push_back(fmt::format("endpoint {}: the challenger's share went from {} to {}", e.name,
                              percent(e.split->from_bp), percent(e.split->to_bp)));
  for (const auto& r : e.routes)
    pointer(out, fmt::format("endpoint {}: what the route {} serves", e.name, r.name), r);
  if (e.predictions)
    out.push_back(
        fmt::format("endpoint {}: {} answered", e.name, count(e.predictions, "prediction")));
  std::uint64_t reports = 0;
  Words by_severity;
  for (const auto& [severity, n] : e.drift_reports) {
    reports += n;
    by_severity.push_back(fmt::format("{} {}", n, severity));
  }
  if (reports)
    out.push_back(fmt::format("endpoint {}: {} ({})", e.name, count(reports, "drift report"),
                              joined(by_severity)));
  for (const auto& a : e.alerts)
    out.push_back(fmt::format("endpoint {}: drift alert on {} (worst PSI {:.4g}, threshold {:g})",
                              e.name, joined(a.features), a.worst_psi, a.psi_threshold));
  for (const auto& r : e.retrainings)
    out.push_back(fmt::format("endpoint {}: retraining of version {} by pipeline {} (run {})",
                              e.name, r.model_version, r.pipeline, r.pipeline_run_id));
}

}  // namespace

std::vector<std::string> diff_words(const Diff& diff) {
  Words out;
  for (const auto& each : diff.models) model_words(out, each);
  for (const auto& each : diff.endpoints) endpoint_words(out, each);
  for (const auto& each : diff.experiments) experiment_words(out, each);
  for (const auto& each : diff.pipelines) pipeline_words(out, each);
  for (const auto& each : diff.datasets) dataset_words(out, each);
  for (const auto& each : diff.environments)
    out.push_back(fmt::format("environment {} was captured anew", each));
  for (const auto& [type, n] : diff.other)
    out.push_back(
        fmt::format("{} of type {}, which this program does not know", count(n, "event"), type));
  return out;
}

}  // namespace mlforge::projections
