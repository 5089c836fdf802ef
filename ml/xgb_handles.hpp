// Inside the XGBoost wrapper: owned handles and error text.
#pragma once
#include <xgboost/c_api.h>

#include <memory>
#include <string>
#include <string_view>

#include "events/error.hpp"
#include "ml/matrix.hpp"

namespace mlforge::ml {

struct FreeBooster {
  void operator()(void* handle) const { XGBoosterFree(handle); }
};
struct FreeDMatrix {
  void operator()(void* handle) const { XGDMatrixFree(handle); }
};
using BoosterPtr = std::unique_ptr<void, FreeBooster>;
using DMatrixPtr = std::unique_ptr<void, FreeDMatrix>;

// XGBoost's last error on this thread, without source positions and stack trace.
Error xgb_error(std::string_view while_doing, std::string_view field);

// NumPy's array interface for a row-major float matrix, as XGBoost takes it.
std::string array_interface(const float* data, std::size_t rows, std::size_t cols);

// A booster with the model loaded, one thread. corrupt when the bytes are not a whole model
// (checked by check_model first, because XGBoost itself trusts the indexes that it reads).
Expected<BoosterPtr> load_booster(std::string_view model);

}  // namespace mlforge::ml
