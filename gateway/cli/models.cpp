// models: the registry.
#include "gateway/cli/models.hpp"

#include "events/registry.hpp"
#include "gateway/cli/groups.hpp"
#include "projections/queries.hpp"

namespace mlforge::gateway::cli {
namespace models_group {
namespace {

using projections::GateRow;
using projections::ModelRow;
using projections::ModelVersionRow;

const std::string kModels = "/api/v1/models";

struct Options {
  std::string model, version, alias, stage, reason, as_of, metric = "auc";
  std::uint64_t number = 0;
  std::optional<double> minimum, max_regression;
  std::optional<std::uint64_t> expected;
  bool remove = false;
  ListOptions list;
  PromoteOptions promote;
  RegisterOptions registering;
};

std::string model_target(const Options& o) { return kModels + "/" + escape(o.model); }
std::string version_target(const Options& o) {
  return model_target(o) + "/versions/" + std::to_string(o.number);
}

int list(const Session& s, const Options& o) {
  return show_page(
      s, s.api().get_as<projections::Page<ModelRow>>(kModels + o.list.query().text()),
      Table({{"NAME"}, {"VERSION", true}, {"ALIASES"}, {"CREATED"}, {"BY"}, {"DESCRIPTION"}}),
      "there are no registered models", [](Table& table, const ModelRow& row) {
        table.row({row.name, row.latest_version ? std::to_string(row.latest_version) : "-",
                   pairs_text(row.aliases), time_text(row.created_time), row.actor,
                   row.description});
      });
}

void print_checks(const Session& s, const std::vector<Check>& checks) {
  Table table({{"CHECK"}, {"OF"}, {"OBSERVED"}, {"EXPECTED"}, {"RESULT"}});
  for (const auto& c : checks)
    table.row({c.name, c.column, c.observed, c.expected, c.passed ? "passed" : "failed"});
  s.section(table);
}

void print_version(const Session& s, const ModelVersionRow& row) {
  std::vector<std::string> files;
  for (const auto& file : row.artifacts) files.push_back(file.path);
  s.facts({{"model", row.model},
           {"version", std::to_string(row.version)},
           {"stage", row.stage},
           {"aliases", join_text(row.aliases)},
           {"run", row.run_id},
           {"pipeline run", row.pipeline_run_id},
           {"dataset", row.dataset.empty()
                           ? ""
                           : row.dataset + ", version " + std::to_string(row.dataset_version)},
           {"created", time_text(row.created_time) + " by " + row.actor},
           {"artifacts", join_text(files)},
           {"params", pairs_text(row.params)},
           {"figures", pairs_text(row.metrics)},
           {"gate", row.gate ? row.gate->passed ? "passed" : "failed" : "not evaluated"}});
  if (row.gate) print_checks(s, row.gate->checks);
}

int show(const Session& s, const Options& o) {
  Query query;
  query.add("as_of", o.as_of);
  Api api = s.api();
  if (!o.version.empty())
    return s.show(api.get_as<ModelVersionRow>(model_target(o) + "/versions/" + escape(o.version) +
                                              query.text()),
                  [&](const ModelVersionRow& row) { print_version(s, row); });
  const auto model = api.get_as<ModelRow>(model_target(o) + query.text());
  if (!model) return s.fail(model.error());
  query.add("limit", "1000");
  const auto versions =
      api.get_as<projections::Page<ModelVersionRow>>(model_target(o) + "/versions" + query.text());
  if (!versions) return s.fail(versions.error());
  if (s.json) {
    s.line("{\"model\":" + model->json + ",\"versions\":" + versions->json + "}");
    return kOk;
  }
  s.facts({{"model", model->value.name},
           {"description", model->value.description},
           {"created", time_text(model->value.created_time) + " by " + model->value.actor}});
  Table table({{"VERSION", true}, {"STAGE"}, {"AUC", true}, {"ALIASES"}, {"CREATED"}, {"GATE"}});
  for (const auto& row : versions->value.items) {
    const auto auc = row.metrics.find("auc");
    table.row({std::to_string(row.version), row.stage,
               auc == row.metrics.end() ? "-" : number_text(auc->second), join_text(row.aliases),
               time_text(row.created_time),
               row.gate ? row.gate->passed ? "passed" : "failed" : "-"});
  }
  s.section(table);
  return kOk;
}

struct GateRequest {
  std::string metric;
  std::optional<double> minimum, max_regression;
  static constexpr auto fields() {
    return FieldList{field("metric", &GateRequest::metric), field("minimum", &GateRequest::minimum),
                     field("max_regression", &GateRequest::max_regression)};
  }
};

int gate(const Session& s, const Options& o) {
  const auto answer = s.api().post_as<GateRow>(
      version_target(o) + "/gate", to_json(GateRequest{o.metric, o.minimum, o.max_regression}));
  const int code = s.show(answer, [&](const GateRow& row) {
    s.facts({{"model", o.model},
             {"version", std::to_string(o.number)},
             {"gate", row.passed ? "passed" : "failed"}});
    print_checks(s, row.checks);
  });
  return code == kOk && !answer->value.passed ? kFindings : code;
}

// Answers that carry nothing but a position are worth a sentence.
int say(const Session& s, const Expected<std::string>& answer, const std::string& sentence) {
  if (!answer) return s.fail(answer.error());
  if (s.json)
    s.line(*answer);
  else
    s.line(sentence);
  return kOk;
}

int stage(const Session& s, const Options& o) {
  return say(s,
             s.api().post(version_target(o) + "/stage",
                          to_json(TransitionStage{.stage = o.stage, .reason = o.reason})),
             "version " + std::to_string(o.number) + " of '" + o.model + "' is in " + o.stage);
}

int alias(const Session& s, const Options& o) {
  const auto target = model_target(o) + "/aliases/" + escape(o.alias);
  if (o.remove) {
    Query query;
    query.add("reason", o.reason);
    return say(s, s.api().send(http::Method::delete_, target + query.text(), ""),
               "alias '" + o.alias + "' of '" + o.model + "' is removed");
  }
  if (o.number == 0)
    return s.fail({ErrorCode::invalid_argument,
                   "name the version that the alias shall point to, or give --remove", "version"});
  const SetAlias command{.version = o.number, .reason = o.reason, .expected = o.expected};
  return say(s, s.api().send(http::Method::put, target, to_json(command)),
             "alias '" + o.alias + "' of '" + o.model + "' is version " + std::to_string(o.number));
}

void add_changing_commands(CLI::App& group, Session& s, const std::shared_ptr<Options>& o) {
  const auto of_version = [&](const char* name, const char* description, const char* examples,
                              int (*run)(const Session&, const Options&)) {
    auto* c = s.remote(group, name, description, examples, [&s, o, run] { return run(s, *o); });
    c->add_option("model", o->model, "Name of the model")->required();
    c->add_option("version", o->number, "Number of the version")->required()->check(from_one());
    return c;
  };
  auto* c = of_version("gate", "Evaluate the gate of a version (6: it did not pass)",
                       "  mlforge models gate adult 3 --minimum 0.9", gate);
  c->add_option("--metric", o->metric, "By which it is weighed")->capture_default_str();
  c->add_option("--minimum", o->minimum, "Least value (default: as the server is set)");
  c->add_option("--max-regression", o->max_regression,
                "How far it may fall behind the champion (default: as the server is set)");
  c = of_version("stage", "Move a version to Staging (it becomes the challenger) or Archived",
                 "  mlforge models stage adult 3 Staging --reason 'looks good'", stage);
  c->add_option("stage", o->stage, "Staging or Archived")->required();
  c->add_option("--reason", o->reason, "Why; it stands in the event");
  c = s.remote(group, "promote", "Weigh a version against the champion (5: refused)",
               "  mlforge models promote adult\n  mlforge models promote adult 4 --min-delta 0.01",
               [&s, o] { return promote_model(s, o->promote); });
  c->add_option("model", o->promote.model, "Name of the model (default: the only one)");
  c->add_option("version", o->promote.version, "Number or alias (default: challenger)");
  add_promote_options(*c, o->promote);
  c = s.remote(group, "alias", "Point an alias to a version, or remove it",
               "  mlforge models alias adult best 3\n"
               "  mlforge models alias adult best 4 --expected 3\n"
               "  mlforge models alias adult best --remove",
               [&s, o] { return alias(s, *o); });
  c->add_option("model", o->model, "Name of the model")->required();
  c->add_option("alias", o->alias, "Name of the alias")->required();
  auto* number = c->add_option("version", o->number, "Number of the version");
  c->add_option("--expected", o->expected, "Only if it points to this version now; 0: to none")
      ->type_name("N");
  c->add_option("--reason", o->reason, "Why; it stands in the event");
  c->add_flag("--remove", o->remove, "Remove it")->excludes(number);
}

}  // namespace
}  // namespace models_group

void add_model_commands(CLI::App& root, Session& s) {
  using namespace models_group;
  auto* group = s.group(root, "models", "Registered models: versions, stages, gates, promotion");
  const auto o = std::make_shared<Options>();
  auto* c = s.remote(*group, "list", "All registered models", "  mlforge models list",
                     [&s, o] { return list(s, *o); });
  o->list.add_to(*c);
  c = s.remote(*group, "show", "A model with its versions, or one version",
               "  mlforge models show adult\n  mlforge models show adult champion",
               [&s, o] { return show(s, *o); });
  c->add_option("model", o->model, "Name of the model")->required();
  c->add_option("version", o->version, "Number or alias");
  add_as_of(*c, o->as_of);
  c = s.remote(*group, "register", "Register a model, or a version of a run's artifacts",
               "  mlforge models register adult --description 'income above 50,000 dollars'\n"
               "  mlforge models register adult --run 4f6c0e9a\n"
               "  mlforge models register adult --experiment adult",
               [&s, o] { return register_model(s, o->registering); });
  add_register_options(*c, o->registering);
  add_changing_commands(*group, s, o);
}

void add_short_commands(CLI::App& root, Session& s) {
  using namespace models_group;
  const auto registering = std::make_shared<RegisterOptions>();
  auto* c = s.remote(root, "register", "Short for 'models register'",
                     "  mlforge register\n  mlforge register adult --experiment adult",
                     [&s, registering] { return register_model(s, *registering); });
  add_register_options(*c, *registering);

  const auto promote = std::make_shared<std::pair<PromoteOptions, std::string>>();
  promote->second = "production";
  c = s.remote(root, "promote", "Short for 'models promote'",
               "  mlforge promote --to production\n  mlforge promote --model adult --version 4",
               [&s, promote] { return promote_model(s, promote->first); });
  c->add_option("--to", promote->second, "Where to: production")
      ->check(CLI::IsMember({"production"}, CLI::ignore_case));
  c->add_option("--model", promote->first.model, "Name of the model (default: the only one)");
  c->add_option("--version", promote->first.version, "Number or alias (default: challenger)");
  add_promote_options(*c, promote->first);
}

}  // namespace mlforge::gateway::cli
