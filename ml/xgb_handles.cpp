#include "ml/xgb_handles.hpp"

#include "ml/tree_model.hpp"

namespace mlforge::ml {

Error xgb_error(std::string_view while_doing, std::string_view field) {
  std::string text = XGBGetLastError();
  if (const auto trace = text.find("Stack trace"); trace != std::string::npos) text.resize(trace);
  if (text.starts_with('[')) {  // "[01:02:03] ./src/file.cc:123: what happened"
    const auto source = text.find(": ");
    if (source != std::string::npos) text.erase(0, source + 2);
  }
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  for (auto& c : text)
    if (c == '\n') c = ' ';
  return Error{ErrorCode::invalid_argument,
               "XGBoost failed while " + std::string(while_doing) + ": " + text,
               std::string(field)};
}

std::string array_interface(const float* data, std::size_t rows, std::size_t cols) {
  return "{\"data\":[" + std::to_string(reinterpret_cast<std::uintptr_t>(data)) +
         ",true],\"shape\":[" + std::to_string(rows) + "," + std::to_string(cols) +
         "],\"typestr\":\"<f4\",\"version\":3}";
}

Expected<BoosterPtr> load_booster(std::string_view model) {
  if (auto error = check_model(model)) return *error;
  void* handle = nullptr;
  if (XGBoosterCreate(nullptr, 0, &handle) != 0) return xgb_error("making a booster", "model");
  BoosterPtr booster(handle);
  if (XGBoosterSetParam(handle, "nthread", "1") != 0 ||
      XGBoosterSetParam(handle, "verbosity", "0") != 0)
    return xgb_error("setting parameters", "model");
  if (XGBoosterLoadModelFromBuffer(handle, model.data(), model.size()) != 0) {
    auto error = xgb_error("loading a model", "model");
    error.code = ErrorCode::corrupt;
    return error;
  }
  return booster;
}

}  // namespace mlforge::ml
