// What several kinds of steps read from the steps before them.
#pragma once
#include <string>
#include <vector>

#include "actors/pipeline_steps.hpp"
#include "ml/preprocess.hpp"

namespace mlforge::actors {

// An output of a needed step; internal where it is not there.
Expected<std::string> output_of(const StepOutcome& input, const std::string& name);

// The blob that the output names.
Expected<std::string> blob_of(const StepContext& context, const StepOutcome& input,
                              const std::string& name);

// The letters T, V, E, one a row of `table`; conflict where their number is another.
Expected<std::string> letters_of(const StepContext& context, const StepOutcome& input,
                                 const ml::Table& table);

Expected<ml::Preprocessor> preprocessor_of(const StepContext& context, const StepOutcome& input);

ml::PreprocessOptions preprocess_options(const FeaturesConfig& config);

// One part of the split, ready for a model: features of shape (rows, features), labels of shape
// (rows).
struct Part {
  std::vector<std::uint32_t> rows;
  ml::Matrix features;
  std::vector<float> labels;
};
Expected<Part> part_of(const StepContext& context, const ml::Table& table,
                       const ml::Preprocessor& preprocessor, const std::string& letters,
                       char letter);

}  // namespace mlforge::actors
