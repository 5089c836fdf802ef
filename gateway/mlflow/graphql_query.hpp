// A GraphQL request, checked against MLflow's schema and resolved to calls of the REST API; and the
// JSON that answers it, made from theirs.
#pragma once
#include <simdjson.h>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "gateway/mlflow/graphql_schema.hpp"

namespace mlforge::gateway::mlflow::graphql {

// A field that is asked for, its fragments and aliases resolved.
struct Node {
  std::string key;                     // as the answer names it
  std::string name;                    // "__typename" has no type
  const FieldType* type = nullptr;     // null for __typename, and of a root
  const ObjectType* object = nullptr;  // of what it holds, where it has fields
  std::vector<Node> children;
};

struct Call {
  Node node;
  const RootField* root = nullptr;  // null: __typename of the operation
  std::string body;                 // the REST request, JSON
};

struct Plan {
  bool mutation = false;
  std::vector<Call> calls;
};
using Errors = std::vector<std::string>;

// `variables` is a JSON object or empty; `operation` chooses among several, or is empty. Limits as
// MLflow's server has them: 10 fields of the operation, 10 aliases in one selection, 10 levels,
// 1,000 fields in all.
std::variant<Plan, Errors> plan_query(std::string_view query, std::string_view variables,
                                      std::string_view operation);

// What a run's fields `experiment` and `modelVersions` are made of.
struct Related {
  std::map<std::string, simdjson::dom::element, std::less<>> experiments;            // by id
  std::map<std::string, std::vector<simdjson::dom::element>, std::less<>> versions;  // by run
};
struct Wanted {
  std::vector<std::string> experiment_ids, run_ids;  // each once
};
// Adds what of it a call's answer needs.
void add_wanted(Wanted& wanted, const Call& call, const simdjson::dom::element& answer);

// Appends the value of a call's field. What a message lacks has protobuf's default.
void write_answer(std::string& out, const Call& call, const simdjson::dom::element& answer,
                  const Related& related);

}  // namespace mlforge::gateway::mlflow::graphql
