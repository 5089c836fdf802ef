#include "gateway/demo_report.hpp"

#include <fmt/format.h>

#include "gateway/cli/table.hpp"

namespace mlforge::gateway {
namespace {

using cli::Table;

std::string figure(const Figures& metrics, const std::string& name) {
  const auto at = metrics.find(name);
  return at == metrics.end() ? "-" : fmt::format("{:.4f}", at->second);
}

std::string versions_text(const DemoReport& report) {
  Table table({{"version"},
               {"stage"},
               {"aliases"},
               {"AUC", true},
               {"AP", true},
               {"F1", true},
               {"precision", true},
               {"recall", true},
               {"gate"}});
  for (auto row = report.versions.rbegin(); row != report.versions.rend(); ++row)
    table.row({std::to_string(row->version), row->stage, cli::join_text(row->aliases),
               figure(row->metrics, "auc"), figure(row->metrics, "average_precision"),
               figure(row->metrics, "f1"), figure(row->metrics, "precision"),
               figure(row->metrics, "recall"),
               row->gate ? (row->gate->passed ? "passed" : "failed") : "-"});
  return table.text(false);
}

std::string routes_text(const DemoReport& report) {
  Table table({{"route"}, {"predictions", true}, {"share", true}});
  for (const auto& [route, count] : report.endpoint.predictions_by_route)
    table.row({route, std::to_string(count),
               fmt::format("{:.1f} %",
                           100.0 * double(count) /
                               double(std::max<std::uint64_t>(1, report.endpoint.predictions)))});
  return table.text(false);
}

// The last report before the alert beside the first one after the data shifted.
std::string drift_text(const DemoReport& report) {
  const projections::DriftRow *calm = nullptr, *alert = nullptr;
  for (const auto& row : report.drift) {
    if (row.alert)
      alert = &row;
    else if (!row.triggered && !calm)
      calm = &row;
  }
  if (!alert) return "no drift was found\n";
  Table table({{"feature"},
               {"before", true},
               {"PSI", true},
               {"test"},
               {"statistic", true},
               {"p-value", true},
               {"severity"}});
  for (const auto& each : alert->features) {
    std::string before = "-";
    if (calm)
      for (const auto& other : calm->features)
        if (other.feature == each.feature) before = fmt::format("{:.4f}", other.psi);
    table.row({each.feature, before, fmt::format("{:.4f}", each.psi), each.test,
               fmt::format("{:.4g}", each.statistic), fmt::format("{:.3g}", each.p_value),
               each.severity});
  }
  return table.text(false);
}

}  // namespace

std::string report_text(const DemoReport& report) {
  std::string out;
  const std::string note = report.mark.empty() ? "" : "  (" + report.mark + ")";
  out += "\nWhat happened, with " + report.data + "\n";
  for (const auto& line : report.happened) out += "  " + line + "\n";
  out += "\nVersions, on the test part" + note + "\n" + versions_text(report);
  out += "\nWho answered" + note + "\n" + routes_text(report);
  out += "\nDrift, PSI before and after the shift" + note + "\n" + drift_text(report);
  out +=
      fmt::format("\n{} events are in the log: every step above can be replayed.\n", report.events);
  if (report.pid == 0) return out;
  out += fmt::format(
      "\nThe server goes on (process {}). Where to look:\n"
      "  {}/                      runs and events as they arrive\n"
      "  {}/api/v1/events         the log;  mlforge events --server {}\n"
      "  {}/drift/latest          the last drift report\n"
      "  {}/metrics               Prometheus\n"
      "Stop it with: kill {}\n",
      report.pid, report.url, report.url, report.url, report.url, report.url, report.pid);
  return out;
}

}  // namespace mlforge::gateway
