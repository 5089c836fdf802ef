#include "actors/pipeline_spec.hpp"

#include <algorithm>
#include <set>

#include "actors/pipeline_graph.hpp"
#include "actors/pipeline_params.hpp"
#include "actors/pipeline_yaml.hpp"
#include "events/checks.hpp"
#include "events/codec.hpp"

namespace mlforge::actors {
namespace {

// What stands at the top of the document.
struct Head {
  std::string dataset, experiment, fresh, label, model, pipeline, positive;
  std::uint64_t seed = 42;
  YamlNode steps;
  static constexpr auto fields() {
    return FieldList{required("pipeline", &Head::pipeline),
                     required("dataset", &Head::dataset),
                     required("label", &Head::label),
                     required("positive", &Head::positive),
                     field("experiment", &Head::experiment),
                     field("model", &Head::model),
                     field("seed", &Head::seed),
                     field("fresh", &Head::fresh),
                     required("steps", &Head::steps)};
  }
};

// What the canonical form of a step consists of. Experiment, fresh and step are empty for steps
// that keep no run of their own: theirs is shared by whoever computes the same.
struct Canonical {
  RawJson config;
  std::string experiment, fresh, label, positive;
  std::uint64_t seed = 0;
  std::string step;
  static constexpr auto fields() {
    return FieldList{
        field("config", &Canonical::config),     field("experiment", &Canonical::experiment),
        field("fresh", &Canonical::fresh),       field("label", &Canonical::label),
        field("positive", &Canonical::positive), field("seed", &Canonical::seed),
        field("step", &Canonical::step)};
  }
};

template <HasFields T>
constexpr bool sorted_fields() {
  std::string_view last;
  bool sorted = true;
  for_each_field<T>([&](const auto& f) {
    sorted = sorted && last < f.name;
    last = f.name;
  });
  return sorted;
}
static_assert(sorted_fields<SplitConfig>() && sorted_fields<CategoricalConfig>() &&
              sorted_fields<NumericConfig>() && sorted_fields<FeaturesConfig>() &&
              sorted_fields<TrainConfig>() && sorted_fields<CrossValidateConfig>() &&
              sorted_fields<EvaluateConfig>() && sorted_fields<SelectConfig>() &&
              sorted_fields<RegisterConfig>() && sorted_fields<Canonical>());

// Finds a fault's place in the document by its path.
class Checker {
 public:
  explicit Checker(const YamlNode& root) : root_(root) {}

  Status fault(const std::string& path, std::string_view message) const {
    return yaml_fault(nearest(root_, path), path, message);
  }
  Status range(const std::string& path, std::uint64_t value, std::uint64_t low,
               std::uint64_t high) const {
    if (value >= low && value <= high) return {};
    return fault(path, "must be from " + std::to_string(low) + " to " + std::to_string(high) +
                           ", not " + std::to_string(value));
  }
  Status one_of(const std::string& path, const std::string& value,
                std::initializer_list<std::string_view> allowed) const {
    std::string list;
    for (const auto each : allowed) {
      if (each == value) return {};
      list += (list.empty() ? "" : ", ") + std::string(each);
    }
    return fault(path, "must be one of " + list + ", not '" + value + "'");
  }
  Status params(const std::string& path, const Texts& params) const {
    for (const auto& [name, value] : params)
      if (auto bad = check_param(name, value)) return fault(path + "." + name, *bad);
    return {};
  }

