// Inside the scorer: one loaded booster that answers in place where it can.
#pragma once
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ml/xgb_handles.hpp"

namespace mlforge::ml {

class XgbPredictor {
 public:
  // corrupt when the bytes are not a model.
  Status load(std::string_view model, std::size_t features, bool in_place);

  // Rows of shape (out.size(), features), row-major. Any thread, one at a time.
  Status predict(const float* rows, std::span<float> out);
  Status predict_row(std::span<const float> row, float& out);

 private:
  Status in_place(const std::string& interface, std::span<float> out);
  Status by_copy(const float* rows, std::span<float> out);

  BoosterPtr booster_;
  DMatrixPtr proxy_;
  std::size_t features_ = 0;
  bool in_place_ = true;
  std::vector<float> row_;  // stays in its place, so that its description is written once
  std::string row_interface_;
  std::mutex mutex_;
};

}  // namespace mlforge::ml
