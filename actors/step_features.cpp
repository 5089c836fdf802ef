#include <algorithm>

#include "actors/step_data.hpp"
#include "actors/step_kinds.hpp"
#include "events/codec.hpp"
#include "ml/split.hpp"

namespace mlforge::actors {
namespace {

// The columns that are features, in the table's order.
Expected<std::vector<std::string>> feature_columns(const StepContext& context,
                                                   const FeaturesConfig& config,
                                                   const ml::Table& table) {
  for (const auto& name : config.drop)
    if (!table.find(name) || name == context.spec.label)
      return Error{ErrorCode::invalid_argument,
                   "drop names '" + name + "', which is no feature of the dataset", "drop"};
  std::vector<std::string> names;
  for (const auto& column : table.columns)
    if (column.name != context.spec.label &&
        !std::binary_search(config.drop.begin(), config.drop.end(), column.name))
      names.push_back(column.name);
  if (!names.empty()) return names;
  return Error{ErrorCode::invalid_argument, "drop leaves no feature", "drop"};
}

}  // namespace

Expected<StepOutcome> run_features(const StepContext& context, const FeaturesConfig& config) {
  const auto& split = context.inputs.at(context.step.needs.front());
  const auto table = context.table.get();
  if (!table) return table.error();
  const auto letters = letters_of(context, split, **table);
  if (!letters) return letters.error();
  auto columns = feature_columns(context, config, **table);
  if (!columns) return columns.error();
  const auto rows = ml::rows_of(*letters, 'T');
  const auto fitted = ml::Preprocessor::fit(**table, rows, preprocess_options(config),
                                            context.spec.label, *std::move(columns));
  if (!fitted) return fitted.error();
  const auto& blobs = context.effects.blobs();
  const auto preprocessor = blobs.put("preprocessor.txt", fitted->serialize());
  if (!preprocessor) return preprocessor.error();
  const auto names = blobs.put("feature_names.json", to_json(fitted->feature_names()));
  if (!names) return names.error();
  return StepOutcome{.outputs = {{"split", split.outputs.at("split")},
                                 {"preprocessor", preprocessor->digest},
                                 {"feature_names", names->digest},
                                 {"options", to_json(config)}},
                     .figures = {{"columns", static_cast<double>(fitted->inputs().size())},
                                 {"features", static_cast<double>(fitted->features())},
                                 {"rows", static_cast<double>(rows.size())}}};
}

}  // namespace mlforge::actors
