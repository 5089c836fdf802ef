// The graph of a pipeline's steps: its order, its cycles, and what each kind may need.
#pragma once
#include <vector>

#include "actors/pipeline_spec.hpp"
#include "actors/pipeline_yaml.hpp"

namespace mlforge::actors {

// Puts each step behind all that it needs; otherwise the order stays. invalid_argument, with the
// place in `root`: a step that needs an unknown step, itself, or one twice; a cycle, named step by
// step; a kind that needs something else (train needs one features step, and so on).
Status order_steps(const YamlNode& root, std::vector<StepSpec>& steps);

}  // namespace mlforge::actors
