#include "gateway/cli/watch.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "actors/pipeline_yaml.hpp"
#include "projections/queries.hpp"

namespace mlforge::gateway::cli {
namespace {

using projections::PipelineRunRow;
using projections::StepRow;

struct RunRequest {
  Texts overrides;
  static constexpr auto fields() { return FieldList{field("overrides", &RunRequest::overrides)}; }
};

struct Started {
  std::string pipeline_run_id;
  static constexpr auto fields() {
    return FieldList{required("pipeline_run_id", &Started::pipeline_run_id)};
  }
};

Expected<RunRequest> overrides_of(const std::vector<std::string>& changes) {
  RunRequest out;
  for (const auto& each : changes) {
    const auto equals = each.find('=');
    if (equals == std::string::npos || equals == 0)
      return Error{
          ErrorCode::invalid_argument,
          "--set must be PATH=VALUE, such as steps.train.params.max_depth=3, not '" + each + "'",
          "set"};
    out.overrides[each.substr(0, equals)] = each.substr(equals + 1);
  }
  return out;
}

Expected<std::string> read_text(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  if (!in) return Error{ErrorCode::not_found, "cannot read '" + file + "'", "pipeline"};
  return text.str();
}

// The only pipeline there is, where none was named.
Expected<std::string> only_pipeline(Api& api) {
  const auto page = api.get_as<projections::Page<projections::PipelineRow>>("/api/v1/pipelines");
  if (!page) return page.error();
  const auto& items = page->value.items;
  if (items.size() == 1) return items.front().name;
  std::vector<std::string> names;
  for (const auto& each : items) names.push_back(each.name);
  return Error{ErrorCode::invalid_argument,
               names.empty() ? "there is no pipeline yet: name a YAML file with --pipeline"
                             : "name one with --pipeline: " + join_text(names),
               "pipeline"};
}

Expected<std::string> resolve_pipeline(Api& api, const std::string& wanted) {
  if (wanted.empty()) return only_pipeline(api);
  std::error_code ignored;
  const bool is_file = std::filesystem::is_regular_file(wanted, ignored);
  const bool looks_like_file = wanted.ends_with(".yaml") || wanted.ends_with(".yml") ||
                               wanted.find('/') != std::string::npos;
  if (!is_file && !looks_like_file) return wanted;
  const auto defined = define_pipeline(api, wanted);
  if (!defined) return defined.error();
  return defined->value.name;
}

std::string figures_of(const StepRow& step) {
  std::vector<std::string> parts;
  for (const auto& [name, value] : step.figures) {
    if (parts.size() == 4) {
      parts.push_back("...");
      break;
    }
    parts.push_back(name + "=" + number_text(value));
  }
  return join_text(parts, " ");
}

// Says what is new of each step since the last look.
class Progress {
 public:
  explicit Progress(const Session& s) : s_(s) {}

  void look(const PipelineRunRow& run) {
    std::size_t done = 0;
    for (const auto& step : run.steps) {
      done += step.status == "completed" || step.status == "cached" || step.status == "failed";
      auto& last = last_[step.step];
      if (last == step.status || step.status == "pending") continue;
      last = step.status;
      std::string text = fmt::format("{:<16} {}", step.step, step.status);
      if (step.status == "completed") text += fmt::format(" in {:.1f} s", step.seconds);
      if (const auto figures = figures_of(step); !figures.empty()) text += "  " + figures;
      if (!step.error.empty()) text += ": " + step.error;
      say(text);
    }
    if (s_.io.err_is_terminal && run.status == "running") {
      s_.io.err << "\r\x1b[K" << fmt::format("{} of {} steps", done, run.steps.size())
                << std::flush;
      shown_ = true;
    }
  }
  void say(const std::string& text) {
    if (shown_) s_.io.err << "\r\x1b[K";
    shown_ = false;
    s_.note(text);
  }
  void end() {
    if (shown_) s_.io.err << "\r\x1b[K" << std::flush;
  }

