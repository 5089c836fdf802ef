// Registering a model, and a version from a run's artifacts.
#include "actors/bundle.hpp"
#include "events/registry.hpp"
#include "gateway/cli/models.hpp"
#include "projections/queries.hpp"

namespace mlforge::gateway::cli {
namespace {

using projections::MetricRow;

struct RunSource {
  std::string run_id;
  Texts params;
  std::vector<FileRef> artifacts;
  std::vector<MetricRow> metrics;
  std::vector<RunInputLogged> inputs;
  static constexpr auto fields() {
    return FieldList{required("run_id", &RunSource::run_id), field("params", &RunSource::params),
                     field("artifacts", &RunSource::artifacts),
                     field("metrics", &RunSource::metrics), field("inputs", &RunSource::inputs)};
  }
};

struct Registered {
  std::string name;
  std::uint64_t version = 0;
  static constexpr auto fields() {
    return FieldList{field("name", &Registered::name), field("version", &Registered::version)};
  }
};

Expected<std::string> best_run(Api& api, const RegisterOptions& options) {
  const bool only = options.model.empty() && options.experiment.empty();
  if (!options.run.empty() || (options.experiment.empty() && !only)) return options.run;
  const auto page =
      api.get_as<projections::Page<projections::ExperimentRow>>("/api/v1/experiments?limit=1000");
  if (!page) return page.error();
  if (only && page->value.items.size() != 1)
    return Error{ErrorCode::invalid_argument,
                 "there are " + std::to_string(page->value.items.size()) +
                     " experiments: name one with --experiment, and the model",
                 "experiment"};
  for (const auto& each : page->value.items) {
    if (!only && each.name != options.experiment && each.experiment_id != options.experiment)
      continue;
    Query query;
    query.add("metric", options.metric);
    const auto best = api.get_as<projections::BestRun>(
        "/api/v1/experiments/" + escape(each.experiment_id) + "/best" + query.text());
    if (!best) return best.error();
    return best->value.run.run_id;
  }
  return Error{ErrorCode::not_found, "there is no experiment named '" + options.experiment + "'",
               "experiment"};
}

// The files that serving needs, in the order of a pipeline's register step, so that the same run
// is the same version; all artifacts of a run that is no such bundle.
std::vector<FileRef> model_files(const std::vector<FileRef>& artifacts) {
  std::vector<FileRef> out;
  for (const auto wanted : {actors::kModelFile, actors::kPreprocessorFile, actors::kReferenceFile,
                            actors::kManifestFile})
    for (const auto& file : artifacts)
      if (file.path == wanted) out.push_back(file);
  return out.size() == 4 ? out : artifacts;
}

// The version that was made of these files of this run before; 0: none.
Expected<std::uint64_t> find_version(Api& api, const std::string& model,
                                     const CreateModelVersion& command) {
  std::string token;
  do {
    Query query;
    query.add("limit", "1000").add("page_token", token);
    const auto page = api.get_as<projections::Page<projections::ModelVersionRow>>(
        "/api/v1/models/" + escape(model) + "/versions" + query.text());
    if (!page && page.error().code == ErrorCode::not_found) return 0;
    if (!page) return page.error();
    for (const auto& each : page->value.items)
      if (each.run_id == command.run_id && each.artifacts == command.artifacts) return each.version;
    token = page->value.next_page_token;
  } while (!token.empty());
  return 0;
}

int register_version(const Session& s, Api& api, const std::string& model,
                     const std::string& run_id) {
  const auto run = api.get_as<RunSource>("/api/v1/runs/" + escape(run_id));
  if (!run) return s.fail(run.error());
  if (run->value.artifacts.empty())
    return s.fail({ErrorCode::invalid_argument,
                   "run '" + run_id + "' has no artifacts to make a version of", "run"});
  CreateModelVersion command{.run_id = run->value.run_id,
                             .artifacts = model_files(run->value.artifacts),
                             .params = run->value.params};
  if (!run->value.inputs.empty()) {
    command.dataset = run->value.inputs.front().dataset;
    command.dataset_version = run->value.inputs.front().version;
  }
  for (const auto& row : run->value.metrics) command.metrics[row.key] = row.value;
  const auto target = "/api/v1/models/" + escape(model) + "/versions";
  const auto known = find_version(api, model, command);
  if (!known) return s.fail(known.error());
  if (*known) s.note("this run is registered already");
  const auto answer = *known ? api.get_as<Registered>(target + "/" + std::to_string(*known))
                             : api.post_as<Registered>(target, to_json(command));
  return s.show(answer, [&](const Registered& row) {
    s.facts({{"model", model},
             {"version", std::to_string(row.version)},
             {"run", run_id},
             {"figures", pairs_text(command.metrics)}});
  });
}

}  // namespace

int register_model(const Session& s, const RegisterOptions& options) {
  Api api = s.api();
  const auto run = best_run(api, options);
  if (!run) return s.fail(run.error());
  const auto model = options.model.empty() ? only_model(api) : Expected<std::string>(options.model);
  if (!model) return s.fail(model.error());
  if (!run->empty()) return register_version(s, api, *model, *run);
  const auto answer = api.post_as<Registered>(
      "/api/v1/models", to_json(RegisterModel{options.model, options.description}));
  return s.show(answer, [&](const Registered&) {
    s.facts({{"model", options.model}, {"description", options.description}});
  });
}

void add_register_options(CLI::App& command, RegisterOptions& options) {
  command.add_option("model", options.model, "Name of the model (default: the only one)");
  command.add_option("--description", options.description, "What the model is for");
  auto* run = command.add_option("--run", options.run, "Make a version of this run's artifacts");
  command.add_option("--experiment", options.experiment, "The same with its best run")
      ->excludes(run);
  command.add_option("--metric", options.metric, "By which a run is best")->capture_default_str();
}

}  // namespace mlforge::gateway::cli
