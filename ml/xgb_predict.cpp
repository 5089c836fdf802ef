#include <algorithm>

#include "ml/scorer.hpp"
#include "ml/tree_model.hpp"
#include "ml/xgb.hpp"
#include "ml/xgb_handles.hpp"

namespace mlforge::ml {
namespace {

using Scores = std::map<std::string, double>;

Expected<Scores> feature_scores(void* booster, const std::string& type) {
  bst_ulong count = 0, dim = 0;
  const char** features = nullptr;
  const bst_ulong* shape = nullptr;
  const float* scores = nullptr;
  const std::string config = R"({"importance_type":")" + type + R"("})";
  if (XGBoosterFeatureScore(booster, config.c_str(), &count, &features, &dim, &shape, &scores) != 0)
    return xgb_error("reading importances", "model");
  Scores out;
  for (bst_ulong i = 0; i < count; ++i) out[features[i]] = static_cast<double>(scores[i]);
  return out;
}

}  // namespace

Expected<std::vector<float>> predict(std::string_view model, const Matrix& features) {
  auto scorer = Scorer::load(model);
  if (!scorer) return scorer.error();
  return scorer->score(features);
}

Expected<std::vector<Importance>> importances(std::string_view model) {
  const auto summary = read_model(model);
  if (!summary) return summary.error();
  auto booster = load_booster(model);
  if (!booster) return booster.error();
  std::vector<Importance> out;
  auto names = summary->feature_names;
  for (std::size_t i = names.size(); i < summary->features; ++i)
    names.push_back("f" + std::to_string(i));
  Scores by_type[3];
  const char* types[] = {"weight", "gain", "cover"};
  for (int t = 0; t < 3; ++t) {
    auto scores = feature_scores(booster->get(), types[t]);
    if (!scores) return scores.error();
    by_type[t] = std::move(*scores);
  }
  for (const auto& name : names)
    out.push_back({name, by_type[0][name], by_type[1][name], by_type[2][name]});
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) {
    return a.gain != b.gain ? a.gain > b.gain : a.feature < b.feature;
  });
  return out;
}

}  // namespace mlforge::ml
