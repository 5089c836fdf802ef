// `mlforge demo`: the whole life of a model, through the public API alone.
#include <fmt/format.h>

#include <iostream>
#include <map>
#include <thread>

#include "gateway/cli/api.hpp"
#include "gateway/cli/commands.hpp"
#include "gateway/cli/table.hpp"
#include "gateway/demo_data.hpp"
#include "gateway/demo_folder.hpp"
#include "gateway/demo_report.hpp"
#include "gateway/demo_server.hpp"
#include "projections/queries.hpp"

namespace mlforge::gateway {
namespace {

using cli::Api;

struct Position_ {
  Position position = 0;
  static constexpr auto fields() { return FieldList{field("position", &Position_::position)}; }
};
struct Uploaded {
  std::uint64_t bytes = 0;
  bool stored = true;
  static constexpr auto fields() {
    return FieldList{field("bytes", &Uploaded::bytes), field("stored", &Uploaded::stored)};
  }
};
struct Committed {
  std::uint64_t version = 0, rows = 0, columns = 0;
  bool valid = false;
  std::vector<Check> checks;
  static constexpr auto fields() {
    return FieldList{field("version", &Committed::version), field("rows", &Committed::rows),
                     field("columns", &Committed::columns), field("valid", &Committed::valid),
                     field("checks", &Committed::checks)};
  }
};
struct Started {
  std::string pipeline_run_id;
  static constexpr auto fields() {
    return FieldList{field("pipeline_run_id", &Started::pipeline_run_id)};
  }
};
struct Answered {
  double probability = 0;
  std::string model_version, routed_to;
  static constexpr auto fields() {
    return FieldList{field("probability", &Answered::probability),
                     field("model_version", &Answered::model_version),
                     field("routed_to", &Answered::routed_to)};
  }
};

constexpr const char* kFiles = "ops/demo/";
constexpr std::size_t kBatch = 2000;

std::string quoted(const std::string& text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

// What a step of the demo answers where it could not go on; the first one ends it.
class Demo {
 public:
  Demo(const std::string& url, const std::string& mark)
      : api_(url, "demo"), mark_(mark.empty() ? "" : "  (" + mark + ")") {}

  Status run(const DemoData& data);
  DemoReport report;

 private:
  Status add_data(const DemoData& data);
  Status upload(const std::filesystem::path& file, const std::string& name,
                const std::string& source);
  Expected<std::uint64_t> train(const std::string& what, const Texts& overrides);
  Expected<projections::PipelineRunRow> follow(const std::string& id);
  Status to_staging(std::uint64_t version);
  Status promote(std::uint64_t version, bool should_win);
  Status predict(const std::vector<DemoPerson>& people, std::size_t first, double min_age,
                 const std::string& what);
  Status wait_for_retraining();
  Status collect();
  void say(const std::string& text) const { std::cerr << text << mark_ << std::endl; }
  void happened(const std::string& text) { report.happened.push_back(text + mark_); }

  Api api_;
  std::string mark_;  // at the end of every line: what is not UCI's data is never taken for it
  std::size_t requests_ = 0;
};

Status Demo::upload(const std::filesystem::path& file, const std::string& name,
                    const std::string& source) {
  std::ifstream in(file, std::ios::binary);
  if (!in)
    return Error{ErrorCode::not_found,
                 "there is no file '" + file.string() + "': run the demo from the repository", ""};
  const auto bytes = std::filesystem::file_size(file);
  const auto answer = api_.upload(
      "/api/v1/datasets/adult/files/" + name + "?source=" + cli::escape(source), in, bytes);
  if (!answer) return answer.error();
  const auto stored = from_json<Uploaded>(*answer, Unknown::skip);
  if (!stored) return stored.error();
  say(fmt::format("   {:<12} {:>10} bytes{}", name, stored->bytes,
                  stored->stored ? "" : "  (these bytes were stored already)"));
  return {};
}

Status Demo::add_data(const DemoData& data) {
  say(fmt::format("1. dataset adult: {}", data.source));
  if (auto bad = upload(data.data, "adult.data", data.source)) return bad;
  if (auto bad = upload(data.test, "adult.test", data.source)) return bad;
  if (auto bad = upload(std::string(kFiles) + "schema.yaml", "schema.yaml", data.source))
    return bad;
  // The same bytes again cost nothing.
  if (auto bad = upload(data.data, "adult.data", data.source)) return bad;
  const auto commit = api_.post_as<Committed>("/api/v1/datasets/adult/commits",
                                              "{\"message\":" + quoted(data.source) + "}");
  if (!commit) return commit.error();
  const auto& c = commit->value;
  std::size_t passed = 0;
  for (const auto& each : c.checks) passed += each.passed;
  say(fmt::format("   version {}: {} rows, {} columns, {} of {} checks passed", c.version, c.rows,
                  c.columns, passed, c.checks.size()));
  report.rows = c.rows;
  if (!c.valid) return Error{ErrorCode::conflict, "the data did not pass its checks", ""};
  return {};
}

Expected<projections::PipelineRunRow> Demo::follow(const std::string& id) {
  for (;;) {
    const auto row =
        api_.get_as<projections::PipelineRunRow>("/api/v1/pipeline_runs/" + id + "?wait=20");
    if (!row) return row.error();
    if (row->value.status == "running") continue;
    if (row->value.status == "succeeded") return row->value;
    for (const auto& step : row->value.steps)
      if (!step.error.empty())
        return Error{ErrorCode::conflict, "step " + step.step + ": " + step.error, ""};
    return Error{ErrorCode::conflict, "the pipeline run failed", ""};
  }
}

Expected<std::uint64_t> Demo::train(const std::string& what, const Texts& overrides) {
  const auto started = api_.post_as<Started>("/api/v1/pipelines/adult/runs",
                                             "{\"overrides\":" + to_json(overrides) + "}");
  if (!started) return started.error();
  const auto run = follow(started->value.pipeline_run_id);
  if (!run) return run.error();
  std::uint64_t version = 0;
  for (const auto& step : run->steps)
    if (const auto at = step.figures.find("version"); at != step.figures.end())
      version = std::uint64_t(at->second);
  say(fmt::format("   {}: version {}, {} steps run, {} cached", what, version, run->steps_run,
                  run->steps_cached));
  happened(fmt::format("{} -> version {} ({} steps run, {} cached)", what, version, run->steps_run,
                       run->steps_cached));
  return version;
}

Status Demo::to_staging(std::uint64_t version) {
  const auto moved = api_.post(fmt::format("/api/v1/models/adult/versions/{}/stage", version),
                               R"({"stage":"Staging","reason":"the demo's candidate"})");
  return moved ? Status{} : Status{moved.error()};
}

Status Demo::promote(std::uint64_t version, bool should_win) {
  const auto answer = api_.request(http::Method::post, "/promote",
                                   fmt::format("{{\"version\":\"{}\"}}", version), http::kJson);
  if (!answer) return answer.error();
  const bool won = answer->ok();
  if (!won && answer->status != 409) return Error{ErrorCode::internal, answer->body, ""};
  const auto row = api_.get_as<projections::ModelVersionRow>(
      fmt::format("/api/v1/models/adult/versions/{}", version));
  if (!row) return row.error();
  const auto decision = row->value.decision.value_or(ModelPromotionDecided{});
  const auto text =
      fmt::format("version {} {}: AUC {:.4f}, champion {:.4f}, required +{} ({})", version,
                  won ? "is promoted" : "is archived", decision.challenger_value,
                  decision.champion_value, decision.required_delta, decision.reason);
  say("   " + text);
  happened(text);
  if (won != should_win)
    return Error{ErrorCode::conflict,
                 "the decision on version " + std::to_string(version) + " is not the expected one",
                 ""};
  return {};
}

Status Demo::predict(const std::vector<DemoPerson>& people, std::size_t first, double min_age,
                     const std::string& what) {
  std::map<std::string, std::size_t> routes;
  std::size_t sent = 0;
  for (std::size_t i = first; sent < kBatch && i < first + 20 * kBatch; ++i) {
    const auto& person = people[i % people.size()];
    if (person.age < min_age) continue;
    const auto body =
        fmt::format("{{\"features\":{},\"request_id\":\"demo-{}\"}}", person.features, requests_++);
    const auto answer = api_.post_as<Answered>("/predict", body);
    if (!answer) return answer.error();
    ++routes[answer->value.routed_to + " (version " + answer->value.model_version + ")"];
    ++sent;
  }
  std::string shares;
  for (const auto& [route, count] : routes)
    shares += fmt::format("  {} {:.1f} %", route, 100.0 * double(count) / double(sent));
  say(fmt::format("   {} predictions, {}:{}", sent, what, shares));
  happened(fmt::format("{} predictions, {}:{}", sent, what, shares));
  return {};
}

// The rules do it all; the demo only watches.
Status Demo::wait_for_retraining() {
  for (int i = 0; i < 300; ++i) {
    const auto latest = api_.get_as<projections::DriftRow>("/drift/latest");
    if (!latest && latest.error().code != ErrorCode::not_found) return latest.error();
    const auto runs = api_.get_as<projections::Page<projections::PipelineRunRow>>(
        "/api/v1/pipeline_runs?pipeline=adult&limit=5");
    if (!runs) return runs.error();
    for (const auto& run : runs->value.items) {
      if (!run.trigger.starts_with("drift:")) continue;
      const auto ended = follow(run.pipeline_run_id);
      if (!ended) return ended.error();
      say("   alert raised, retraining started by itself, run " +
          run.pipeline_run_id.substr(0, 12) + " " + ended->status);
      happened("drift alert -> retraining run " + run.pipeline_run_id.substr(0, 12) +
               " -> new version in Staging");
      return {};
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
  }
  return Error{ErrorCode::timeout, "no retraining began within a minute of the shifted predictions",
               ""};
}

Status Demo::collect() {
  auto versions =
      api_.get_as<projections::Page<projections::ModelVersionRow>>("/api/v1/models/adult/versions");
  if (!versions) return versions.error();
  report.versions = std::move(versions->value.items);
  auto endpoint = api_.get_as<projections::EndpointRow>("/api/v1/endpoints/adult");
  if (!endpoint) return endpoint.error();
  report.endpoint = std::move(endpoint->value);
  auto reports =
      api_.get_as<projections::Page<projections::DriftRow>>("/api/v1/endpoints/adult/drift");
  if (!reports) return reports.error();
  report.drift = std::move(reports->value.items);
  const auto info = api_.get_as<Position_>("/api/v1/info");
  if (!info) return info.error();
  report.events = info->value.position;
  return {};
}

Status Demo::run(const DemoData& data) {
  if (auto bad = add_data(data)) return bad;
  std::ifstream in(std::string(kFiles) + "adult.yaml");
  const std::string yaml{std::istreambuf_iterator<char>(in), {}};
  say("2. pipeline adult: split -> features -> train, cross-validate -> evaluate -> register");
  if (auto defined =
          api_.send(http::Method::put, "/api/v1/pipelines/adult", yaml, "application/yaml");
      !defined)
    return defined.error();
  const Texts weak{{"steps.train_deep.rounds", "12"},
                   {"steps.train_deep.params.max_depth", "3"},
                   {"steps.train_wide.rounds", "10"}};
  const auto v1 = train("a weak first model", weak);
  if (!v1) return v1.error();
  if (auto again = train("the same again", weak); !again) return again.error();
  say("3. the first champion");
  if (auto bad = to_staging(*v1)) return bad;
  const auto made = api_.post(
      "/api/v1/endpoints",
      R"({"name":"adult","model":"adult","experiment_id":"adult-canary","retrain_pipeline":"adult"})");
  if (!made) return made.error();
  if (auto bad = promote(*v1, true)) return bad;
  const auto v2 = train("a strong challenger", {});
  if (!v2) return v2.error();
  if (auto bad = to_staging(*v2)) return bad;
  const auto people = read_people(data.test);
  if (!people) return people.error();
  say("4. serving: the challenger gets its share");
  if (auto bad = predict(*people, 0, 0, "like the training data")) return bad;
  if (auto bad = promote(*v2, true)) return bad;
  const auto v3 = train("another challenger", {{"steps.train_deep.params.learning_rate", "0.3"},
                                               {"steps.train_wide.params.learning_rate", "0.3"}});
  if (!v3) return v3.error();
  if (auto bad = to_staging(*v3)) return bad;
  if (auto bad = promote(*v3, false)) return bad;
  say("5. drift");
  if (auto bad = predict(*people, kBatch, 0, "like the training data")) return bad;
  if (auto bad = predict(*people, 0, 45, "only people of 45 and more")) return bad;
  if (auto bad = wait_for_retraining()) return bad;
  return collect();
}

}  // namespace

int demo_command(const DemoOptions& options) {
  const auto& config = options.config;
  const auto fail = [](const Error& error) {
    std::cerr << "mlforge: " << error.message << '\n';
    return error_row(error.code).exit_code;
  };
  const auto data = find_demo_data(options.adult, "build/synthetic");
  if (!data) return fail(data.error());
  stop_demo_on_signals(config.data_dir);
  if (const auto refused = clear_demo_folder(config, options.force)) return fail(*refused);
  const auto server = start_demo_server(config, options.config_file, options.flags);
  if (!server) return fail(server.error());
  Demo demo(server->url, data->mark);
  std::cerr << "mlforge at " << server->url << ", data in " << config.data_dir << std::endl;
  demo.report.url = server->url;
  demo.report.data = data->source;
  demo.report.mark = data->mark;
  demo.report.synthetic = data->synthetic;
  demo.report.data_dir = config.data_dir;
  demo.report.pid = options.stop ? 0 : server->pid;
  const auto bad = demo.run(*data);
  if (!options.stop && !bad) leave_demo_server();
  if (!bad)
    std::cout << (options.json ? to_json(demo.report) + "\n" : report_text(demo.report))
              << std::flush;
  if (options.stop || bad) stop_demo_server(*server);
  return bad ? fail(*bad) : 0;
}

}  // namespace mlforge::gateway
