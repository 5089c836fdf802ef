#include "gateway/mlflow/graphql_query.hpp"

#include <algorithm>
#include <set>

#include "events/codec.hpp"
#include "gateway/mlflow/graphql_input.hpp"

namespace mlforge::gateway::mlflow::graphql {
namespace query {
namespace {

constexpr int kDeepest = 10;
constexpr std::size_t kMostRoots = 10, kMostAliases = 10, kMostFields = 1000, kMostSteps = 20000;

using Sets = std::vector<const std::vector<Selection>*>;

// All field nodes of one key, in the order of the answer.
struct Group {
  std::string key;
  std::vector<const Selection*> fields;
};

// Resolves selections; errors are gathered. What is over a limit ends it.
class Resolver {
 public:
  Resolver(const Document& document, const Operation& operation, std::string_view variables)
      : document_(document), variables_(operation, variables, errors_) {}

  std::variant<Plan, Errors> plan(const Operation& operation) {
    if (!errors_.empty()) return errors_;  // of the variables
    check_depth(operation.selections, 1);
    if (!over_.empty()) return Errors{over_};
    Plan out{operation.kind == "mutation", {}};
    const std::string type = out.mutation ? "Mutation" : "Query";
    for (const auto& group : groups({&operation.selections}, type, 1)) add_call(out, group, type);
    if (!over_.empty()) return Errors{over_};
    if (!errors_.empty()) return errors_;
    return out;
  }

 private:
  void over(std::string what) {
    if (over_.empty()) over_ = std::move(what);
  }
  void over_many(const char* what, std::size_t most, std::size_t got) {
    over("GraphQL queries should have at most " + std::to_string(most) + " " + what + ", got " +
         std::to_string(got) + " " + what + ".");
  }

  // Limits are said before what the schema does not have.
  void check_depth(const std::vector<Selection>& set, int depth) {
    if (depth > kDeepest) over("Query exceeds maximum depth of " + std::to_string(kDeepest));
    for (const auto& each : set) {
      if (!over_.empty()) return;
      if (!each.selections.empty())
        check_depth(each.selections, depth + (each.kind == Selection::Kind::field));
    }
  }

  bool left_out(const Selection& selection) {
    bool out = false;
    for (const auto& each : selection.directives) {
      if (each.name != "skip" && each.name != "include") continue;
      if (each.arguments.size() != 1 || each.arguments[0].first != "if")
        errors_.push_back("Directive '@" + each.name + "' argument 'if' is required.");
      else
        out = out || variables_.is_true(each.arguments[0].second) == (each.name == "skip");
    }
    return out;
  }

  std::vector<Group> groups(const Sets& sets, std::string_view type, int depth) {
    std::vector<Group> out;
    std::set<std::string> spread;
    std::size_t aliases = 0, fields = 0;
    if (depth > kDeepest) over("Query exceeds maximum depth of " + std::to_string(kDeepest));
    for (const auto* set : sets) collect(out, *set, type, spread, aliases, fields);
    if (depth == 1 && fields > kMostRoots) over_many("root fields", kMostRoots, fields);
    if (aliases > kMostAliases) over_many("aliases", kMostAliases, aliases);
    return out;
  }

  void collect(std::vector<Group>& out, const std::vector<Selection>& set, std::string_view type,
               std::set<std::string>& spread, std::size_t& aliases, std::size_t& fields) {
    for (const auto& each : set) {
      if (++steps_ > kMostSteps) over("The query has too many selections");
      if (!over_.empty()) return;
      if (each.kind == Selection::Kind::field) {
        if (++fields_ > kMostFields)
          over("Query exceeds maximum total selections of " + std::to_string(kMostFields));
        ++fields;
        aliases += !each.alias.empty();
        if (!left_out(each)) add_field(out, each);
        continue;
      }
      if (left_out(each)) continue;
      if (each.kind == Selection::Kind::inline_fragment) {
        if (each.name.empty() || fits("Fragment", each.name, type))
          collect(out, each.selections, type, spread, aliases, fields);
        continue;
      }
      const auto found = document_.fragments.find(each.name);
      if (found == document_.fragments.end())
        errors_.push_back("Unknown fragment '" + each.name + "'.");
      else if (spread.insert(each.name).second &&
               fits("Fragment '" + each.name + "'", found->second.type, type))
        collect(out, found->second.selections, type, spread, aliases, fields);
    }
  }

  bool fits(const std::string& what, const std::string& wanted, std::string_view type) {
    if (wanted == type) return true;
    errors_.push_back(what + " cannot be spread here as objects of type '" + std::string(type) +
                      "' can never be of type '" + wanted + "'.");
    return false;
  }

