// A dense matrix of 32-bit floats, row-major: what models are trained on and asked with.
#pragma once
#include <cstddef>
#include <span>
#include <vector>

namespace mlforge::ml {

struct Matrix {
  std::size_t rows = 0;
  std::size_t cols = 0;
  std::vector<float> data;  // rows * cols; NaN: missing

  std::span<const float> row(std::size_t i) const { return {data.data() + i * cols, cols}; }
  std::span<float> row(std::size_t i) { return {data.data() + i * cols, cols}; }
};

}  // namespace mlforge::ml
