#include <algorithm>
#include <cmath>

#include "actors/step_kinds.hpp"
#include "ml/split.hpp"

namespace mlforge::actors {
namespace {

Expected<std::string> read_assignment(const StepContext& context, const std::string& path) {
  for (const auto& file : context.dataset.files) {
    if (file.path != path) continue;
    const auto text = context.effects.blobs().get(file.digest);
    if (!text) return text.error();
    return ml::parse_split(*text);
  }
  return Error{ErrorCode::not_found,
               "the dataset version holds no file '" + path + "' to take the split from",
               "assignment"};
}

std::uint32_t basis_points(double share) {
  return static_cast<std::uint32_t>(std::lround(share * 10000));
}

Expected<std::string> draw(const StepContext& context, const SplitConfig& config,
                           const std::vector<float>& labels) {
  const std::vector<std::int32_t> classes(labels.begin(), labels.end());
  ml::SplitParts parts;
  parts.test = basis_points(config.test);
  parts.validation = basis_points(config.validation);
  parts.train = 10000 - parts.test - parts.validation;
  return ml::stratified_split(classes, parts, context.spec.seed);
}

}  // namespace

Expected<StepOutcome> run_split(const StepContext& context, const SplitConfig& config) {
  const auto table = context.table.get();
  if (!table) return table.error();
  const auto labels = ml::binary_labels(**table, context.spec.label, context.spec.positive);
  if (!labels) return labels.error();
  const auto letters = config.assignment.empty() ? draw(context, config, *labels)
                                                 : read_assignment(context, config.assignment);
  if (!letters) return letters.error();
  if (letters->size() != labels->size())
    return Error{ErrorCode::conflict,
                 "the assignment has " + std::to_string(letters->size()) + " letters, the table " +
                     std::to_string(labels->size()) + " rows; one letter a row would be right",
                 "assignment"};
  StepOutcome out;
  for (const auto& [letter, name] : {std::pair{'T', "train"}, {'V', "validation"}, {'E', "test"}}) {
    const auto count = std::count(letters->begin(), letters->end(), letter);
    if (count == 0)
      return Error{ErrorCode::invalid_argument,
                   std::string("the split leaves no rows for the ") + name + " part", name};
    out.figures[name] = static_cast<double>(count);
  }
  out.figures["rows"] = static_cast<double>(letters->size());
  const auto blob = context.effects.blobs().put("split.txt", ml::format_split(*letters));
  if (!blob) return blob.error();
  out.outputs["split"] = blob->digest;
  out.outputs["dataset_version"] = std::to_string(context.dataset.version);
  return out;
}

}  // namespace mlforge::actors
