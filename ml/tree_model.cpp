#include "ml/tree_model.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <initializer_list>
#include <limits>
#include <optional>

#include "ml/ubjson.hpp"

namespace mlforge::ml {
namespace {

using Kind = UbjValue::Kind;

constexpr std::int64_t kMaxFeatures = 1 << 24;
constexpr std::int64_t kMaxOutputs = 1 << 16;

const UbjValue* find_path(const UbjValue& from, std::initializer_list<std::string_view> path) {
  const UbjValue* at = &from;
  for (const auto key : path) {
    at = at->find(key);
    if (at == nullptr) return nullptr;
  }
  return at;
}

// XGBoost writes its parameters as texts.
std::optional<std::int64_t> integer_text(const UbjValue* value) {
  std::int64_t out = 0;
  if (value == nullptr || value->kind != Kind::text) return std::nullopt;
  const char* end = value->text.data() + value->text.size();
  const auto result = std::from_chars(value->text.data(), end, out);
  if (result.ec != std::errc() || result.ptr != end) return std::nullopt;
  return out;
}

std::optional<std::int64_t> integer_in(const UbjValue* value, std::int64_t low, std::int64_t high) {
  const auto found = integer_text(value);
  return found && *found >= low && *found <= high ? found : std::nullopt;
}

// One tree, read into plain nodes while its arrays are checked.
class TreeReader {
 public:
  TreeReader(const UbjValue& tree, std::size_t features) : tree_(tree), features_(features) {}

  bool read(std::vector<TreeNode>& out) {
    const auto count = integer_in(find_path(tree_, {"tree_param", "num_nodes"}), 1,
                                  std::numeric_limits<std::int32_t>::max());
    if (!count) return false;
    n_ = static_cast<std::size_t>(*count);
    left_ = integers("left_children");
    right_ = integers("right_children");
    split_ = integers("split_indices");
    conditions_ = reals("split_conditions");
    const auto* defaults = integers("default_left");
    const auto* types = integers("split_type");
    parents_ = integers("parents");
    if (left_ == nullptr || right_ == nullptr || split_ == nullptr || conditions_ == nullptr ||
        defaults == nullptr || types == nullptr || parents_ == nullptr ||
        reals("base_weights") == nullptr || reals("loss_changes") == nullptr ||
        reals("sum_hessian") == nullptr)
      return false;
    out.resize(n_);
    for (std::size_t i = 0; i < n_; ++i) {
      out[i].default_left = (*defaults)[i] != 0;
      out[i].value = (*conditions_)[i];
      categorical_ |= (*types)[i] != 0;
    }
    return parents_sound() && walk(out) && categories_sound();
  }
  bool categorical() const { return categorical_; }

 private:
  const std::vector<std::int64_t>* integers(std::string_view key) const {
    const auto* found = tree_.find(key);
    return found != nullptr && found->kind == Kind::integers && found->integers.size() == n_
               ? &found->integers
               : nullptr;
  }
  const std::vector<float>* reals(std::string_view key) const {
    const auto* found = tree_.find(key);
    return found != nullptr && found->kind == Kind::reals && found->reals.size() == n_
               ? &found->reals
               : nullptr;
  }

  // XGBoost follows these while loading, also for nodes that pruning left over.
  bool parents_sound() const {
    const auto limit = static_cast<std::int64_t>(n_);
    return std::all_of(parents_->begin() + 1, parents_->end(),
                       [limit](auto parent) { return parent >= 0 && parent < limit; });
  }

  // From the root down; nodes that pruning left over are never reached and stay leaves.
  bool walk(std::vector<TreeNode>& out) const {
    std::vector<bool> seen(n_, false);
    std::vector<std::size_t> todo{0};
    const auto limit = static_cast<std::int64_t>(n_);
    while (!todo.empty()) {
      const auto i = todo.back();
      todo.pop_back();
      if (seen[i]) return false;
      seen[i] = true;
      const auto left = (*left_)[i], right = (*right_)[i], feature = (*split_)[i];
      if (left == -1 && right == -1) continue;
      if (left < 1 || right < 1 || left >= limit || right >= limit) return false;
      if (feature < 0 || feature >= static_cast<std::int64_t>(features_)) return false;
      out[i].left = static_cast<std::int32_t>(left);
      out[i].right = static_cast<std::int32_t>(right);
      out[i].feature = static_cast<std::uint32_t>(feature);
      todo.push_back(static_cast<std::size_t>(left));
      todo.push_back(static_cast<std::size_t>(right));
    }
    return true;
  }

  bool categories_sound() const {
    const auto* categories = tree_.find("categories");
    const auto* nodes = tree_.find("categories_nodes");
    const auto* segments = tree_.find("categories_segments");
    const auto* sizes = tree_.find("categories_sizes");
    for (const auto* part : {categories, nodes, segments, sizes})
      if (part == nullptr || part->kind != Kind::integers) return false;
    const auto n = nodes->integers.size();
    if (segments->integers.size() != n || sizes->integers.size() != n) return false;
    const auto all = static_cast<std::int64_t>(categories->integers.size());
    for (std::size_t i = 0; i < n; ++i) {
      const auto node = nodes->integers[i], start = segments->integers[i],
                 size = sizes->integers[i];
      if (node < 0 || node >= static_cast<std::int64_t>(n_) || start < 0 || size < 1 ||
          start > all || size > all - start)
        return false;
    }
    for (const auto category : categories->integers)
      if (category < 0 || category >= kMaxFeatures) return false;
    return true;
  }

