#include "actors/step_data.hpp"

#include "ml/split.hpp"

namespace mlforge::actors {

Expected<std::string> output_of(const StepOutcome& input, const std::string& name) {
  const auto at = input.outputs.find(name);
  if (at != input.outputs.end()) return at->second;
  return Error{ErrorCode::internal, "a needed step has no output '" + name + "'", name};
}

Expected<std::string> blob_of(const StepContext& context, const StepOutcome& input,
                              const std::string& name) {
  const auto digest = output_of(input, name);
  if (!digest) return digest.error();
  return context.effects.blobs().get(*digest);
}

Expected<std::string> letters_of(const StepContext& context, const StepOutcome& input,
                                 const ml::Table& table) {
  const auto text = blob_of(context, input, "split");
  if (!text) return text.error();
  auto letters = ml::parse_split(*text);
  if (!letters || letters->size() == table.rows()) return letters;
  return Error{ErrorCode::conflict,
               "the split has " + std::to_string(letters->size()) + " letters, the table " +
                   std::to_string(table.rows()) + " rows; one letter a row would be right",
               "split"};
}

Expected<ml::Preprocessor> preprocessor_of(const StepContext& context, const StepOutcome& input) {
  const auto bytes = blob_of(context, input, "preprocessor");
  if (!bytes) return bytes.error();
  return ml::Preprocessor::parse(*bytes);
}

ml::PreprocessOptions preprocess_options(const FeaturesConfig& config) {
  ml::PreprocessOptions options;
  options.numeric_impute = config.numeric.impute == "median" ? ml::NumericImpute::median
                           : config.numeric.impute == "mean" ? ml::NumericImpute::mean
                                                             : ml::NumericImpute::none;
  options.standard_scale = config.numeric.scale == "standard";
  options.category_impute =
      config.categorical.missing == "mode" ? ml::CategoryImpute::mode : ml::CategoryImpute::none;
  options.encoding =
      config.categorical.encode == "ordinal" ? ml::Encoding::ordinal : ml::Encoding::one_hot;
  return options;
}

Expected<Part> part_of(const StepContext& context, const ml::Table& table,
                       const ml::Preprocessor& preprocessor, const std::string& letters,
                       char letter) {
  const auto labels = ml::binary_labels(table, context.spec.label, context.spec.positive);
  if (!labels) return labels.error();
  Part part;
  part.rows = ml::rows_of(letters, letter);
  auto features = preprocessor.transform(table, part.rows);
  if (!features) return features.error();
  part.features = *std::move(features);
  part.labels.reserve(part.rows.size());
  for (const auto row : part.rows) part.labels.push_back((*labels)[row]);
  return part;
}

}  // namespace mlforge::actors
