// run: tracked runs and their figures, and `run train`.
#include "gateway/cli/groups.hpp"
#include "gateway/cli/watch.hpp"
#include "projections/queries.hpp"

namespace mlforge::gateway::cli {
namespace run_group {
namespace {

using projections::BestRun;
using projections::ExperimentRow;
using projections::MetricRow;
using projections::RunRow;

const std::string kRuns = "/api/v1/runs", kExperiments = "/api/v1/experiments";

struct Options {
  std::string id, experiment, key, metric = "validation_auc", mode = "max", as_of;
  std::uint64_t max_points = 0;
  ListOptions list;
  StartOptions start;
};

// A run as GET answers it: the row and its latest metrics.
struct RunMetrics {
  std::vector<MetricRow> metrics;
  static constexpr auto fields() { return FieldList{field("metrics", &RunMetrics::metrics)}; }
};

struct PointRow {
  std::int64_t step = 0;
  double value = 0;
  static constexpr auto fields() {
    return FieldList{field("step", &PointRow::step), required("value", &PointRow::value)};
  }
};

struct SeriesRow {
  std::string key;
  std::uint64_t total = 0;
  std::vector<PointRow> points;
  static constexpr auto fields() {
    return FieldList{field("key", &SeriesRow::key), field("total", &SeriesRow::total),
                     required("points", &SeriesRow::points)};
  }
};

// Experiments are named by id or by name.
Expected<std::string> experiment_id(Api& api, const std::string& wanted) {
  if (wanted.empty()) return std::string();
  std::string token;
  do {
    Query query;
    query.add("limit", "1000").add("page_token", token);
    const auto page = api.get_as<projections::Page<ExperimentRow>>(kExperiments + query.text());
    if (!page) return page.error();
    for (const auto& each : page->value.items)
      if (each.name == wanted || each.experiment_id == wanted) return each.experiment_id;
    token = page->value.next_page_token;
  } while (!token.empty());
  return Error{ErrorCode::not_found, "there is no experiment named '" + wanted + "'", "experiment"};
}

int list(const Session& s, const Options& options) {
  Api api = s.api();
  const auto id = experiment_id(api, options.experiment);
  if (!id) return s.fail(id.error());
  auto query = options.list.query();
  query.add("experiment_id", *id);
  return show_page(
      s, api.get_as<projections::Page<RunRow>>(kRuns + query.text()),
      Table({{"RUN"}, {"NAME"}, {"STATUS"}, {"STARTED"}, {"EXPERIMENT"}, {"STEP"}, {"PARAMS"}}),
      "there are no runs", [](Table& table, const RunRow& row) {
        auto params = pairs_text(row.params);
        if (params.size() > 60) params = params.substr(0, 57) + "...";
        table.row({row.run_id, row.name, row.status, time_text(row.start_time), row.experiment_id,
                   row.step, params});
      });
}

int experiments(const Session& s, const Options& options) {
  return show_page(
      s,
      s.api().get_as<projections::Page<ExperimentRow>>(kExperiments + options.list.query().text()),
      Table({{"EXPERIMENT"}, {"NAME"}, {"CREATED"}, {"BY"}}), "there are no experiments",
      [](Table& table, const ExperimentRow& row) {
        table.row({row.experiment_id, row.name, time_text(row.created_time), row.actor});
      });
}

void print_run(const Session& s, const RunRow& run) {
  s.facts({{"run", run.run_id},
           {"name", run.name},
           {"experiment", run.experiment_id},
           {"status", run.status},
           {"started", time_text(run.start_time) + " by " + run.actor},
           {"ended", time_text(run.end_time)},
           {"pipeline run", run.pipeline_run_id},
           {"step", run.step},
           {"params", pairs_text(run.params)},
           {"tags", pairs_text(run.tags)}});
}

void print_metrics(const Session& s, const std::vector<MetricRow>& metrics) {
  Table table({{"METRIC"}, {"VALUE", true}, {"STEP", true}});
  for (const auto& row : metrics)
    table.row({row.key, number_text(row.value), std::to_string(row.step)});
  if (!table.empty()) s.table(table);
}

std::string run_target(const Options& options, const std::string& more = {}) {
  Query query;
  query.add("as_of", options.as_of);
  if (options.max_points) query.add("max_points", std::to_string(options.max_points));
  return kRuns + "/" + escape(options.id) + more + query.text();
}

int show(const Session& s, const Options& options) {
  return s.show(s.api().get_as<RunRow>(run_target(options)), [&](const RunRow& run) {
    print_run(s, run);
    for (const auto& file : run.artifacts)
      s.line("artifact:  " + file.path + "  " + bytes_text(file.bytes));
    s.note("its figures: mlforge run metrics " + run.run_id);
  });
}

int metrics(const Session& s, const Options& options) {
  if (options.key.empty())
    return s.show(s.api().get_as<RunMetrics>(run_target(options)),
                  [&](const RunMetrics& run) { print_metrics(s, run.metrics); });
  return s.show(
      s.api().get_as<SeriesRow>(run_target(options, "/metrics/" + escape_path(options.key))),
      [&](const SeriesRow& series) {
        Table table({{"STEP", true}, {series.key, true}});
        for (const auto& point : series.points)
          table.row({std::to_string(point.step), number_text(point.value)});
        s.table(table);
        if (series.total > series.points.size())
          s.note(std::to_string(series.points.size()) + " of " + std::to_string(series.total) +
                 " points; more with --max-points");
      });
}

int best(const Session& s, const Options& options) {
  Api api = s.api();
  const auto id = experiment_id(api, options.experiment);
  if (!id) return s.fail(id.error());
  Query query;
  query.add("metric", options.metric).add("mode", options.mode).add("as_of", options.as_of);
  return s.show(api.get_as<BestRun>(kExperiments + "/" + escape(*id) + "/best" + query.text()),
                [&](const BestRun& row) {
                  print_run(s, row.run);
                  s.line("");
                  print_metrics(s, {row.metric});
                });
}

}  // namespace
}  // namespace run_group

void add_run_commands(CLI::App& root, Session& s) {
  using namespace run_group;
  auto* group = s.group(root, "run", "Training, and the runs that came of it");
  const auto o = std::make_shared<Options>();
  auto* c = s.remote(*group, "train", "Run a pipeline and follow it until it ends",
                     "  mlforge run train --pipeline ops/demo/adult.yaml\n"
                     "  mlforge run train --pipeline adult --set steps.train.params.max_depth=3\n"
                     "  mlforge run train --no-watch --json",
                     [&s, o] { return start_pipeline(s, o->start); });
  c->add_option("--pipeline", o->start.pipeline,
                "YAML file (defined first), or a name (default: the only one)")
      ->type_name("FILE|NAME");
  add_start_options(*c, o->start);
  c = s.remote(*group, "list", "Runs, newest first", "  mlforge run list --experiment adult",
               [&s, o] { return list(s, *o); });
  c->add_option("--experiment", o->experiment, "Of this experiment, by name or id");
  o->list.add_to(*c);
  c = s.remote(*group, "experiments", "Experiments, newest first", "  mlforge run experiments",
               [&s, o] { return experiments(s, *o); });
  o->list.add_to(*c);
  c = s.remote(*group, "show", "One run with its params and artifacts",
               "  mlforge run show 4f6c0e9a", [&s, o] { return show(s, *o); });
  c->add_option("run", o->id, "Id of the run")->required();
  add_as_of(*c, o->as_of);
  c = s.remote(
      *group, "metrics", "The latest figures of a run, or the points of one",
      "  mlforge run metrics 4f6c0e9a\n  mlforge run metrics 4f6c0e9a validation_auc --json",
      [&s, o] { return metrics(s, *o); });
  c->add_option("run", o->id, "Id of the run")->required();
  c->add_option("metric", o->key, "Name of one metric");
  c->add_option("--max-points", o->max_points, "Thin the series out to so many")->type_name("N");
  add_as_of(*c, o->as_of);
  c = s.remote(*group, "best", "The best run of an experiment by a metric",
               "  mlforge run best --experiment adult --metric validation_auc",
               [&s, o] { return best(s, *o); });
  c->add_option("--experiment", o->experiment, "Name or id")->required();
  c->add_option("--metric", o->metric, "Name of the metric")->capture_default_str();
  c->add_option("--mode", o->mode, "max or min")
      ->check(CLI::IsMember({"max", "min"}))
      ->capture_default_str();
  add_as_of(*c, o->as_of);
}

}  // namespace mlforge::gateway::cli
