// runs/create-promptlab-run: what somebody tried in the prompt lab of MLflow's web pages becomes a
// finished run, with the table of its results and a model that asks the same again.
#include <future>

#include "gateway/mlflow/artifact_flags.hpp"

#include <simdjson.h>

#include "gateway/mlflow/entities.hpp"
#include "gateway/mlflow/handlers.hpp"
#include "gateway/mlflow/local_files.hpp"
#include "projections/artifacts.hpp"
#include "storage/digest.hpp"

namespace mlforge::gateway::mlflow {
namespace promptlab_routes {
namespace {

using actors::Outcome;
using actors::TrackingBody;
using Pairs = std::vector<std::pair<std::string, std::string>>;

struct Prompt {
  NewRun run;
  std::string prompt_template, route, input, output, mlflow_version;
  Pairs parameters, model_parameters, output_parameters;
};

// [{"key": .., "value": ..}]; a value that is no text counts as it is written.
Pairs read_pairs(const Fields& fields, const char* name) {
  Pairs out;
  const auto list = fields.array(name);
  if (!list) return out;
  for (const simdjson::dom::element each : *list) {
    std::string_view key, text;
    simdjson::dom::element value;
    if (each["key"].get(key) != simdjson::SUCCESS || each["value"].get(value) != simdjson::SUCCESS)
      continue;
    out.emplace_back(
        key, value.get(text) == simdjson::SUCCESS ? std::string(text) : simdjson::minify(value));
  }
  return out;
}

Prompt read_prompt(App& app, Fields& fields) {
  for (const char* name : {"experiment_id", "prompt_template", "prompt_parameters", "model_route",
                           "model_input", "mlflow_version"}) {
    const bool is_list = std::string_view(name) == "prompt_parameters";
    if (is_list ? read_pairs(fields, name).empty() : fields.text(name).empty())
      fields.set_error({ErrorCode::invalid_argument,
                        std::string("CreatePromptlabRun request must specify ") + name + ".",
                        name});
  }
  Prompt out;
  const auto now = app.context.clock->now() / 1000;
  out.run = {.run_id = {},
             .experiment_id = fields.text("experiment_id"),
             .user_id = fields.has("user_id") ? fields.text("user_id") : "unknown",
             .name = fields.text("run_name"),
             .tags = fields.map("tags"),
             .start_time = fields.integer("start_time").value_or(now) * 1000,
             .artifact_uri = {}};
  if (out.run.name.empty()) out.run.name = random_name();
  out.prompt_template = fields.text("prompt_template");
  out.route = fields.text("model_route");
  out.input = fields.text("model_input");
  out.output = fields.text("model_output");
  out.mlflow_version = fields.text("mlflow_version");
  out.parameters = read_pairs(fields, "prompt_parameters");
  out.model_parameters = read_pairs(fields, "model_parameters");
  out.output_parameters = read_pairs(fields, "model_output_parameters");
  return out;
}

void add_text(std::string& list, std::string_view text) {
  list += list.back() == '[' ? "" : ", ";
  append_json_string(list, text);
}

std::string results_table(const Prompt& p) {
  std::string columns = "[", data = "[";
  const auto add = [&](std::string_view column, std::string_view value) {
    add_text(columns, column);
    add_text(data, value);
  };
  for (const auto& [key, value] : p.parameters) add(key, value);
  add("prompt", p.input);
  add("output", p.output);
  for (const auto& [key, value] : p.output_parameters) add(key, value);
  return "{\"columns\": " + columns + "], \"data\": [" + data + "]]}";
}

void write_members(std::string& out, const Pairs& pairs) {
  Object to(out);
  for (const auto& [key, value] : pairs) to.text(key, value);
}

std::string parameters_file(const Prompt& p) {
  std::string out;
  Object(out)
      .raw("model_parameters", [&](std::string& to) { write_members(to, p.model_parameters); })
      .text("model_route", p.route)
      .raw("prompt_parameters", [&](std::string& to) { write_members(to, p.parameters); })
      .text("prompt_template", p.prompt_template);
  return out;
}

// JSON, which is YAML too.
std::string model_file(App& app, const Prompt& p, const std::string& run_id) {
  auto id = to_string(app.context.ids->next(app.context.clock->now()));
  std::erase(id, '-');
  auto time = format_time(app.context.clock->now());
  std::replace(time.begin(), time.end(), 'T', ' ');
  std::erase(time, 'Z');
  std::string inputs;
  for (const auto& [key, value] : p.parameters) {
    inputs += inputs.empty() ? "[" : ", ";
    Object(inputs).text("type", "string").text("name", key);
  }
  std::string out;
  Object(out)
      .text("artifact_path", "model")
      .raw("flavors",
           [](std::string& to) {
             to += R"({"python_function":{"loader_module":"mlflow.prompt.promptlab_model",)"
                   R"("parameters_path":"parameters.yaml"}})";
           })
      .text("mlflow_version", p.mlflow_version)
      .text("model_uuid", id)
      .text("run_id", run_id)
      .raw("signature",
           [&](std::string& to) {
             Object(to)
                 .text("inputs", inputs + "]")
                 .text("outputs", R"([{"type":"string","name":"output"}])");
           })
      .text("utc_time_created", time);
  return out;
}

// One command after the other, on a worker's thread.
struct Lab {
  App& app;
  actors::CommandMeta meta;

