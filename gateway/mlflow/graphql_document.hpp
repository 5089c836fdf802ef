// A GraphQL document as it is written: operations, fragments, selections, values
// (https://spec.graphql.org/October2021/, section 2; without type system definitions).
#pragma once
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "events/error.hpp"

namespace mlforge::gateway::mlflow::graphql {

struct Value {
  enum class Kind { variable, integer, floating, text, boolean, null, name, list, object };
  Kind kind = Kind::null;
  std::string text;  // of all but lists and objects, as written; of texts without their escapes
  std::vector<Value> items;
  std::vector<std::pair<std::string, Value>> members;
};
using Arguments = std::vector<std::pair<std::string, Value>>;

struct Directive {
  std::string name;
  Arguments arguments;
};

struct Selection {
  enum class Kind { field, spread, inline_fragment };
  Kind kind = Kind::field;
  std::string alias;  // empty: none
  std::string name;   // of the field or the fragment; of an inline fragment, its type or empty
  Arguments arguments;
  std::vector<Directive> directives;
  std::vector<Selection> selections;
  const std::string& key() const { return alias.empty() ? name : alias; }
};

struct Variable {
  std::string name, type;  // "String", without a final '!'; "[String]" of lists
  bool required = false, has_default = false;
  Value value;  // the default
};

struct Operation {
  std::string kind = "query";  // or "mutation"
  std::string name;
  std::vector<Variable> variables;
  std::vector<Selection> selections;
};

struct Fragment {
  std::string type;
  std::vector<Selection> selections;
};

struct Document {
  std::vector<Operation> operations;
  std::map<std::string, Fragment, std::less<>> fragments;
};

// malformed ("Syntax Error: ...") where the text is no document, or is nested more than 64 deep.
Expected<Document> parse_document(std::string_view text);

}  // namespace mlforge::gateway::mlflow::graphql