  void add_field(std::vector<Group>& out, const Selection& field) {
    for (auto& group : out) {
      if (group.key != field.key()) continue;
      if (group.fields[0]->name != field.name)
        errors_.push_back("Fields '" + group.key + "' conflict because '" + group.fields[0]->name +
                          "' and '" + field.name +
                          "' are different fields. Use different aliases on the fields to fetch "
                          "both if this was intentional.");
      group.fields.push_back(&field);
      return;
    }
    out.push_back({field.key(), {&field}});
  }

  // The fields of what `group` holds.
  void add_children(Node& node, const Group& group, std::string_view type, int depth) {
    Sets sets;
    for (const auto* each : group.fields)
      if (!each->selections.empty()) sets.push_back(&each->selections);
    if (!node.object) {
      if (!sets.empty())
        errors_.push_back("Field '" + node.name + "' must not have a selection since type '" +
                          std::string(type) + "' has no subfields.");
      return;
    }
    if (sets.empty())
      return errors_.push_back("Field '" + node.name + "' of type '" + std::string(type) +
                               "' must have a selection of subfields. Did you mean '" + node.name +
                               " { ... }'?");
    for (const auto& each : groups(sets, type, depth)) {
      if (!over_.empty()) return;
      add_child(node, each, *node.object, depth);
    }
  }

  void add_child(Node& parent, const Group& group, const ObjectType& of, int depth) {
    const auto& first = *group.fields[0];
    Node node{group.key, first.name, find_field(of, first.name), nullptr, {}};
    for (const auto& [name, value] : first.arguments)
      errors_.push_back("Unknown argument '" + name + "' on field '" + std::string(of.name) + "." +
                        first.name + "'.");
    if (node.type)
      node.object = find_object(node.type->type);
    else if (first.name != "__typename")
      return errors_.push_back("Cannot query field '" + first.name + "' on type '" +
                               std::string(of.name) + "'.");
    add_children(node, group, node.type ? node.type->type : "String", depth + 1);
    parent.children.push_back(std::move(node));
  }

  void add_call(Plan& plan, const Group& group, const std::string& type) {
    if (!over_.empty()) return;
    const auto& first = *group.fields[0];
    Call call{{group.key, first.name, nullptr, nullptr, {}}, nullptr, {}};
    if (first.name != "__typename") {
      call.root = find_root(first.name, plan.mutation);
      if (!call.root)
        return errors_.push_back("Cannot query field '" + first.name + "' on type '" + type + "'.");
      call.node.object = find_object(call.root->type);
      add_children(call.node, group, call.root->type, 2);
      for (const auto* each : group.fields) read_arguments(call, *each, type);
    }
    plan.calls.push_back(std::move(call));
  }

  void read_arguments(Call& call, const Selection& field, const std::string& type) {
    const bool echoes = call.root->input.empty();
    std::string body;
    for (const auto& [name, value] : field.arguments) {
      if (name != (echoes ? "inputString" : "input"))
        errors_.push_back("Unknown argument '" + name + "' on field '" + type + "." + field.name +
                          "'.");
      else if (used(value))
        variables_.write(body, value);
    }
    if (!call.body.empty() && call.body != body)
      return errors_.push_back("Fields '" + call.node.key +
                               "' conflict because they have differing arguments.");
    call.body = body;
    if (body.empty() || body == "null")
      errors_.push_back("Field '" + field.name + "' needs the argument '" +
                        (echoes ? "inputString" : "input") + "'.");
    else if (!echoes)
      check_input(call.root->input, body, errors_);
  }

  // Whether all of its variables are declared.
  bool used(const Value& value) {
    bool out = true;
    if (value.kind == Value::Kind::variable && !variables_.declared(value.text)) {
      errors_.push_back("Variable '$" + value.text + "' is not defined by the operation.");
      out = false;
    }
    for (const auto& each : value.items) out = used(each) && out;
    for (const auto& [name, each] : value.members) out = used(each) && out;
    return out;
  }

  const Document& document_;
  Errors errors_;
  Variables variables_;
  std::string over_;
  std::size_t steps_ = 0, fields_ = 0;
};

const Operation* chosen(const Document& document, std::string_view name, Errors& errors) {
  if (name.empty() && document.operations.size() > 1) {
    errors.emplace_back("Must provide operation name if query contains multiple operations.");
    return nullptr;
  }
  for (const auto& each : document.operations)
    if (name.empty() || each.name == name) return &each;
  errors.push_back("Unknown operation named '" + std::string(name) + "'.");
  return nullptr;
}

}  // namespace
}  // namespace query

std::variant<Plan, Errors> plan_query(std::string_view text, std::string_view variables,
                                      std::string_view operation) {
  const auto document = parse_document(text);
  if (!document) return Errors{document.error().message};
  Errors errors;
  const auto* chosen = query::chosen(*document, operation, errors);
  if (!chosen) return errors;
  return query::Resolver(*document, *chosen, variables).plan(*chosen);
}

}  // namespace mlforge::gateway::mlflow::graphql