  const UbjValue& tree_;
  std::size_t features_;
  std::size_t n_ = 0;
  bool categorical_ = false;
  const std::vector<std::int64_t>* parents_ = nullptr;
  const std::vector<std::int64_t>* left_ = nullptr;
  const std::vector<std::int64_t>* right_ = nullptr;
  const std::vector<std::int64_t>* split_ = nullptr;
  const std::vector<float>* conditions_ = nullptr;
};

bool read_trees(const UbjValue& model, TreeModel& out) {
  const auto* trees = model.find("trees");
  const auto* info = model.find("tree_info");
  const auto count = integer_in(find_path(model, {"gbtree_model_param", "num_trees"}), 0,
                                std::numeric_limits<std::int32_t>::max());
  if (trees == nullptr || trees->kind != Kind::array || info == nullptr ||
      info->kind != Kind::array || !count)
    return false;
  if (trees->items.size() != static_cast<std::size_t>(*count) ||
      info->items.size() != trees->items.size())
    return false;
  for (const auto& group : info->items)
    if (group.kind != Kind::integer || group.integer < 0 ||
        group.integer >= static_cast<std::int64_t>(out.outputs))
      return false;
  for (const auto& tree : trees->items) {
    const auto* id = tree.find("id");  // XGBoost takes it as an index
    if (id == nullptr || id->kind != Kind::integer ||
        id->integer != static_cast<std::int64_t>(out.trees.size()))
      return false;
    TreeReader reader(tree, out.features);
    if (!reader.read(out.trees.emplace_back())) return false;
    out.categorical |= reader.categorical();
  }
  return true;
}

bool read_params(const UbjValue& learner, TreeModel& out) {
  const auto* params = learner.find("learner_model_param");
  const auto* objective = find_path(learner, {"objective", "name"});
  if (params == nullptr || objective == nullptr || objective->kind != Kind::text) return false;
  out.objective = objective->text;
  const auto features = integer_in(params->find("num_feature"), 1, kMaxFeatures);
  const auto classes = integer_in(params->find("num_class"), 0, kMaxOutputs);
  const auto* target_text = params->find("num_target");
  const auto targets =
      target_text == nullptr ? std::optional<std::int64_t>(1) : integer_in(target_text, 0, 4096);
  const auto* base = params->find("base_score");
  if (!features || !classes || !targets || base == nullptr || base->kind != Kind::text)
    return false;
  const auto end = base->text.data() + base->text.size();
  const auto result = std::from_chars(base->text.data(), end, out.base_score);
  if (result.ec != std::errc() || result.ptr != end || !std::isfinite(out.base_score)) return false;
  out.features = static_cast<std::size_t>(*features);
  out.outputs = static_cast<std::size_t>(std::max<std::int64_t>(*classes, 1) *
                                         std::max<std::int64_t>(*targets, 1));
  return true;
}

bool read_names(const UbjValue& learner, TreeModel& out) {
  const auto* names = learner.find("feature_names");
  if (names == nullptr) return true;
  if (names->kind != Kind::array || (!names->items.empty() && names->items.size() != out.features))
    return false;
  for (const auto& name : names->items) {
    if (name.kind != Kind::text) return false;
    out.feature_names.emplace_back(name.text);
  }
  return true;
}

bool read_booster(const UbjValue& learner, TreeModel& out) {
  const auto* booster = learner.find("gradient_booster");
  const auto* name = booster == nullptr ? nullptr : booster->find("name");
  if (name == nullptr || name->kind != Kind::text) return false;
  out.booster = name->text;
  if (out.booster == "gblinear") {
    const auto* weights = find_path(*booster, {"model", "weights"});
    return weights != nullptr && weights->kind == Kind::reals &&
           weights->reals.size() == (out.features + 1) * out.outputs;
  }
  const bool dart = out.booster == "dart";
  if (!dart && out.booster != "gbtree") return false;
  const auto* model = dart ? find_path(*booster, {"gbtree", "model"}) : booster->find("model");
  if (model == nullptr || !read_trees(*model, out)) return false;
  const auto* drop = booster->find("weight_drop");
  return !dart ||
         (drop != nullptr && std::max(drop->reals.size(), drop->items.size()) == out.trees.size());
}

}  // namespace

Expected<TreeModel> read_model(std::string_view bytes) {
  const auto root = parse_ubjson(bytes);
  if (!root) return root.error();
  TreeModel out;
  const auto* learner = root->find("learner");
  if (learner == nullptr || root->find("version") == nullptr || !read_params(*learner, out) ||
      !read_names(*learner, out) || !read_booster(*learner, out))
    return Error{ErrorCode::corrupt, "The bytes are not a whole XGBoost model in UBJSON.", "model"};
  return out;
}

Status check_model(std::string_view bytes) {
  auto model = read_model(bytes);
  if (!model) return model.error();
  return std::nullopt;
}

}  // namespace mlforge::ml
