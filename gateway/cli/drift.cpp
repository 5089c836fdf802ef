// drift: reports on how far what is asked has moved from what was learned. environments: the
// machines.
#include "gateway/cli/groups.hpp"
#include "projections/queries.hpp"

namespace mlforge::gateway::cli {
namespace drift_group {
namespace {

using projections::DriftRow;
using projections::EnvironmentRow;

const std::string kEnvironments = "/api/v1/environments";

struct Options {
  std::string endpoint, name = "local", as_of;
  ListOptions list;
};

void print_report(const Session& s, const DriftRow& row) {
  s.facts(
      {{"endpoint", row.endpoint},
       {"report", row.report_id},
       {"time", time_text(row.time)},
       {"reference", "training data of version " + std::to_string(row.model_version)},
       {"predictions", std::to_string(row.predictions) + ", events " +
                           std::to_string(row.first_position) + " to " +
                           std::to_string(row.last_position)},
       {"severity", row.severity},
       {"alert", row.alert ? "features " + join_text(row.alert->features) : ""},
       {"retraining", row.retraining ? "pipeline run " + row.retraining->pipeline_run_id : ""}});
  Table table({{"FEATURE"},
               {"KIND"},
               {"PSI", true},
               {"TEST"},
               {"STATISTIC", true},
               {"P-VALUE", true},
               {"SEVERITY"}});
  for (const auto& f : row.features)
    table.row({f.feature, f.kind, number_text(f.psi), f.test, number_text(f.statistic),
               number_text(f.p_value), f.severity});
  s.section(table);
}

Expected<Answer<DriftRow>> latest_report(const Session& s, const Options& o) {
  Query query;
  query.add("as_of", o.as_of);
  const auto target = o.endpoint.empty()
                          ? "/drift/latest"
                          : "/api/v1/endpoints/" + escape(o.endpoint) + "/drift/latest";
  return s.api().get_as<DriftRow>(target + query.text());
}

int latest(const Session& s, const Options& o) {
  return s.show(latest_report(s, o), [&](const DriftRow& row) { print_report(s, row); });
}

int check(const Session& s, const Options& o) {
  const auto answer = latest_report(s, o);
  const int code = s.show(answer, [&](const DriftRow& row) { print_report(s, row); });
  return code == kOk && answer->value.triggered ? kFindings : code;
}

int list(const Session& s, const Options& o) {
  return show_page(
      s,
      s.api().get_as<projections::Page<DriftRow>>("/api/v1/endpoints/" + escape(o.endpoint) +
                                                  "/drift" + o.list.query().text()),
      Table({{"REPORT"},
             {"TIME"},
             {"VERSION", true},
             {"PREDICTIONS", true},
             {"SEVERITY"},
             {"WORST FEATURE"},
             {"RETRAINING"}}),
      "there are no drift reports", [](Table& table, const DriftRow& row) {
        const FeatureDrift* worst = nullptr;
        for (const auto& f : row.features)
          if (!worst || f.psi > worst->psi) worst = &f;
        table.row({row.report_id, time_text(row.time), std::to_string(row.model_version),
                   std::to_string(row.predictions), row.severity,
                   worst ? worst->feature + " " + number_text(worst->psi) : "-",
                   row.retraining ? row.retraining->pipeline_run_id : ""});
      });
}

void print_environment(const Session& s, const EnvironmentRow& row) {
  std::vector<std::pair<std::string, std::string>> facts{{"environment", row.name},
                                                         {"kind", row.kind},
                                                         {"digest", row.digest},
                                                         {"captured", time_text(row.captured_time)},
                                                         {"by", row.actor}};
  for (const auto& [name, value] : row.facts) facts.emplace_back(name, value);
  s.facts(facts);
}

int list_environments(const Session& s, const Options& o) {
  return show_page(
      s, s.api().get_as<projections::Page<EnvironmentRow>>(kEnvironments + o.list.query().text()),
      Table({{"NAME"}, {"KIND"}, {"DIGEST"}, {"CAPTURED"}, {"BY"}}),
      "no environment was captured yet", [](Table& table, const EnvironmentRow& row) {
        table.row({row.name, row.kind, row.digest.substr(0, 16), time_text(row.captured_time),
                   row.actor});
      });
}

int show_environment(const Session& s, const Options& o) {
  Query query;
  query.add("as_of", o.as_of);
  return s.show(s.api().get_as<EnvironmentRow>(kEnvironments + "/" + escape(o.name) + query.text()),
                [&](const EnvironmentRow& row) { print_environment(s, row); });
}

int capture(const Session& s, const Options& o) {
  std::string body = "{\"name\":";
  append_json_string(body, o.name);
  return s.show(s.api().post_as<EnvironmentRow>(kEnvironments, body + "}"),
                [&](const EnvironmentRow& row) { print_environment(s, row); });
}

}  // namespace
}  // namespace drift_group

void add_drift_commands(CLI::App& root, Session& s) {
  using namespace drift_group;
  auto* group = s.group(root, "drift", "How far requests have moved from the training data");
  const auto o = std::make_shared<Options>();
  auto* c = s.remote(*group, "latest", "The latest report",
                     "  mlforge drift latest\n  mlforge drift latest income --json",
                     [&s, o] { return latest(s, *o); });
  c->add_option("endpoint", o->endpoint, "Name of the endpoint (default: the only one)");
  add_as_of(*c, o->as_of);
  c = s.remote(*group, "list", "Reports of an endpoint, newest first",
               "  mlforge drift list income", [&s, o] { return list(s, *o); });
  c->add_option("endpoint", o->endpoint, "Name of the endpoint")->required();
  o->list.add_to(*c);
  c = s.remote(*group, "check", "The latest report, as an exit code (6: drifted)",
               "  mlforge drift check || echo 'look at it'", [&s, o] { return check(s, *o); });
  c->add_option("endpoint", o->endpoint, "Name of the endpoint (default: the only one)");
}

void add_environment_commands(CLI::App& root, Session& s) {
  using namespace drift_group;
  auto* group = s.group(root, "environments", "The machines that runs ran on");
  const auto o = std::make_shared<Options>();
  auto* c = s.remote(*group, "list", "All environments", "  mlforge environments list",
                     [&s, o] { return list_environments(s, *o); });
  o->list.add_to(*c);
  c = s.remote(*group, "show", "One environment with its facts",
               "  mlforge environments show local", [&s, o] { return show_environment(s, *o); });
  c->add_option("environment", o->name, "Name")->required();
  add_as_of(*c, o->as_of);
  c = s.remote(*group, "capture", "Capture the facts of the server's machine",
               "  mlforge environments capture local", [&s, o] { return capture(s, *o); });
  c->add_option("environment", o->name, "Name")->capture_default_str();
}

}  // namespace mlforge::gateway::cli