 private:
  const Session& s_;
  std::map<std::string, std::string> last_;
  bool shown_ = false;
};

}  // namespace

Expected<Answer<Defined>> define_pipeline(Api& api, const std::string& file) {
  const auto text = read_text(file);
  if (!text) return text.error();
  const auto about = [&](Error error) {
    error.message = file + ": " + error.message;
    return error;
  };
  const auto root = actors::parse_yaml(*text);
  if (!root) return about(root.error());
  const auto* entry = root->find("pipeline");
  if (!entry || entry->value.kind != actors::YamlNode::Kind::scalar)
    return about({ErrorCode::invalid_argument, "the key 'pipeline' must give a name", "pipeline"});
  auto body = api.send(http::Method::put, "/api/v1/pipelines/" + escape(entry->value.text), *text,
                       "application/yaml");
  if (!body) {
    const auto code = body.error().code;
    const bool of_the_text = error_row(code).exit_code == kUsage;
    return of_the_text ? about(body.error()) : body.error();
  }
  auto value = from_json<Defined>(*body, Unknown::skip);
  if (!value) return value.error();
  return Answer<Defined>{*std::move(body), *std::move(value)};
}

int start_pipeline(const Session& s, const StartOptions& options) {
  const auto request = overrides_of(options.changes);
  if (!request) return s.fail(request.error());
  Api api = s.api();
  const auto name = resolve_pipeline(api, options.pipeline);
  if (!name) return s.fail(name.error());
  const auto started =
      api.post_as<Started>("/api/v1/pipelines/" + escape(*name) + "/runs", to_json(*request));
  if (!started) return s.fail(started.error());
  const auto& id = started->value.pipeline_run_id;
  if (!options.watch) {
    s.line(s.json ? started->json : id);
    return kOk;
  }
  s.note("pipeline '" + *name + "', run " + id);
  return watch_run(s, api, id);
}

int watch_run(const Session& s, Api& api, const std::string& pipeline_run_id) {
  const auto target = "/api/v1/pipeline_runs/" + escape(pipeline_run_id);
  Progress progress(s);
  while (true) {
    const auto run = api.get_as<PipelineRunRow>(target + "?wait=1");
    if (!run) {
      progress.end();
      return s.fail(run.error());
    }
    progress.look(run->value);
    if (run->value.status == "running") continue;
    progress.end();
    if (s.json)
      s.line(run->json);
    else
      print_pipeline_run(s, run->value);
    return run->value.status == "succeeded" ? kOk : kFailed;
  }
}

void print_pipeline_run(const Session& s, const PipelineRunRow& run) {
  s.facts({{"pipeline run", run.pipeline_run_id},
           {"pipeline", run.pipeline + ", version " + std::to_string(run.pipeline_version)},
           {"status", run.status},
           {"trigger", run.trigger},
           {"started", time_text(run.start_time) + " by " + run.actor},
           {"ended", time_text(run.end_time)},
           {"overrides", pairs_text(run.overrides)},
           {"caused by", run.causation_id}});
  Table table({{"STEP"}, {"KIND"}, {"STATUS"}, {"SECONDS", true}, {"FIGURES"}});
  for (const auto& step : run.steps)
    table.row({step.step, step.kind, step.status, fmt::format("{:.2f}", step.seconds),
               step.error.empty() ? figures_of(step) : step.error});
  s.section(table);
  if (run.status == "succeeded" && !run.steps.empty() && run.steps_run == 0)
    s.note("every step was answered from the cache");
}

void add_start_options(CLI::App& command, StartOptions& options) {
  command
      .add_option("--set", options.changes,
                  "Change a value of the YAML for this run: steps.train.params.max_depth=3")
      ->type_name("PATH=VALUE")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  auto* watch = command.add_flag_callback(
      "--watch", [&options] { options.watch = true; }, "Follow the run until it ends (default)");
  watch->option_text(" ");
  command
      .add_flag_callback(
          "--no-watch", [&options] { options.watch = false; },
          "Print the id of the pipeline run and end")
      ->excludes(watch)
      ->option_text(" ");
}

}  // namespace mlforge::gateway::cli
