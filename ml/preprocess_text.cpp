// A Preprocessor as bytes.
#include <algorithm>
#include <cmath>
#include <functional>

#include "ml/preprocess.hpp"
#include "ml/text.hpp"

namespace mlforge::ml {
namespace {

void write_input(TextWriter& out, const Preprocessor::Input& input) {
  if (input.kind == ColumnKind::numeric) {
    out.word("numeric").text(input.name).number(input.mean).number(input.scale);
    out.integer(input.fill ? 1 : 0).number(input.fill.value_or(0)).end_line();
    return;
  }
  out.word("categorical")
      .text(input.name)
      .integer(input.mode ? 1 : 0)
      .integer(input.mode.value_or(0));
  out.integer(input.categories.size());
  for (const auto& category : input.categories) out.text(category);
  out.end_line();
}

bool read_numeric(TextReader& in, Preprocessor::Input& input) {
  in.expect("numeric");
  input.kind = ColumnKind::numeric;
  input.name = in.text();
  input.mean = in.number();
  input.scale = in.number();
  const bool has_fill = in.integer() == 1;
  const double fill = in.number();
  if (has_fill) input.fill = fill;
  in.end_line();
  return std::isfinite(input.mean) && std::isfinite(input.scale) && input.scale > 0 &&
         std::isfinite(fill);
}

bool read_categorical(TextReader& in, Preprocessor::Input& input) {
  in.expect("categorical");
  input.kind = ColumnKind::categorical;
  input.name = in.text();
  const bool has_mode = in.integer() == 1;
  const auto mode = in.integer();
  for (auto n = in.count(); n > 0 && !in.failed(); --n) input.categories.push_back(in.text());
  in.end_line();
  if (has_mode) input.mode = static_cast<std::uint32_t>(mode);
  const bool ascending = std::adjacent_find(input.categories.begin(), input.categories.end(),
                                            std::greater_equal<>()) == input.categories.end();
  return ascending && (!has_mode || mode < input.categories.size());
}

}  // namespace

std::string Preprocessor::serialize() const {
  TextWriter out;
  out.word("mlforge-preprocessor").integer(1).end_line();
  out.word("options").integer(static_cast<std::uint64_t>(options_.numeric_impute));
  out.integer(options_.standard_scale ? 1 : 0)
      .integer(static_cast<std::uint64_t>(options_.category_impute));
  out.integer(static_cast<std::uint64_t>(options_.encoding)).end_line();
  out.word("inputs").integer(inputs_.size());
  for (const auto& input : inputs_) out.integer(input.kind == ColumnKind::numeric ? 0 : 1);
  out.end_line();
  for (const auto& input : inputs_) write_input(out, input);
  return out.take();
}

Expected<Preprocessor> Preprocessor::parse(std::string_view bytes) {
  const Error corrupt{ErrorCode::corrupt, "The bytes are not a whole preprocessor of version 1.",
                      "preprocessor"};
  TextReader in(bytes);
  Preprocessor out;
  in.expect("mlforge-preprocessor");
  in.expect("1");
  in.end_line();
  in.expect("options");
  const auto numeric_impute = in.integer(), scale = in.integer();
  const auto category_impute = in.integer(), encoding = in.integer();
  in.end_line();
  in.expect("inputs");
  std::vector<bool> categorical;
  for (auto n = in.count(); n > 0 && !in.failed(); --n) categorical.push_back(in.integer() == 1);
  in.end_line();
  if (in.failed() || numeric_impute > 2 || scale > 1 || category_impute > 1 || encoding > 1)
    return corrupt;
  out.options_ = {static_cast<NumericImpute>(numeric_impute), scale == 1,
                  static_cast<CategoryImpute>(category_impute), static_cast<Encoding>(encoding)};
  for (const bool is_categorical : categorical) {
    Input& input = out.inputs_.emplace_back();
    const bool sound = is_categorical ? read_categorical(in, input) : read_numeric(in, input);
    if (in.failed() || !sound) return corrupt;
  }
  if (!in.finished()) return corrupt;
  out.name_features();
  return out;
}

}  // namespace mlforge::ml
