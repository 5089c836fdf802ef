// label-schemas/...: what people are asked about traces. Every experiment has one of its own, the
// default question, which no event has made.
#include <algorithm>
#include <charconv>
#include <set>
#include <span>

#include "events/label_schemas.hpp"
#include "events/mlflow_checks.hpp"
#include "gateway/mlflow/entities.hpp"
#include "gateway/mlflow/handlers.hpp"
#include "projections/label_schemas.hpp"

namespace mlforge::gateway::mlflow {
namespace label_schemas_routes {
namespace {

using actors::Outcome;
using actors::TrackingBody;
using projections::LabelSchemaRow;

constexpr std::size_t kMostSchemas = 50000, kMostOptions = 10, kMaxLabel = 64;

Error refused_input(std::string message) {
  return {ErrorCode::invalid_argument, std::move(message), "input"};
}

// Of the default question: the number of its experiment, where no other id has anything.
std::string default_id(const std::string& experiment_id) {
  std::uint64_t number = 0;
  std::from_chars(experiment_id.data(), experiment_id.data() + experiment_id.size(), number);
  return "ls-" + std::string(16, '0') + projections::ascending(number);
}

std::optional<std::string> experiment_of_default(const std::string& schema_id) {
  const auto zeros = "ls-" + std::string(16, '0');
  if (!schema_id.starts_with(zeros)) return std::nullopt;
  const auto number = projections::parse_ascending(std::string_view(schema_id).substr(19));
  return number ? std::optional(std::to_string(*number)) : std::nullopt;
}

struct Schema {
  LabelSchemaRow row;
  bool is_default = false;
};

Schema default_schema(const ExperimentRow& experiment) {
  Schema out{.row = {.experiment_id = experiment.experiment_id, .info = {}}, .is_default = true};
  out.row.info.schema_id = default_id(experiment.experiment_id);
  out.row.info.name = kDefaultLabelName;
  out.row.info.kind = "feedback";
  out.row.info.input = R"({"text": {}})";
  out.row.info.instruction = kDefaultLabelInstruction;
  out.row.info.time_ms = out.row.updated_ms = milliseconds(experiment.created_time);
  return out;
}

void write_schema(std::string& out, const Schema& schema) {
  const auto& info = schema.row.info;
  Object(out)
      .text("schema_id", info.schema_id)
      .text("experiment_id", schema.row.experiment_id)
      .text("name", info.name)
      .text("type", info.kind == "feedback" ? "FEEDBACK" : "EXPECTATION")
      .some_text("instruction", info.instruction)
      .boolean("enable_comment", info.enable_comment)
      .raw("input", [&](std::string& inner) { inner += info.input; })
      .integer("created_at", info.time_ms)
      .integer("last_updated_at", schema.row.updated_ms)
      .boolean("is_default", schema.is_default);
}

std::string one_json(const Schema& schema) {
  std::string out;
  Object(out).raw("label_schema", [&](std::string& inner) { write_schema(inner, schema); });
  return out;
}

// One that is there and active.
Expected<ExperimentRow> active_experiment(const QueryContext& q, const std::string& id) {
  auto row = find_experiment(q, id);
  if (!row || row->lifecycle_stage == "active") return row;
  return Error{ErrorCode::not_found, "No Experiment with id=" + id + " exists", "experiment_id"};
}

Expected<Schema> find_schema(const QueryContext& q, const std::string& id) {
  if (auto row = projections::find_label_schema(q.reader, kTenant, id, q.as_of))
    return Schema{*std::move(row)};
  if (const auto experiment_id = experiment_of_default(id))
    if (const auto row = find_experiment(q, *experiment_id)) return default_schema(*row);
  return no_label_schema(id);
}

Expected<std::string> read_pass_fail(Fields& fields) {
  const auto yes = fields.text("positive_label"), no = fields.text("negative_label");
  for (const auto& [name, label] :
       {std::pair("positive_label", &yes), std::pair("negative_label", &no)}) {
    const std::string where = std::string("`InputPassFail.") + name + "` must be ";
    if (label->empty()) return refused_input(where + "a non-empty string; got ''.");
    if (mlforge::mlflow::length(*label) > kMaxLabel)
      return refused_input(where + "at most 64 characters.");
  }
  if (yes == no)
    return refused_input(
        "`InputPassFail.positive_label` and `negative_label` must be distinct; got '" + yes +
        "' for both.");
  std::string out;
  Object(out).raw("pass_fail", [&](std::string& inner) {
    Object(inner).text("positive_label", yes).text("negative_label", no);
  });
  return out;
}

Expected<std::string> read_categorical(Fields& fields) {
  const auto options = fields.texts("options");
  const bool multi = fields.boolean("multi_select");
  if (options.empty())
    return refused_input("`InputCategorical.options` must be a non-empty list; got [].");
  if (options.size() > kMostOptions)
    return refused_input("`InputCategorical.options` must have at most 10 entries; got " +
                         std::to_string(options.size()) + ".");
  std::set<std::string> seen;
  for (const auto& each : options) {
    if (each.empty())
      return refused_input("`InputCategorical.options` entries must be non-empty strings.");
    if (mlforge::mlflow::length(each) > kMaxLabel)
      return refused_input("`InputCategorical.options` entries must be at most 64 characters.");
    if (!seen.insert(each).second)
      return refused_input("`InputCategorical.options` must be deduplicated; '" + each +
                           "' appears twice.");
  }
  std::string out;
  Object(out).raw("categorical", [&](std::string& inner) {
    Object(inner).array("options", options, append_json_string).boolean("multi_select", multi);
  });
  return out;
}

Expected<std::string> read_numeric(Fields& fields) {
  const bool has_min = fields.has("min_value"), has_max = fields.has("max_value");
  const double min = fields.number("min_value"), max = fields.number("max_value");
  if (has_min && has_max && !(min < max))
    return refused_input("`InputNumeric.min_value` must be strictly less than `max_value`.");
  std::string out;
  Object(out).raw("numeric", [&](std::string& inner) {
    Object numeric(inner);
    if (has_min) numeric.number("min_value", min);
    if (has_max) numeric.number("max_value", max);
  });
  return out;
}

Expected<std::string> read_input(Fields& fields) {
  auto input = fields.nested("input");
  const auto part = [&](const char* name) { return input.nested(name); };
  if (input.has("pass_fail")) {
    auto inner = part("pass_fail");
    return read_pass_fail(inner);
  }
  if (input.has("categorical")) {
    auto inner = part("categorical");
    return read_categorical(inner);
  }
  if (input.has("numeric")) {
    auto inner = part("numeric");
    return read_numeric(inner);
  }
  if (!input.has("text"))
    return refused_input(
        "Label schema `input` is required: one of pass_fail, categorical, numeric, text");
  const auto most = part("text").integer("max_length");
  if (most && *most < 1)
    return refused_input("`InputText.max_length` must be at least 1; got " + std::to_string(*most) +
                         ".");
  std::string out;
  Object(out).raw("text", [&](std::string& inner) {
    Object text(inner);
    if (most) text.integer("max_length", *most);
  });
  return out;
}

std::string read_kind(Fields& fields) {
  const auto kind = fields.enumerator("type");
  return kind == "FEEDBACK" || kind == "1"      ? "feedback"
         : kind == "EXPECTATION" || kind == "2" ? "expectation"
                                                : kind;
}

void create(App& app, Fields& fields, const Request& request, Reply reply) {
  CreateLabelSchema body{.label_experiment = fields.text("experiment_id", Need::required),
                         .schema_id = {},
                         .title = fields.text("name", Need::required),
                         .kind = read_kind(fields),
                         .input = {},
                         .instruction = fields.text("instruction"),
                         .enable_comment = fields.boolean("enable_comment")};
  auto input = read_input(fields);
  if (!ok(fields, reply)) return;
  if (!input) return fail(reply, input.error());
  body.input = *std::move(input);
  command_then_query<TrackingBody>(
      app, app.managers.tracking, request, std::move(reply), std::move(body),
      [](const Outcome& outcome, const QueryContext& q) -> Expected<std::string> {
        const auto* made = outcome.find<LabelSchemaCreated>();
        const auto schema = find_schema(q, made ? made->schema_id : "");
        if (!schema) return schema.error();
        return one_json(*schema);
      });
}

void get(App& app, Fields& fields, const Request&, Reply reply) {
  const auto id = fields.text("schema_id", Need::required);
  const auto as_of = fields.text("as_of");
  if (!ok(fields, reply)) return;
  answer_query(app, std::move(reply), as_of, [id](const QueryContext& q) -> Expected<std::string> {
    const auto schema = find_schema(q, id);
    if (!schema) return schema.error();
    return one_json(*schema);
  });
}

// The latest first; the default question is as old as its experiment.
Expected<std::vector<Schema>> schemas_of(const QueryContext& q, const std::string& id) {
  const auto experiment = active_experiment(q, id);
  if (!experiment) return experiment.error();
  std::vector<Schema> out;
  for (auto& row :
       projections::label_schemas_of(q.reader, kTenant, experiment->experiment_id, q.as_of))
    out.push_back({std::move(row)});
  std::sort(out.begin(), out.end(), [](const Schema& a, const Schema& b) {
    const auto x = a.row.info.time_ms, y = b.row.info.time_ms;
    return x != y ? x > y : a.row.info.schema_id < b.row.info.schema_id;
  });
  out.push_back(default_schema(*experiment));
  return out;
}

void get_by_name(App& app, Fields& fields, const Request&, Reply reply) {
  const auto id = fields.text("experiment_id", Need::required);
  const auto name = fields.text("name", Need::required);
  const auto as_of = fields.text("as_of");
  if (!ok(fields, reply)) return;
  answer_query(
      app, std::move(reply), as_of, [id, name](const QueryContext& q) -> Expected<std::string> {
        const auto all = schemas_of(q, id);
        if (!all) return all.error();
        for (const auto& each : *all)
          if (each.row.info.name == name) return one_json(each);
        return Error{ErrorCode::not_found,
                     "Label schema with name '" + name + "' not found for experiment '" + id + "'.",
                     "name"};
      });
}

void list(App& app, Fields& fields, const Request&, Reply reply) {
  const auto id = fields.text("experiment_id", Need::required);
  const auto most = max_results(fields, 100, kMostSchemas);
  const auto token = fields.text("page_token");
  const auto as_of = fields.text("as_of");
  if (!ok(fields, reply)) return;
  const auto offset = page_offset(token);
  if (!offset) return fail(reply, offset.error());
  answer_query(app, std::move(reply), as_of,
               [id, most, offset = *offset](const QueryContext& q) -> Expected<std::string> {
                 const auto all = schemas_of(q, id);
                 if (!all) return all.error();
                 const auto from = std::min(offset, all->size());
                 const auto to = std::min(from + most, all->size());
                 std::string out;
                 Object(out)
                     .array("label_schemas", std::span(*all).subspan(from, to - from), write_schema)
                     .text("next_page_token", to < all->size() ? page_token(to) : "");
                 return out;
               });
}

void update(App& app, Fields& fields, const Request& request, Reply reply) {
  UpdateLabelSchema body;
  body.schema_id = fields.text("schema_id", Need::required);
  if (fields.has("name")) body.title = fields.text("name");
  if (fields.has("instruction")) body.instruction = fields.text("instruction");
  if (fields.has("enable_comment")) body.enable_comment = fields.boolean("enable_comment");
  if (fields.has("input")) {
    auto input = read_input(fields);
    if (!input)
      fields.set_error(input.error());
    else
      body.input = *std::move(input);
  }
  auto meta = command_meta(request);
  if (!meta) return fail(reply, meta.error());
  if (!ok(fields, reply)) return;
  read_then(app, std::move(reply), [&app, body, meta = *meta](const QueryContext& q, Reply to) {
    const auto schema = find_schema(q, body.schema_id);
    if (!schema) return fail(to, schema.error());
    if (schema->is_default)
      return fail(to, refused_input("The experiment's default question cannot be edited."));
    auto changed = body;
    changed.label_experiment = schema->row.experiment_id;
    auto done = [&app, id = body.schema_id,
                 shared = std::make_shared<Reply>(std::move(to))](Expected<Outcome> result) {
      if (!result) return fail(*shared, result.error());
      app.server->post([&app, id, shared] {
        answer_query(app, std::move(*shared), "",
                     [id](const QueryContext& now) -> Expected<std::string> {
                       const auto row = find_schema(now, id);
                       if (!row) return row.error();
                       return one_json(*row);
                     });
      });
    };
    hand_in<TrackingBody>(app.managers.tracking, meta, std::move(changed), std::move(done));
  });
}

void remove(App& app, Fields& fields, const Request& request, Reply reply) {
  const auto id = fields.text("schema_id", Need::required);
  auto meta = command_meta(request);
  if (!meta) return fail(reply, meta.error());
  if (!ok(fields, reply)) return;
  read_then(app, std::move(reply), [&app, id, meta = *meta](const QueryContext& q, Reply to) {
    const auto schema = find_schema(q, id);
    if (schema && schema->is_default)
      return fail(to, refused_input("The experiment's default question cannot be deleted."));
    if (!schema) return to.send(http::Response::json("{}"));
    auto done = [shared = std::make_shared<Reply>(std::move(to))](Expected<Outcome> result) {
      if (!result) return fail(*shared, result.error());
      shared->send(http::Response::json("{}"));
    };
    hand_in<TrackingBody>(app.managers.tracking, meta,
                          DeleteLabelSchema{schema->row.experiment_id, id}, std::move(done));
  });
}

}  // namespace
}  // namespace label_schemas_routes

void add_label_schema_routes(App& app, http::Router& router) {
  using namespace label_schemas_routes;
  add_route_v3(app, router, Method::post, "label-schemas/create", create);
  add_route_v3(app, router, Method::get, "label-schemas/get", get);
  add_route_v3(app, router, Method::get, "label-schemas/get-by-name", get_by_name);
  add_route_v3(app, router, Method::get, "label-schemas/list", list);
  add_route_v3(app, router, Method::patch, "label-schemas/update", update);
  add_route_v3(app, router, Method::delete_, "label-schemas/delete", remove);
}

}  // namespace mlforge::gateway::mlflow
