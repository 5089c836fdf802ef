#include "actors/pipeline_graph.hpp"

#include <algorithm>
#include <map>
#include <set>

namespace mlforge::actors {
namespace {

using ByName = std::map<std::string, const StepSpec*>;

std::string needs_path(const StepSpec& step) { return "steps." + step.name + ".needs"; }

Error fault(const YamlNode& root, const StepSpec& step, const std::string& message) {
  const auto path = needs_path(step);
  return yaml_fault(nearest(root, path), path, message);
}

Status check_names(const YamlNode& root, const std::vector<StepSpec>& steps,
                   const ByName& by_name) {
  for (const auto& step : steps) {
    std::set<std::string> seen;
    for (std::size_t i = 0; i < step.needs.size(); ++i) {
      const auto path = needs_path(step) + "[" + std::to_string(i) + "]";
      const auto& at = nearest(root, path);
      if (!by_name.contains(step.needs[i]))
        return yaml_fault(at, path, "names a step '" + step.needs[i] + "' that does not exist");
      if (!seen.insert(step.needs[i]).second)
        return yaml_fault(at, path, "names '" + step.needs[i] + "' a second time");
    }
  }
  return {};
}

// Depth first; `path` is the way from the start, so that a cycle can be named.
class CycleFinder {
 public:
  explicit CycleFinder(const ByName& by_name) : by_name_(by_name) {}

  // "a -> b -> a", or empty.
  std::string find(const std::string& name) {
    if (const auto at = std::find(path_.begin(), path_.end(), name); at != path_.end()) {
      std::string cycle;
      for (auto it = at; it != path_.end(); ++it) cycle += *it + " -> ";
      return cycle + name;
    }
    if (!done_.insert(name).second) return {};
    path_.push_back(name);
    for (const auto& need : by_name_.at(name)->needs)
      if (auto cycle = find(need); !cycle.empty()) return cycle;
    path_.pop_back();
    return {};
  }

 private:
  const ByName& by_name_;
  std::vector<std::string> path_;
  std::set<std::string> done_;
};

Status check_cycles(const YamlNode& root, const std::vector<StepSpec>& steps,
                    const ByName& by_name) {
  CycleFinder finder(by_name);
  for (const auto& step : steps)
    if (const auto cycle = finder.find(step.name); !cycle.empty())
      return fault(root, step, "leads back to where it began: " + cycle);
  return {};
}

struct NeedsRule {
  std::string_view kind, needed;
  std::size_t least, most;
};
constexpr NeedsRule kNeeds[] = {
    {"split", "", 0, 0},          {"features", "split", 1, 1},
    {"train", "features", 1, 1},  {"cross_validate", "features", 1, 1},
    {"evaluate", "train", 1, 64}, {"register", "evaluate", 1, 1},
};

Status check_kinds(const YamlNode& root, const StepSpec& step, const ByName& by_name) {
  for (const auto& rule : kNeeds) {
    if (rule.kind != step.kind) continue;
    const std::string needed(rule.needed);
    const auto count = step.needs.size();
    if (rule.most == 0 && count > 0)
      return fault(root, step, "must be left out: a " + step.kind + " step needs no other");
    if (count < rule.least || count > rule.most)
      return fault(root, step,
                   "must name " + std::string(rule.most == 1 ? "one" : "at least one") +
                       " step of kind " + needed + ", not " + std::to_string(count));
    for (const auto& need : step.needs)
      if (by_name.at(need)->kind != needed)
        return fault(root, step,
                     "names '" + need + "' of kind " + by_name.at(need)->kind + "; a " + step.kind +
                         " step needs kind " + needed);
  }
  return {};
}

// All models that are evaluated together must have seen the same split and be comparable.
Status check_one_split(const YamlNode& root, const StepSpec& step, const ByName& by_name) {
  if (step.kind != EvaluateConfig::kind) return {};
  std::set<std::string> splits;
  for (const auto& train : step.needs)
    splits.insert(by_name.at(by_name.at(train)->needs.front())->needs.front());
  if (splits.size() > 1)
    return fault(root, step, "names models of different splits; they cannot be compared");
  return {};
}

}  // namespace

Status order_steps(const YamlNode& root, std::vector<StepSpec>& steps) {
  ByName by_name;
  for (const auto& step : steps) by_name[step.name] = &step;
  if (auto bad = check_names(root, steps, by_name)) return bad;
  if (auto bad = check_cycles(root, steps, by_name)) return bad;
  for (const auto& step : steps)
    if (auto bad = check_kinds(root, step, by_name)) return bad;
  for (const auto& step : steps)
    if (auto bad = check_one_split(root, step, by_name)) return bad;

  std::vector<StepSpec> ordered;
  std::set<std::string> placed;
  while (ordered.size() < steps.size()) {
    for (const auto& step : steps) {
      const bool ready = std::all_of(step.needs.begin(), step.needs.end(),
                                     [&](const auto& need) { return placed.contains(need); });
      if (ready && placed.insert(step.name).second) ordered.push_back(step);
    }
  }
  steps = std::move(ordered);
  return {};
}

}  // namespace mlforge::actors
