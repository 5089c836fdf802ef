#include "gateway/mlflow/graphql_input.hpp"

#include "events/codec.hpp"
#include "gateway/mlflow/graphql_schema.hpp"

namespace mlforge::gateway::mlflow::graphql {
namespace input {
namespace {

using simdjson::dom::element;

constexpr std::string_view kScalars[] = {"String", "LongString", "Int", "Float", "Boolean"};

bool is_input_type(std::string_view type) {
  while (!type.empty() && (type.front() == '[' || type.front() == ' ')) type.remove_prefix(1);
  type = type.substr(0, type.find_first_of("]!"));
  for (const auto each : kScalars)
    if (each == type) return true;
  const auto* object = find_object(type);
  return (object && object->input) || !enum_default(type).empty();
}

bool fits(std::string_view type, const element& value) {
  if (value.is_null()) return true;
  std::int64_t number = 0;
  const bool whole = value.get(number) == simdjson::SUCCESS;
  if (type == "String") return value.is_string();
  if (type == "Boolean") return value.is_bool();
  if (type == "Float") return value.is_number();
  if (type == "Int") return whole && number >= INT32_MIN && number <= INT32_MAX;
  if (type == "LongString") return whole || value.is_string();
  std::string_view text;
  return value.get(text) == simdjson::SUCCESS && is_enum_value(type, text);
}

}  // namespace
}  // namespace input

Variables::Variables(const Operation& operation, std::string_view json,
                     std::vector<std::string>& errors)
    : operation_(operation) {
  simdjson::dom::element whole;
  if (!json.empty()) {
    if (parser_.parse(simdjson::padded_string(json)).get(whole) == simdjson::SUCCESS)
      has_given_ = whole.get(given_) == simdjson::SUCCESS;
    if (!has_given_ && json != "null") errors.emplace_back("Variables must be a JSON object.");
  }
  for (const auto& each : operation.variables) {
    const auto shown = "Variable '$" + each.name + "'";
    if (!input::is_input_type(each.type)) {
      errors.push_back(shown + " cannot be of the type '" + each.type +
                       "': it is no input type of this schema.");
      continue;
    }
    simdjson::dom::element value;
    const bool given = has_given_ && given_.at_key(each.name).get(value) == simdjson::SUCCESS;
    if (each.required && !given && !each.has_default)
      errors.push_back(shown + " of required type '" + each.type + "!' was not provided.");
    else if (each.required && given && value.is_null())
      errors.push_back(shown + " of non-null type '" + each.type + "!' must not be null.");
  }
}

bool Variables::declared(std::string_view name) const {
  for (const auto& each : operation_.variables)
    if (each.name == name) return true;
  return false;
}

bool Variables::write(std::string& out, const Value& value) const {
  const auto list = [&](const auto& items, char open, char close, auto one) {
    out += open;
    for (const auto& item : items) {
      const auto before = out.size();
      if (out.back() != open || before == 0) out += ',';
      if (!one(item)) out.resize(before);
    }
    out += close;
    return true;
  };
  switch (value.kind) {
    case Value::Kind::variable: {
      simdjson::dom::element given;
      if (has_given_ && given_.at_key(value.text).get(given) == simdjson::SUCCESS) {
        out += simdjson::minify(given);
        return true;
      }
      for (const auto& each : operation_.variables)
        if (each.name == value.text && each.has_default) return write(out, each.value);
      return false;
    }
    case Value::Kind::text:
    case Value::Kind::name:
      append_json_string(out, value.text);
      return true;
    case Value::Kind::list:
      return list(value.items, '[', ']', [&](const Value& each) {
        if (!write(out, each)) out += "null";
        return true;
      });
    case Value::Kind::object:
      return list(value.members, '{', '}', [&](const auto& each) {
        append_json_string(out, each.first);
        out += ':';
        return write(out, each.second);
      });
    default:
      out += value.text;
      return true;
  }
}

bool Variables::is_true(const Value& value) const {
  std::string json;
  return write(json, value) && json == "true";
}

void check_input(std::string_view type, std::string_view json, std::vector<std::string>& errors) {
  const auto* object = find_object(type);
  simdjson::dom::parser parser;
  simdjson::dom::object given;
  if (!object || parser.parse(simdjson::padded_string(json)).get(given) != simdjson::SUCCESS)
    return errors.push_back("Expected value of type '" + std::string(type) + "', found " +
                            std::string(json.substr(0, 100)) + ".");
  for (const auto& [key, value] : given) {
    const auto* field = find_field(*object, key);
    if (!field) {
      errors.push_back("Field '" + std::string(key) + "' is not defined by type '" +
                       std::string(type) + "'.");
      continue;
    }
    simdjson::dom::array list;
    bool right = field->list || !value.is_array();
    if (right && value.get(list) == simdjson::SUCCESS)
      for (const simdjson::dom::element each : list)
        right = right && input::fits(field->type, each);
    else
      right = right && input::fits(field->type, value);
    if (!right)
      errors.push_back("Field '" + std::string(key) + "' of type '" + std::string(type) +
                       "' must be of the type '" + (field->list ? "[" : "") +
                       std::string(field->type) + (field->list ? "]" : "") + "'.");
  }
}

}  // namespace mlforge::gateway::mlflow::graphql
