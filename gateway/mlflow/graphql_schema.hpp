// The part of MLflow's REST messages that its GraphQL schema has, with that schema's names.
#pragma once
#include <span>
#include <string>
#include <string_view>

namespace mlforge::gateway::mlflow::graphql {

struct FieldType {
  std::string_view name;  // "runUuid"
  std::string_view type;  // of an object, an enum, or String, LongString, Int, Float, Boolean
  bool list = false;
};

struct ObjectType {
  std::string_view name;
  std::span<const FieldType> fields;
  bool input = false;
};

// A field of Query or Mutation: a route of the REST API that answers it.
struct RootField {
  std::string_view name, type, input;
  std::string_view path;  // below /api/2.0/mlflow/
  bool get = false;       // the route's method: GET or POST
  bool query = false, mutation = false;
};

// Null where there is none of that name.
const ObjectType* find_object(std::string_view name);
const FieldType* find_field(const ObjectType& type, std::string_view name);
const RootField* find_root(std::string_view name, bool mutation);

// The first value of an enum, which messages mean where they have none; empty: no enum.
std::string_view enum_default(std::string_view name);
bool is_enum_value(std::string_view type, std::string_view value);

// "runUuid" as "run_uuid".
std::string snake_case(std::string_view name);

}  // namespace mlforge::gateway::mlflow::graphql
