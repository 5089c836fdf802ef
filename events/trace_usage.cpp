#include "events/trace_usage.hpp"

#include <charconv>
#include <initializer_list>
#include <set>

#include "events/json.hpp"
#include "events/json_tree.hpp"

namespace mlforge {
namespace {

struct Counted {
  const char* name;
  bool optional = false;  // only where a span says it
};

double number_in(const JsonTree& tree, const char* name, bool* found) {
  const auto* member = tree.find(name);
  double out = 0;
  *found = member && member->kind == JsonTree::number;
  if (*found)
    std::from_chars(member->value.data(), member->value.data() + member->value.size(), out);
  return out;
}

// What a span says, also as text inside of text; null where that is no object.
JsonTree object_of(const std::string& json) {
  if (json.empty()) return {};
  auto tree = parse_tree(json);
  if (tree && tree->kind == JsonTree::text) tree = parse_tree(std::string(tree->value));
  return tree && tree->kind == JsonTree::object ? *std::move(tree) : JsonTree();
}

bool below_one_that_says(const SpanUsages& spans, const SpanUsage& span,
                         const std::set<std::string>& saying) {
  std::set<std::string> seen{span.span_id};
  for (auto at = spans.find(span.parent_id); at != spans.end() && seen.insert(at->first).second;
       at = spans.find(at->second.parent_id))
    if (saying.contains(at->first)) return true;
  return false;
}

std::string sum(const SpanUsages& spans, std::string SpanUsage::*said,
                std::initializer_list<Counted> counted, bool whole) {
  std::map<std::string, JsonTree> trees;
  std::set<std::string> saying;
  for (const auto& [id, span] : spans)
    if (auto tree = object_of(span.*said); tree.kind == JsonTree::object) {
      trees.emplace(id, std::move(tree));
      saying.insert(id);
    }
  if (trees.empty()) return {};
  std::map<std::string, double> sums;
  for (const auto& [id, tree] : trees) {
    if (below_one_that_says(spans, spans.at(id), saying)) continue;
    for (const auto& each : counted) {
      bool found = false;
      const auto number = number_in(tree, each.name, &found);
      if (found || !each.optional) sums[each.name] += number;
    }
  }
  std::string out;
  for (const auto& each : counted) {
    const auto at = sums.find(each.name);
    if (at == sums.end()) continue;
    out += out.empty() ? "{" : ", ";
    append_json_string(out, each.name);
    out += ": ";
    if (whole)
      append_json_int(out, static_cast<std::int64_t>(at->second));
    else
      append_json_double(out, at->second);
  }
  return out + '}';
}

}  // namespace

std::string sum_of_tokens(const SpanUsages& spans) {
  return sum(spans, &SpanUsage::usage,
             {{"input_tokens"},
              {"output_tokens"},
              {"total_tokens"},
              {"cache_read_input_tokens", true},
              {"cache_creation_input_tokens", true},
              {"cache_creation_input_tokens_above_1hr", true}},
             true);
}

std::string sum_of_costs(const SpanUsages& spans) {
  return sum(spans, &SpanUsage::cost, {{"input_cost"}, {"output_cost"}, {"total_cost"}}, false);
}

}  // namespace mlforge