  Expected<Outcome> send(TrackingBody body) const {
    auto done = std::make_shared<std::promise<Expected<Outcome>>>();
    auto answer = done->get_future();
    hand_in<TrackingBody>(app.managers.tracking, meta, std::move(body),
                          [done](Expected<Outcome> result) { done->set_value(std::move(result)); });
    return answer.get();
  }

  Status keep(const RunStarted& run, const std::string& path, const std::string& text) const {
    if (const auto folder = local_folder(app.config, run.artifact_uri))
      return write_local_file(*folder, path, text);
    if (!projections::proxied_path(run.artifact_uri))
      return Error{ErrorCode::unavailable, "The file " + path + " cannot be written", ""};
    auto writer = app.blobs->create(kTenant);
    if (!writer) return writer.error();
    if (auto bad = (*writer)->append(storage::as_bytes(text))) return bad;
    const auto stored = (*writer)->finish();
    if (!stored) return stored.error();
    const auto sent =
        send(LogArtifact{run.run_id, FileRef{path, to_string(stored->digest), stored->bytes}});
    return sent ? Status() : sent.error();
  }

  Status fill(const RunStarted& run, const Prompt& p) const {
    LogBatch batch{.run_id = run.run_id, .params = p.model_parameters, .experiment = {}};
    batch.params.emplace_back("model_route", p.route);
    batch.params.emplace_back("prompt_template", p.prompt_template);
    batch.tags = {
        {"mlflow.loggedArtifacts", R"([{"path": "eval_results_table.json", "type": "table"}])"},
        {"mlflow.runSourceType", "PROMPT_ENGINEERING"}};
    if (const auto sent = send(std::move(batch)); !sent) return sent.error();
    const auto model = model_file(app, p, run.run_id);
    const auto sent = send(RecordModel{.run_id = run.run_id, .model = model, .experiment = {}});
    if (!sent) return sent.error();
    const std::pair<const char*, std::string> files[] = {
        {"model/MLmodel", model},
        {"model/parameters.yaml", parameters_file(p)},
        {"model/requirements.txt", "mlflow[gateway]==" + p.mlflow_version},
        {"eval_results_table.json", results_table(p)}};
    for (const auto& [path, text] : files)
      if (auto bad = keep(run, path, text)) return bad;
    return {};
  }
};

void create(App& app, Fields& fields, const Request& request, Reply reply) {
  auto prompt = read_prompt(app, fields);
  if (!ok(fields, reply)) return;
  auto meta = command_meta(request);
  if (!meta) return fail(reply, meta.error());
  meta->command_id.clear();  // one id names one command
  run_blocking(app, std::move(reply),
               [lab = Lab{app, *std::move(meta)}, prompt = std::move(prompt)](Reply to) {
                 const auto made = lab.send(prompt.run);
                 const auto* run = made ? made->find<RunStarted>() : nullptr;
                 if (!run) return fail(to, made.error());
                 const bool filled = !lab.fill(*run, prompt);
                 const auto ended = lab.send(UpdateRun{.run_id = run->run_id,
                                                       .status = filled ? "finished" : "failed",
                                                       .end_time = lab.app.context.clock->now(),
                                                       .name = {},
                                                       .experiment = {}});
                 if (!ended) return fail(to, ended.error());
                 answer_query(lab.app, std::move(to), "",
                              [id = run->run_id](const QueryContext& q) -> Expected<std::string> {
                                const auto found = find_run(q, id);
                                if (!found) return found.error();
                                std::string out;
                                Object(out).raw(
                                    "run", [&](std::string& json) { write_run(json, q, *found); });
                                return out;
                              });
               });
}

}  // namespace
}  // namespace promptlab_routes

void add_promptlab_routes(App& app, http::Router& router) {
  add_route(app, router, Method::post, "runs/create-promptlab-run", promptlab_routes::create);
}

}  // namespace mlforge::gateway::mlflow
