// What a pipeline's YAML means: a checked graph of steps. The form is described in
// docs/pipelines.md.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "events/error.hpp"
#include "events/fields.hpp"
#include "events/vocabulary.hpp"

namespace mlforge::actors {

// One struct per kind of step. Their fields stand in alphabetical order, so that their JSON is
// canonical; the compiler checks it.
struct SplitConfig {
  static constexpr std::string_view kind = "split";
  std::string assignment;  // path of a file of letters in the dataset; empty: drawn by the seed
  double test = 0.2, validation = 0.1;  // shares of the rows; the rest trains
  static constexpr auto fields() {
    return FieldList{field("assignment", &SplitConfig::assignment),
                     field("test", &SplitConfig::test),
                     field("validation", &SplitConfig::validation)};
  }
};

struct CategoricalConfig {
  std::string encode = "onehot";     // onehot, ordinal
  std::string missing = "category";  // category: a state of its own; mode: the most frequent one
  static constexpr auto fields() {
    return FieldList{field("encode", &CategoricalConfig::encode),
                     field("missing", &CategoricalConfig::missing)};
  }
};

struct NumericConfig {
  std::string impute = "none";     // median, mean, none (the trees learn a way for what is missing)
  std::string scale = "standard";  // standard, none
  static constexpr auto fields() {
    return FieldList{field("impute", &NumericConfig::impute),
                     field("scale", &NumericConfig::scale)};
  }
};

struct FeaturesConfig {
  static constexpr std::string_view kind = "features";
  CategoricalConfig categorical;
  std::vector<std::string> drop;  // columns that are no features; sorted
  NumericConfig numeric;
  static constexpr auto fields() {
    return FieldList{field("categorical", &FeaturesConfig::categorical),
                     field("drop", &FeaturesConfig::drop),
                     field("numeric", &FeaturesConfig::numeric)};
  }
};

struct TrainConfig {
  static constexpr std::string_view kind = "train";
  std::uint64_t early_stopping = 50;  // rounds without a better validation AUC; 0: never
  Texts params;                       // of XGBoost
  std::uint64_t rounds = 100;
  static constexpr auto fields() {
    return FieldList{field("early_stopping", &TrainConfig::early_stopping),
                     field("params", &TrainConfig::params), field("rounds", &TrainConfig::rounds)};
  }
};

struct CrossValidateConfig {
  static constexpr std::string_view kind = "cross_validate";
  std::uint64_t early_stopping = 50;
  std::uint64_t folds = 5;
  Texts params;
  std::uint64_t rounds = 100;
  static constexpr auto fields() {
    return FieldList{field("early_stopping", &CrossValidateConfig::early_stopping),
                     field("folds", &CrossValidateConfig::folds),
                     field("params", &CrossValidateConfig::params),
                     field("rounds", &CrossValidateConfig::rounds)};
  }
};

struct EvaluateConfig {
  static constexpr std::string_view kind = "evaluate";
  double threshold = 0.5;  // probability from which on a row counts as positive
  static constexpr auto fields() {
    return FieldList{field("threshold", &EvaluateConfig::threshold)};
  }
};

struct SelectConfig {
  std::string metric = "validation_auc";
  std::string mode = "max";  // max, min
  static constexpr auto fields() {
    return FieldList{field("metric", &SelectConfig::metric), field("mode", &SelectConfig::mode)};
  }
};

struct RegisterConfig {
  static constexpr std::string_view kind = "register";
  SelectConfig select;
  std::string stage = "None";  // None, Staging
  static constexpr auto fields() {
    return FieldList{field("select", &RegisterConfig::select),
                     field("stage", &RegisterConfig::stage)};
  }
};

using StepConfig = std::variant<SplitConfig, FeaturesConfig, TrainConfig, CrossValidateConfig,
                                EvaluateConfig, RegisterConfig>;

struct StepSpec {
  std::string name, kind;
  std::vector<std::string> needs;
  StepConfig config;
  // JSON with sorted keys and defaults filled in, of all that the step's outcome depends on besides
  // its inputs: its configuration, the label, the seed; where it keeps a tracked run also its name,
  // the experiment and `fresh`.
  std::string canonical;
};

struct PipelineSpec {
  std::string name;
  std::string dataset;
  std::uint64_t dataset_version = 0;  // 0: the newest valid one
  std::string label, positive;
  std::string experiment;  // default: the pipeline's name
  std::string model;       // empty only where no step registers
  std::uint64_t seed = 0;
  std::string fresh;            // anything; another text trains anew
  std::vector<StepSpec> steps;  // each after all that it needs, else in order of appearance

  const StepSpec* find(std::string_view step) const;
  std::vector<std::string> step_names() const;
};

// Compiles the YAML text after the overrides have been applied to it. An override's key is a dotted
// path ("steps.train.params.max_depth", also without "steps."), its value YAML; "rounds" sets the
// rounds of every train and cross_validate step. Pure; any thread. Errors begin with line and
// column, or with "override":
//   malformed         no YAML, or a construct that is refused (pipeline_yaml.hpp),
//   unknown_field     a key that has no meaning in its place; the message lists those that have,
//   invalid_argument  a wrong type or range, a missing key, an unknown kind or step, a cycle ("a ->
//                     b -> a").
Expected<PipelineSpec> compile_pipeline(std::string_view yaml, const Texts& overrides = {});

}  // namespace mlforge::actors
