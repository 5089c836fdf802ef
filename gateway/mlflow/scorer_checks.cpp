#include "gateway/mlflow/scorer_checks.hpp"

#include <algorithm>
#include <set>

#include "events/json_tree.hpp"

namespace mlforge::gateway::mlflow {
namespace scorer_checks {
namespace {

constexpr std::string_view kGateway = "gateway:/";

Error refused(std::string message) {
  return {ErrorCode::invalid_argument, std::move(message), "serialized_scorer"};
}

bool has_code(const JsonTree& tree) {
  const auto* source = tree.find("call_source");
  return (source && source->kind != JsonTree::null) ||
         std::any_of(tree.items.begin(), tree.items.end(), has_code);
}

bool is_destination(const std::string& name) {
  for (const char* each :
       {"api_base", "base_url", "model_list", "fallbacks", "custom_llm_provider"})
    if (name == each) return true;
  return false;
}

// Also of lists of pairs, which Python's dict() takes for an object.
void find_destinations(const JsonTree& tree, std::set<std::string>& found) {
  for (const auto& name : tree.names)
    if (is_destination(name)) found.insert(name);
  for (const auto& each : tree.items) {
    if (tree.kind == JsonTree::list && each.kind == JsonTree::list && each.items.size() == 2 &&
        each.items[0].kind == JsonTree::text && is_destination(each.items[0].value))
      found.insert(each.items[0].value);
    find_destinations(each, found);
  }
}

Status check_third_parties(const JsonTree& tree) {
  const auto* data = tree.find("third_party_scorer_data");
  if (const auto* kwargs = data ? data->find("kwargs") : nullptr) {
    if (kwargs->kind != JsonTree::object && kwargs->kind != JsonTree::null)
      return refused("third_party_scorer_data.kwargs must be a JSON object.");
    std::set<std::string> found;
    find_destinations(*kwargs, found);
    if (!found.empty()) {
      std::string names;
      for (const auto& each : found) names += (names.empty() ? "'" : ", '") + each + "'";
      return refused("third_party_scorer_data.kwargs must not contain " + names +
                     ": these options choose where the scorer's LLM client sends requests.");
    }
  }
  for (const auto& each : tree.items)
    if (auto bad = check_third_parties(each)) return bad;
  return {};
}

const JsonTree* model_of(const JsonTree& tree) {
  for (const char* name : {"instructions_judge_pydantic_data", "builtin_scorer_pydantic_data",
                           "memory_augmented_judge_data", "third_party_scorer_data"}) {
    const auto* data = tree.find(name);
    if (!data || data->is_falsy()) continue;
    if (std::string_view(name) != "memory_augmented_judge_data") return data->find("model");
    const auto* judge = data->find("base_judge");
    return judge ? model_of(*judge) : nullptr;
  }
  return nullptr;
}

Status check_model(const JsonTree* model) {
  if (!model || model->kind == JsonTree::null) return {};
  if (model->kind != JsonTree::text) return refused("Scorer model must be a string.");
  if (model->value.find_first_not_of(" \t\r\n\v\f") == std::string::npos)
    return refused("Scorer model cannot be empty or contain only whitespace.");
  if (model->value.starts_with(kGateway) && model->value.size() > kGateway.size())
    return Error{ErrorCode::not_found,
                 "GatewayEndpoint not found (name='" + model->value.substr(kGateway.size()) + "')",
                 "serialized_scorer"};
  return {};
}

}  // namespace
}  // namespace scorer_checks

Status check_serialized_scorer(std::string_view serialized) {
  using namespace scorer_checks;
  const auto tree = parse_tree(serialized);
  if (!tree) return refused("serialized_scorer must be valid JSON: " + tree.error().message);
  if (tree->kind != JsonTree::object) return refused("serialized_scorer must be a JSON object");
  if (has_code(*tree))
    return refused(
        "Custom scorer registration (using @scorer decorator) is not supported by this server: "
        "it keeps no code that reading it would execute. Keep the code of custom scorers in a "
        "source code repository and import it, or use built-in scorers or make_judge() scorers.");
  if (auto bad = check_third_parties(*tree)) return bad;
  return check_model(model_of(*tree));
}

}  // namespace mlforge::gateway::mlflow
