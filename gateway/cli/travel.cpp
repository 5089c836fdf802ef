// diff and whatif: what changed between two moments, and what another policy would have decided.
#include <fmt/format.h>

#include "actors/whatif.hpp"
#include "gateway/cli/folders.hpp"
#include "gateway/cli/groups.hpp"
#include "projections/diff.hpp"

namespace mlforge::gateway::cli {
namespace {

constexpr std::string_view kTenant = "default";

struct Window {
  std::shared_ptr<ConfigFlags> flags;
  std::string from, to;
};

struct DiffOptions : Window {};
struct WhatIfOptions : Window {
  actors::WhatIfPolicy policy;
  bool all = false;
};

Expected<std::pair<Position, Position>> positions(const storage::Log& log, const Window& window) {
  const auto from = window.from.empty() ? Expected<Position>(Position{0})
                                        : parse_moment(log, window.from, "from");
  if (!from) return from.error();
  const auto to =
      window.to.empty() ? Expected<Position>(log.head()) : parse_moment(log, window.to, "to");
  if (!to) return to.error();
  return std::pair(*from, *to);
}

// From the folder that is named, else from the server; T is what the answer decodes to.
template <class T, class Local>
Expected<Answer<T>> ask(const Session& s, const Window& window, const std::string& target,
                        Query query, Local&& local) {
  if (window.flags->values.empty()) {
    query.add("from", window.from).add("to", window.to);
    return s.api().get_as<T>(target + query.text());
  }
  const auto loaded = s.load(*window.flags);
  if (!loaded) return loaded.error();
  const auto log = look_at_folder(loaded->config);
  if (!log) return log.error();
  const auto at = positions(**log, window);
  if (!at) return at.error();
  auto value = local(**log, at->first, at->second);
  if (!value) return value.error();
  return Answer<T>{to_json(*value), *std::move(value)};
}

int show_diff(const Session& s, const DiffOptions& o) {
  const auto answer = ask<projections::Diff>(
      s, o, "/api/v1/diff", {}, [](const storage::Log& log, Position from, Position to) {
        return projections::diff_between(log, kTenant, from, to);
      });
  return s.show(answer, [&](const projections::Diff& diff) {
    for (const auto& each : diff.words) s.line(each);
    const auto when = [](Position position, const std::string& time) {
      return fmt::format("{}{}", position, time.empty() ? "" : " (" + time_text(time) + ")");
    };
    s.note(fmt::format("{} events after position {} up to {}", diff.events,
                       when(diff.from, diff.from_time), when(diff.to, diff.to_time)));
    if (diff.words.empty()) s.note("nothing changed");
  });
}

std::string versions_text(const std::vector<std::uint64_t>& line) {
  std::string out;
  for (const auto each : line)
    out += (out.empty() ? "" : ", ") + (each ? std::to_string(each) : std::string("none"));
  return out.empty() ? "none" : out;
}

void print_what_if(const Session& s, const actors::WhatIfReport& report, bool all) {
  Table table({{"POSITION", true}, {"DECISION"}, {"ABOUT"}, {"WAS"}, {"WOULD BE"}, {"WHY"}});
  for (const auto& row : report.rows)
    if (all || row.differs)
      table.row({std::to_string(row.position), row.kind, row.subject, row.decided, row.would_be,
                 row.why});
  if (!table.empty()) s.table(table);
  Table champions({{"MODEL"}, {"CHAMPIONS WERE"}, {"WOULD HAVE BEEN"}});
  for (const auto& each : report.champions)
    champions.row({each.model, versions_text(each.decided), versions_text(each.would_be)});
  s.section(champions);
  if (!report.unknown.empty()) s.line("\nWhat this cannot know:");
  for (const auto& each : report.unknown) s.line("- " + each);
  s.note(fmt::format("{} of {} decisions differ", report.different, report.decisions));
}

int show_what_if(const Session& s, const WhatIfOptions& o) {
  Query query;
  const auto add = [&](std::string_view name, const std::optional<double>& value) {
    if (!value) return;
    std::string text;
    append_json_double(text, *value);
    query.add(name, text);
  };
  add("min_improvement", o.policy.min_improvement);
  add("gate_minimum", o.policy.gate_minimum);
  add("gate_max_regression", o.policy.gate_max_regression);
  add("psi_threshold", o.policy.psi_threshold);
  add("ks_pvalue_threshold", o.policy.ks_pvalue_threshold);
  const auto answer = ask<actors::WhatIfReport>(
      s, o, "/api/v1/whatif", query, [&](const storage::Log& log, Position from, Position to) {
        return actors::what_if(log, kTenant, from, to, o.policy);
      });
  return s.show(answer,
                [&](const actors::WhatIfReport& report) { print_what_if(s, report, o.all); });
}

void add_window(CLI::App& command, Session& s, Window& window, const std::string& from,
                const std::string& to) {
  window.flags = s.add_config(command, {"data_dir"});
  command.add_option("--from", window.from, from)->type_name("WHEN");
  command.add_option("--to", window.to, to)->type_name("WHEN");
}

}  // namespace

void add_travel_commands(CLI::App& root, Session& s) {
  const auto d = std::make_shared<DiffOptions>();
  auto* c = s.remote(root, "diff", "Say what changed between two moments",
                     "  mlforge diff --from 1200 --to 1500\n"
                     "  mlforge diff --from 2026-11-20T00:00:00Z --to 2026-11-21T00:00:00Z\n"
                     "  mlforge diff --from 1200 --data ./mlforge-data --json",
                     [&s, d] { return show_diff(s, *d); });
  add_window(*c, s, *d, "The moment before: a position or an RFC 3339 time (default: 0)",
             "The moment after (default: now)");

  const auto w = std::make_shared<WhatIfOptions>();
  c = s.remote(root, "whatif", "Decide everything once more under another policy, and compare",
               "  mlforge whatif --gate-min-improvement 0.02\n"
               "  mlforge whatif --data ./mlforge-data --psi-threshold 0.3 --from 1200 --all",
               [&s, w] { return show_what_if(s, *w); });
  add_window(*c, s, *w, "The policy holds for decisions after this moment (default: 0)",
             "And up to this one (default: now)");
  const auto number = [&](const char* name, std::optional<double>& value, const char* help) {
    c->add_option(name, value, help)->type_name("NUMBER");
  };
  number("--gate-min-improvement,--promotion-min-delta", w->policy.min_improvement,
         "Required lead of a challenger over the champion");
  number("--gate-min-auc,--gate-minimum", w->policy.gate_minimum, "Least value of a gate's metric");
  number("--gate-max-regression", w->policy.gate_max_regression,
         "How much worse than the champion a gate's metric may be");
  number("--psi-threshold", w->policy.psi_threshold, "PSI above which a feature's drift alerts");
  number("--ks-pvalue-threshold", w->policy.ks_pvalue_threshold,
         "p-value below which a test counts as significant");
  c->add_flag("--all", w->all, "Show the decisions that stay the same, too");
}

}  // namespace mlforge::gateway::cli
