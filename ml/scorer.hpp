// A model loaded once and asked row by row: the core of serving.
#pragma once
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "events/error.hpp"
#include "ml/matrix.hpp"

namespace mlforge::ml {

class Scorer {
 public:
  // Loads the model, walks its trees directly where that gives what XGBoost gives (tried on probe
  // rows, bit for bit), and otherwise asks XGBoost in place. corrupt when the bytes are not a whole
  // model; invalid_argument when it predicts more than one value a row.
  static Expected<Scorer> load(std::string_view model);
  Scorer(Scorer&&) noexcept;
  Scorer& operator=(Scorer&&) noexcept;
  ~Scorer();

  // The probability of the positive class (or what the objective predicts). `row` has shape
  // (features()); NaN is missing. invalid_argument: wrong size or an infinite value. Any thread;
  // models that are not walked answer one thread at a time.
  Expected<float> score(std::span<const float> row) const;

  // The same for all rows: shape (rows).
  Expected<std::vector<float>> score(const Matrix& features) const;

  std::size_t features() const;
  bool walks_trees() const;
  const std::vector<std::string>& feature_names() const;  // empty: the model has none

 private:
  struct Impl;
  explicit Scorer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace mlforge::ml
