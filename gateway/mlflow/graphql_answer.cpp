// The JSON of an answer, picked from the REST API's.
#include <algorithm>

#include "events/codec.hpp"
#include "gateway/mlflow/graphql_query.hpp"

namespace mlforge::gateway::mlflow::graphql {
namespace answer {
namespace {

using simdjson::dom::element;
using Found = std::optional<element>;

constexpr std::string_view kRun = "MlflowRunExtension", kExperiment = "experiment",
                           kVersions = "modelVersions";

Found member(const Found& object, std::string_view key) {
  element out;
  if (!object || object->at_key(key).get(out) != simdjson::SUCCESS || out.is_null())
    return std::nullopt;
  return out;
}

std::string text_of(const Found& value) {
  std::string_view text;
  if (value && value->get(text) == simdjson::SUCCESS) return std::string(text);
  return value ? std::string(simdjson::minify(*value)) : std::string();
}

std::string info_of(const Found& run, std::string_view key) {
  return text_of(member(member(run, "info"), key));
}

void write_scalar(std::string& out, std::string_view type, const Found& value) {
  if (type == "String" || type == "LongString")
    return append_json_string(out, value ? text_of(value) : type == "String" ? "" : "0");
  if (type == "Boolean" || type == "Int" || type == "Float") {
    // A double that is no number has no place in JSON.
    if (value && value->is_string()) return void(out += "null");
    return void(out += value               ? std::string(simdjson::minify(*value))
                       : type == "Boolean" ? "false"
                                           : "0");
  }
  append_json_string(out, value ? text_of(value) : std::string(enum_default(type)));
}

class Writer {
 public:
  Writer(std::string& out, const Related& related) : out_(out), related_(related) {}

  void object(const std::vector<Node>& nodes, const ObjectType& type, const Found& from) {
    out_ += '{';
    for (const auto& node : nodes) {
      if (&node != &nodes.front()) out_ += ',';
      append_json_string(out_, node.key);
      out_ += ':';
      field(node, type, from);
    }
    out_ += '}';
  }

 private:
  void field(const Node& node, const ObjectType& of, const Found& from) {
    if (!node.type) return append_json_string(out_, of.name);
    if (node.name == "apiError") return void(out_ += "null");
    if (of.name == kRun && node.name == kExperiment) return experiment(node, from);
    if (of.name == kRun && node.name == kVersions) return versions(node, from);
    const auto value = member(from, snake_case(node.name));
    if (node.type->list) return list(node, value);
    if (node.object) return object(node.children, *node.object, value);
    if (node.name == "workspace" && !value) return append_json_string(out_, "default");
    write_scalar(out_, node.type->type, value);
  }

  void list(const Node& node, const Found& value) {
    simdjson::dom::array items;
    out_ += '[';
    if (value && value->get(items) == simdjson::SUCCESS)
      for (const element each : items) one_of(node, each);
    out_ += ']';
  }

  void one_of(const Node& node, const element& each) {
    if (out_.back() != '[') out_ += ',';
    if (node.object)
      object(node.children, *node.object, each);
    else
      write_scalar(out_, node.type->type, each);
  }

  void experiment(const Node& node, const Found& run) {
    const auto at = related_.experiments.find(info_of(run, "experiment_id"));
    if (at == related_.experiments.end()) return void(out_ += "null");
    object(node.children, *node.object, at->second);
  }

  void versions(const Node& node, const Found& run) {
    out_ += '[';
    const auto at = related_.versions.find(info_of(run, "run_id"));
    if (at != related_.versions.end())
      for (const auto& each : at->second) one_of(node, each);
    out_ += ']';
  }

  std::string& out_;
  const Related& related_;
};

bool asks(const Node& node, std::string_view name) {
  return std::any_of(node.children.begin(), node.children.end(),
                     [&](const Node& each) { return each.name == name; });
}

void add_once(std::vector<std::string>& to, std::string text) {
  if (!text.empty() && std::find(to.begin(), to.end(), text) == to.end())
    to.push_back(std::move(text));
}

}  // namespace
}  // namespace answer

void add_wanted(Wanted& wanted, const Call& call, const simdjson::dom::element& whole) {
  using namespace answer;
  for (const auto& node : call.node.children) {
    if (!node.type || node.type->type != kRun) continue;
    const bool experiments = asks(node, kExperiment), versions = asks(node, kVersions);
    const auto add = [&](const Found& run) {
      if (experiments) add_once(wanted.experiment_ids, info_of(run, "experiment_id"));
      if (versions) wanted.run_ids.push_back(info_of(run, "run_id"));
    };
    const auto value = member(whole, snake_case(node.name));
    simdjson::dom::array runs;
    if (value && value->get(runs) == simdjson::SUCCESS)
      for (const element each : runs) add(each);
    else
      add(value);
  }
}

void write_answer(std::string& out, const Call& call, const simdjson::dom::element& whole,
                  const Related& related) {
  answer::Writer(out, related).object(call.node.children, *call.node.object, whole);
}

}  // namespace mlforge::gateway::mlflow::graphql
