// Variables and arguments of a GraphQL request, as JSON.
#pragma once
#include <simdjson.h>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/mlflow/graphql_document.hpp"

namespace mlforge::gateway::mlflow::graphql {

class Variables {
 public:
  // The errors say which are missing or of no type that the schema has.
  Variables(const Operation& operation, std::string_view json, std::vector<std::string>& errors);

  bool declared(std::string_view name) const;
  // Appends a value with its variables put in; nothing, and false, where it is a variable that was
  // left out.
  bool write(std::string& out, const Value& value) const;
  bool is_true(const Value& value) const;

 private:
  const Operation& operation_;
  simdjson::dom::parser parser_;
  simdjson::dom::object given_;
  bool has_given_ = false;
};

// Adds an error for each field of the JSON object that the type does not have, or that has no value
// of its type.
void check_input(std::string_view type, std::string_view json, std::vector<std::string>& errors);

}  // namespace mlforge::gateway::mlflow::graphql
