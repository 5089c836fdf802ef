#include "events/label_schemas.hpp"

#include <algorithm>
#include <cctype>

#include "events/compaction.hpp"
#include "events/json_tree.hpp"
#include "events/mlflow_checks.hpp"

namespace mlforge {
namespace {

constexpr std::size_t kMaxLabelName = 250, kMaxLabelInstruction = 1000;

Status check_label_name(const std::string& name) {
  if (name.empty())
    return mlflow::refuse("Label schema `name` must be a non-empty string; got ''.", "name");
  if (mlflow::length(name) > kMaxLabelName)
    return mlflow::refuse("Label schema `name` must be at most 250 characters; got " +
                              std::to_string(mlflow::length(name)) + ".",
                          "name");
  const auto from = name.find_first_not_of(" \t\r\n\v\f");
  const auto to = name.find_last_not_of(" \t\r\n\v\f");
  auto plain = from == name.npos ? std::string() : name.substr(from, to - from + 1);
  for (char& c : plain) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  if (plain == "feedback")
    return mlflow::refuse("`" + name +
                              "` is reserved for the experiment's default question and cannot be "
                              "used for another label schema.",
                          "name");
  return {};
}

Status check_instruction(const std::string& text) {
  if (mlflow::length(text) <= kMaxLabelInstruction) return {};
  return mlflow::refuse("Label schema `instruction` must be at most 1000 characters; got " +
                            std::to_string(mlflow::length(text)) + ".",
                        "instruction");
}

Status check_free(const LabelSchemasState& state, const std::string& experiment,
                  const std::string& name, const std::string& own_id) {
  for (const auto& [id, each] : state.by_id)
    if (each.name == name && id != own_id)
      return Error{ErrorCode::already_exists,
                   "Label schema with name '" + name + "' already exists for experiment '" +
                       experiment + "'.",
                   "name"};
  return {};
}

Status check_same_input(const std::string& before, const std::string& after) {
  const auto old = parse_tree(before), now = parse_tree(after);
  if (!old || !now || old->names != now->names)
    return mlflow::refuse("A label schema's input type cannot be changed after creation.", "input");
  const auto multi = [](const JsonTree& tree) {
    const auto* categorical = tree.find("categorical");
    const auto* flag = categorical ? categorical->find("multi_select") : nullptr;
    return flag && flag->flag;
  };
  if (multi(*old) == multi(*now)) return {};
  return mlflow::refuse("`InputCategorical.multi_select` cannot be changed after creation.",
                        "input");
}

}  // namespace

Error no_label_schema(std::string_view schema_id) {
  return {ErrorCode::not_found, "Label schema with id '" + std::string(schema_id) + "' not found.",
          "schema_id"};
}

Expected<Events> decide(const LabelSchemasState& state, const CreateLabelSchema& c) {
  if (auto bad = check_label_name(c.title)) return *bad;
  if (c.kind != "feedback" && c.kind != "expectation")
    return mlflow::refuse(
        "Label schema `type` must be one of FEEDBACK or EXPECTATION; got '" + c.kind + "'.",
        "type");
  if (auto bad = check_instruction(c.instruction)) return *bad;
  if (auto bad = check_free(state, c.label_experiment, c.title, "")) return *bad;
  return Events{LabelSchemaCreated{.schema_id = c.schema_id,
                                   .name = c.title,
                                   .kind = c.kind,
                                   .input = c.input,
                                   .instruction = c.instruction,
                                   .enable_comment = c.enable_comment,
                                   .time_ms = c.time / 1000}};
}

Expected<Events> decide(const LabelSchemasState& state, const UpdateLabelSchema& c) {
  const auto at = state.by_id.find(c.schema_id);
  if (at == state.by_id.end()) return no_label_schema(c.schema_id);
  const auto& old = at->second;
  if (c.title)
    if (auto bad = check_label_name(*c.title)) return *bad;
  if (c.instruction)
    if (auto bad = check_instruction(*c.instruction)) return *bad;
  if (c.input)
    if (auto bad = check_same_input(old.input, *c.input)) return *bad;
  if (c.title)
    if (auto bad = check_free(state, c.label_experiment, *c.title, c.schema_id)) return *bad;
  LabelSchemaUpdated e{.schema_id = c.schema_id,
                       .name = c.title.value_or(old.name),
                       .input = c.input.value_or(old.input),
                       .instruction = c.instruction.value_or(old.instruction),
                       .enable_comment = c.enable_comment.value_or(old.enable_comment),
                       .time_ms = c.time / 1000};
  if (e.name == old.name && e.input == old.input && e.instruction == old.instruction &&
      e.enable_comment == old.enable_comment)
    return Events{};
  return Events{std::move(e)};
}

Expected<Events> decide(const LabelSchemasState& state, const DeleteLabelSchema& c) {
  if (!state.by_id.contains(c.schema_id)) return Events{};
  return Events{LabelSchemaDeleted{.schema_id = c.schema_id}};
}

void evolve(LabelSchemasState& state, const LabelSchemaCreated& e) { state.by_id[e.schema_id] = e; }
void evolve(LabelSchemasState& state, const LabelSchemaUpdated& e) {
  const auto at = state.by_id.find(e.schema_id);
  if (at == state.by_id.end()) return;
  at->second.name = e.name;
  at->second.input = e.input;
  at->second.instruction = e.instruction;
  at->second.enable_comment = e.enable_comment;
}
void evolve(LabelSchemasState& state, const LabelSchemaDeleted& e) {
  state.by_id.erase(e.schema_id);
}

Compacted compact(const LabelSchemasState& s) {
  Compacted out;
  for (const auto& [id, each] : s.by_id) out.events.push_back(each);
  return out;
}

}  // namespace mlforge
