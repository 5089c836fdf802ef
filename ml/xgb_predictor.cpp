#include "ml/xgb_predictor.hpp"

#include <cstring>
#include <limits>

namespace mlforge::ml {
namespace {

// All trees, plain predictions, NaN is missing.
constexpr const char* kPredictConfig =
    R"({"type":0,"training":false,"iteration_begin":0,"iteration_end":0,"strict_shape":false,"missing":NaN,"cache_id":0})";

Status take_result(const bst_ulong* shape, bst_ulong dim, const float* result,
                   std::span<float> out) {
  bst_ulong size = 1;
  for (bst_ulong i = 0; i < dim; ++i) size *= shape[i];
  if (size != out.size())
    return Error{ErrorCode::invalid_argument, "The model predicts more than one value a row.",
                 "model"};
  std::memcpy(out.data(), result, out.size() * sizeof(float));
  return std::nullopt;
}

}  // namespace

Status XgbPredictor::load(std::string_view model, std::size_t features, bool in_place) {
  auto booster = load_booster(model);
  if (!booster) return booster.error();
  booster_ = std::move(*booster);
  void* handle = nullptr;
  if (XGProxyDMatrixCreate(&handle) != 0) return xgb_error("making a proxy matrix", "model");
  proxy_.reset(handle);
  features_ = features;
  in_place_ = in_place;
  row_.resize(features);
  row_interface_ = array_interface(row_.data(), 1, features);
  return std::nullopt;
}

Status XgbPredictor::in_place(const std::string& interface, std::span<float> out) {
  const bst_ulong* shape = nullptr;
  bst_ulong dim = 0;
  const float* result = nullptr;
  if (XGBoosterPredictFromDense(booster_.get(), interface.c_str(), kPredictConfig, proxy_.get(),
                                &shape, &dim, &result) != 0)
    return xgb_error("predicting", "features");
  return take_result(shape, dim, result, out);
}

Status XgbPredictor::by_copy(const float* rows, std::span<float> out) {
  void* handle = nullptr;
  const float missing = std::numeric_limits<float>::quiet_NaN();
  if (XGDMatrixCreateFromMat(rows, out.size(), features_, missing, &handle) != 0)
    return xgb_error("reading the features", "features");
  const DMatrixPtr matrix(handle);
  const bst_ulong* shape = nullptr;
  bst_ulong dim = 0;
  const float* result = nullptr;
  if (XGBoosterPredictFromDMatrix(booster_.get(), handle, kPredictConfig, &shape, &dim, &result) !=
      0)
    return xgb_error("predicting", "features");
  return take_result(shape, dim, result, out);
}

Status XgbPredictor::predict(const float* rows, std::span<float> out) {
  const std::lock_guard lock(mutex_);
  return in_place_ ? in_place(array_interface(rows, out.size(), features_), out)
                   : by_copy(rows, out);
}

Status XgbPredictor::predict_row(std::span<const float> row, float& out) {
  const std::lock_guard lock(mutex_);
  if (!in_place_) return by_copy(row.data(), {&out, 1});
  std::memcpy(row_.data(), row.data(), row.size() * sizeof(float));
  return in_place(row_interface_, {&out, 1});
}

}  // namespace mlforge::ml
