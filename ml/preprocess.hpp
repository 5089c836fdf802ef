// From raw columns to model features: imputing, scaling, encoding; fitted once on training rows,
// then the same everywhere.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "events/error.hpp"
#include "ml/matrix.hpp"
#include "ml/table.hpp"

namespace mlforge::ml {

enum class NumericImpute { none, mean, median };  // none: NaN stays NaN
enum class CategoryImpute { none, mode };         // none: missing is like an unknown category
enum class Encoding {
  one_hot,  // a feature per category of the training rows, by byte order; unknown: all zeros
  ordinal,  // one feature: index of the category by byte order; unknown: -1
};

struct PreprocessOptions {
  NumericImpute numeric_impute = NumericImpute::none;
  bool standard_scale =
      true;  // (x - mean) / population standard deviation; a constant column is divided by 1
  CategoryImpute category_impute = CategoryImpute::none;
  Encoding encoding = Encoding::one_hot;
};

// One cell of a request: missing, a number for a numeric column, a text for a categorical one.
using Cell = std::variant<std::monostate, double, std::string_view>;

class Preprocessor {
 public:
  // Fits on the given rows of the given columns, in that order; all columns but `label` when none
  // are named. Median: mean of the two middle values. Mode: the most frequent category, the first
  // by byte order of equals. not_found: no such column; invalid_argument: no rows, a row out of
  // range, or a column named twice.
  static Expected<Preprocessor> fit(const Table& table, std::span<const std::uint32_t> rows,
                                    const PreprocessOptions& options, std::string_view label = {},
                                    std::vector<std::string> columns = {});

  // Features of the given rows: shape (rows, features()). Columns are found by name, so the table
  // may have others and another order. not_found or invalid_argument when a column is absent or of
  // the other kind. Computed in double, stored as float.
  Expected<Matrix> transform(const Table& table, std::span<const std::uint32_t> rows) const;

  // One row for serving: `cells` in the order of inputs(), `out` of shape (features()). Allocates
  // nothing unless it fails with invalid_argument (wrong sizes, a text for a numeric column, a
  // number for a categorical one, an infinite number).
  Status transform_row(std::span<const Cell> cells, std::span<float> out) const;

  std::size_t features() const { return feature_names_.size(); }
  // "age", "workclass=Private"; ordinal: "workclass".
  const std::vector<std::string>& feature_names() const { return feature_names_; }

  struct Input {
    std::string name;
    ColumnKind kind = ColumnKind::numeric;
    double mean = 0, scale = 1;           // numeric
    std::optional<double> fill;           // numeric: what a missing value becomes
    std::vector<std::string> categories;  // categorical: sorted by byte order
    std::optional<std::uint32_t> mode;    // categorical: index that a missing value becomes
    std::size_t first_feature = 0;
    bool operator==(const Input&) const = default;
  };
  const std::vector<Input>& inputs() const { return inputs_; }
  const PreprocessOptions& options() const { return options_; }

  // Deterministic bytes, and back; corrupt when they are not whole.
  std::string serialize() const;
  static Expected<Preprocessor> parse(std::string_view bytes);

 private:
  void name_features();
  void put_number(const Input& input, double value, std::span<float> row) const;
  void put_category(const Input& input, std::int32_t index, bool missing,
                    std::span<float> row) const;

  PreprocessOptions options_;
  std::vector<Input> inputs_;
  std::vector<std::string> feature_names_;
};

// All const members: any thread.

}  // namespace mlforge::ml
