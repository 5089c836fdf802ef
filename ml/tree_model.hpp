// What a saved XGBoost model holds, read without XGBoost: checked, and ready to be walked.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "events/error.hpp"

namespace mlforge::ml {

struct TreeNode {
  std::int32_t left = -1;  // -1: leaf
  std::int32_t right = -1;
  std::uint32_t feature = 0;
  float value = 0;            // leaf: its weight; else rows with a smaller feature go left
  bool default_left = false;  // where missing goes
};

struct TreeModel {
  std::string booster;    // "gbtree", "dart", "gblinear"
  std::string objective;  // "binary:logistic"
  std::size_t features = 0;
  std::size_t outputs = 1;                   // classes times targets
  float base_score = 0.5f;                   // as the objective predicts, not as margin
  bool categorical = false;                  // some split is on categories
  std::vector<std::string> feature_names;    // empty: none were given
  std::vector<std::vector<TreeNode>> trees;  // [0] is the root
};

// corrupt when the bytes are not a UBJSON model of XGBoost 1.6 or later whose trees are trees:
// array lengths agree, children exist, no node is reached twice, split features exist. Any thread.
Expected<TreeModel> read_model(std::string_view bytes);

// The same check, without the result.
Status check_model(std::string_view bytes);

}  // namespace mlforge::ml