 private:
  const YamlNode& root_;
};

Status check(const Checker& c, const std::string& path, SplitConfig& config) {
  if (!config.assignment.empty()) {
    auto bad = check_path(path + ".assignment", config.assignment);
    return bad ? c.fault(path + ".assignment", bad->message) : Status{};
  }
  if (!(config.test > 0 && config.test < 1))
    return c.fault(path + ".test", "must be a share between 0 and 1");
  if (!(config.validation > 0 && config.validation < 1))
    return c.fault(path + ".validation", "must be a share between 0 and 1");
  if (config.test + config.validation >= 1)
    return c.fault(path + ".test", "and validation must leave rows to train on");
  return {};
}

Status check(const Checker& c, const std::string& path, FeaturesConfig& config) {
  std::sort(config.drop.begin(), config.drop.end());
  if (auto bad =
          c.one_of(path + ".numeric.impute", config.numeric.impute, {"median", "mean", "none"}))
    return bad;
  if (auto bad = c.one_of(path + ".numeric.scale", config.numeric.scale, {"standard", "none"}))
    return bad;
  if (auto bad =
          c.one_of(path + ".categorical.encode", config.categorical.encode, {"onehot", "ordinal"}))
    return bad;
  return c.one_of(path + ".categorical.missing", config.categorical.missing, {"category", "mode"});
}

Status check(const Checker& c, const std::string& path, TrainConfig& config) {
  if (auto bad = c.range(path + ".rounds", config.rounds, 1, 100'000)) return bad;
  if (auto bad = c.range(path + ".early_stopping", config.early_stopping, 0, 100'000)) return bad;
  return c.params(path + ".params", config.params);
}

Status check(const Checker& c, const std::string& path, CrossValidateConfig& config) {
  if (auto bad = c.range(path + ".rounds", config.rounds, 1, 100'000)) return bad;
  if (auto bad = c.range(path + ".early_stopping", config.early_stopping, 0, 100'000)) return bad;
  if (auto bad = c.range(path + ".folds", config.folds, 2, 100)) return bad;
  return c.params(path + ".params", config.params);
}

Status check(const Checker& c, const std::string& path, EvaluateConfig& config) {
  if (config.threshold > 0 && config.threshold < 1) return {};
  return c.fault(path + ".threshold", "must be a probability between 0 and 1");
}

Status check(const Checker& c, const std::string& path, RegisterConfig& config) {
  if (config.select.metric.empty()) return c.fault(path + ".select.metric", "must name a metric");
  if (auto bad = c.one_of(path + ".select.mode", config.select.mode, {"max", "min"})) return bad;
  return c.one_of(path + ".stage", config.stage, {"None", "Staging"});
}

// Reads the step's own keys into the config whose kind it names; false where there is no such kind.
template <std::size_t I = 0>
Expected<bool> read_config(const std::string& kind, const YamlNode& own, const std::string& path,
                           StepConfig& out) {
  if constexpr (I == std::variant_size_v<StepConfig>) {
    return false;
  } else {
    using Config = std::variant_alternative_t<I, StepConfig>;
    if (kind != Config::kind) return read_config<I + 1>(kind, own, path, out);
    if (auto bad = yaml::read(own, path, out.emplace<I>())) return *bad;
    return true;
  }
}

std::string kinds() {
  std::string out;
  const auto add = [&]<class... C>(std::variant<C...>*) {
    ((out += (out.empty() ? "" : ", ") + std::string(C::kind)), ...);
  };
  add(static_cast<StepConfig*>(nullptr));
  return out;
}

bool is_step_name(std::string_view name) {
  return !name.empty() && name.size() <= 64 &&
         std::all_of(name.begin(), name.end(),
                     [](unsigned char c) { return std::isalnum(c) || c == '_' || c == '-'; });
}

Expected<StepSpec> read_step(const Checker& checker, const YamlEntry& entry) {
  const auto path = "steps." + entry.key;
  if (!is_step_name(entry.key))
    return yaml_fault(entry.line, entry.column, ErrorCode::invalid_argument, path,
                      "must be a step name of 1 to 64 letters, digits, '_' or '-'");
  YamlNode own = entry.value;
  if (own.kind != YamlNode::Kind::map) return yaml::wrong_type(own, path, "a map");
  StepSpec step;
  step.name = entry.key;
  const auto* kind = own.find("kind");
  if (!kind) return yaml_fault(own, path + ".kind", "is missing; the kinds are " + kinds());
  if (auto bad = yaml::read(kind->value, path + ".kind", step.kind)) return *bad;
  if (const auto* needs = own.find("needs"))
    if (auto bad = yaml::read(needs->value, path + ".needs", step.needs)) return *bad;
  std::erase_if(own.entries, [](const auto& e) { return e.key == "kind" || e.key == "needs"; });
  auto known = read_config(step.kind, own, path, step.config);
  if (!known) return known.error();
  if (!*known)
    return *checker.fault(path + ".kind",
                          "must be one of " + kinds() + ", not '" + step.kind + "'");
  if (auto bad =
          std::visit([&](auto& config) { return check(checker, path, config); }, step.config))
    return *bad;
  return step;
}

bool has_kind(const YamlNode& step, std::string_view kind) {
  const auto* entry = step.find("kind");
  return entry && entry->value.text == kind;
}

// "rounds" reaches every step that boosts.
Status override_rounds(YamlNode& root, const std::string& value) {
  const auto* steps = root.find("steps");
  std::vector<std::string> paths;
  if (steps)
    for (const auto& step : steps->value.entries)
      if (has_kind(step.value, TrainConfig::kind) ||
          has_kind(step.value, CrossValidateConfig::kind))
        paths.push_back("steps." + step.key + ".rounds");
  for (const auto& path : paths)
    if (auto bad = set_path(root, path, value)) return bad;
  return {};
}

Status apply_override(YamlNode& root, const std::string& key, const std::string& value) {
  if (key == "rounds") return override_rounds(root, value);
  const auto* steps = root.find("steps");
  const auto first = key.substr(0, key.find('.'));
  const auto step_of = [&](const std::string& path) { return path.substr(0, path.find('.')); };
  if (!root.find(first) && steps && first != key && steps->value.find(first))
    return set_path(root, "steps." + key, value);
  if (first == "steps" && first != key) {
    const auto name = step_of(key.substr(6));
    if (!steps || !steps->value.find(name))
      return Error{ErrorCode::invalid_argument,
                   "override " + key + ": there is no step '" + name + "'", key};
  }
  return set_path(root, key, value);
}

// "adult" or "adult@3".
Status read_dataset(const Checker& checker, const std::string& text, PipelineSpec& spec) {
  const auto at = text.rfind('@');
  spec.dataset = text.substr(0, at);
  if (auto bad = check_name("dataset", spec.dataset)) return checker.fault("dataset", bad->message);
  if (at == std::string::npos) return {};
  YamlNode version;
  version.kind = YamlNode::Kind::scalar;
  version.text = text.substr(at + 1);
  if (yaml::read(version, "dataset", spec.dataset_version) || spec.dataset_version == 0)
    return checker.fault("dataset", "must be a name or name@version with a version from 1 on");
  return {};
}

Status read_head(const Checker& checker, const YamlNode& root, Head& head, PipelineSpec& spec) {
  if (auto bad = yaml::read(root, "", head)) return bad;
  if (head.experiment.empty()) head.experiment = head.pipeline;
  for (const auto& [key, value] :
       {std::pair{"pipeline", &head.pipeline}, {"experiment", &head.experiment}})
    if (auto bad = check_name(key, *value)) return checker.fault(key, bad->message);
  for (const auto& [key, value] : {std::pair{"label", &head.label}, {"positive", &head.positive}})
    if (value->empty() || value->size() > 200 || has_control(*value))
      return checker.fault(key, "must be a text of 1 to 200 bytes without control characters");
  if (!head.model.empty())
    if (auto bad = check_name("model", head.model)) return checker.fault("model", bad->message);
  if (auto bad = read_dataset(checker, head.dataset, spec)) return bad;
  // XGBoost takes a signed 32-bit seed.
  if (auto bad = checker.range("seed", head.seed, 0, 2147483647)) return bad;
  if (head.steps.kind != YamlNode::Kind::map || head.steps.entries.empty())
    return yaml::wrong_type(head.steps, "steps", "a map of at least one step");
  spec.name = head.pipeline;
  spec.label = head.label;
  spec.positive = head.positive;
  spec.experiment = head.experiment;
  spec.model = head.model;
  spec.seed = head.seed;
  spec.fresh = head.fresh;
  return {};
}

std::string canonical_of(const PipelineSpec& spec, const StepSpec& step) {
  const bool trains = step.kind == TrainConfig::kind || step.kind == CrossValidateConfig::kind;
  Canonical out{.config = {std::visit([](const auto& c) { return to_json(c); }, step.config)},
                .label = spec.label,
                .positive = spec.positive,
                .seed = spec.seed};
  if (trains) {
    out.experiment = spec.experiment;
    out.fresh = spec.fresh;
    out.step = step.name;
  }
  return to_json(out);
}

}  // namespace

const StepSpec* PipelineSpec::find(std::string_view step) const {
  for (const auto& each : steps)
    if (each.name == step) return &each;
  return nullptr;
}

std::vector<std::string> PipelineSpec::step_names() const {
  std::vector<std::string> names;
  for (const auto& each : steps) names.push_back(each.name);
  return names;
}

Expected<PipelineSpec> compile_pipeline(std::string_view yaml, const Texts& overrides) {
  auto root = parse_yaml(yaml);
  if (!root) return root.error();
  if (root->kind != YamlNode::Kind::map) return yaml::wrong_type(*root, "", "a map");
  for (const auto& [key, value] : overrides)
    if (auto bad = apply_override(*root, key, value)) return *bad;

  const Checker checker(*root);
  PipelineSpec spec;
  Head head;
  if (auto bad = read_head(checker, *root, head, spec)) return *bad;
  for (const auto& entry : head.steps.entries) {
    auto step = read_step(checker, entry);
    if (!step) return step.error();
    if (step->kind == RegisterConfig::kind && spec.model.empty())
      return *checker.fault("model", "is missing; the step '" + step->name + "' registers a model");
    spec.steps.push_back(*std::move(step));
  }
  if (auto bad = order_steps(*root, spec.steps)) return *bad;
  for (auto& step : spec.steps) step.canonical = canonical_of(spec, step);
  return spec;
}

}  // namespace mlforge::actors
