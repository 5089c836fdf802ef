#include "ml/tree_walker.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace mlforge::ml {
namespace {

constexpr std::uint32_t kMissingLeft = 1u << 31;

// As XGBoost's common::Sigmoid, in float.
float sigmoid(float margin) {
  const float x = std::min(-margin, 88.7f);
  return 1.0f / (std::exp(x) + 1.0f + 1e-16f);
}

}  // namespace

std::uint32_t TreeWalker::add_tree(const std::vector<TreeNode>& tree, std::uint32_t& depth) {
  struct Place {
    std::size_t from;
    std::uint32_t to;
    std::uint32_t depth;
  };
  const auto root = static_cast<std::uint32_t>(nodes_.size());
  nodes_.emplace_back();
  leaves_.emplace_back();
  std::vector<Place> todo{{0, root, 0}};
  for (std::size_t i = 0; i < todo.size(); ++i) {
    const auto place = todo[i];
    const TreeNode& node = tree[place.from];
    depth = std::max(depth, place.depth);
    if (node.left < 0) {
      nodes_[place.to] = {std::numeric_limits<float>::infinity(), kMissingLeft, place.to};
      leaves_[place.to] = node.value;
      continue;
    }
    const auto left = static_cast<std::uint32_t>(nodes_.size());
    nodes_.resize(left + 2);
    leaves_.resize(left + 2);
    nodes_[place.to] = {node.value, node.feature | (node.default_left ? kMissingLeft : 0), left};
    todo.push_back({static_cast<std::size_t>(node.left), left, place.depth + 1});
    todo.push_back({static_cast<std::size_t>(node.right), left + 1, place.depth + 1});
  }
  return root;
}

std::optional<TreeWalker> TreeWalker::make(const TreeModel& model) {
  const bool logistic = model.objective == "binary:logistic" || model.objective == "reg:logistic";
  const bool plain = model.objective == "binary:logitraw" || model.objective == "reg:squarederror";
  if (model.booster != "gbtree" || model.outputs != 1 || model.categorical || (!logistic && !plain))
    return std::nullopt;
  TreeWalker out;
  out.logistic_ = logistic;
  const bool margin_of_probability = logistic || model.objective == "binary:logitraw";
  out.base_margin_ =
      margin_of_probability ? -std::log(1.0f / model.base_score - 1.0f) : model.base_score;
  for (const auto& tree : model.trees) {
    if (out.groups_.empty() || out.groups_.back().size == kGroup) out.groups_.push_back({});
    Group& group = out.groups_.back();
    std::uint32_t depth = group.depth;
    group.roots[group.size++] = out.add_tree(tree, depth);
    group.depth = depth;
  }
  return out;
}

inline std::uint32_t TreeWalker::step(std::uint32_t at, const float* row) const {
  const Node& node = nodes_[at];
  const float x = row[node.feature & ~kMissingLeft];
  const bool missing = x != x;
  const bool left = missing ? (node.feature & kMissingLeft) != 0 : x < node.threshold;
  return node.left + (left ? 0 : 1);
}

float TreeWalker::predict(std::span<const float> row) const {
  float margin = base_margin_;
  for (const auto& group : groups_) {
    std::uint32_t at[kGroup];
    std::copy(std::begin(group.roots), std::end(group.roots),
              at);  // roots beyond size are 0, harmless
    for (std::uint32_t d = 0; d < group.depth; ++d)
      for (auto& a : at) a = step(a, row.data());
    for (std::uint32_t i = 0; i < group.size; ++i) margin += leaves_[at[i]];  // in XGBoost's order
  }
  return logistic_ ? sigmoid(margin) : margin;
}

}  // namespace mlforge::ml
