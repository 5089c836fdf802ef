#include "tests/actors/serving_support.hpp"

#include <simdjson.h>
#include <fstream>
#include <iterator>
#include <numeric>

#include "events/codec.hpp"
#include "events/json.hpp"

namespace mlforge::actors::test::serving {
namespace {

namespace fs = std::filesystem;

std::string read_bytes(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(in), {});
}

ReferenceSet reference_of(const ml::Table& table, const std::vector<FeatureColumn>& features,
                          const std::vector<float>& probabilities) {
  ReferenceSet out;
  for (const auto& each : features) {
    const auto& column = table.columns[*table.find(each.name)];
    if (column.kind == ml::ColumnKind::numeric)
      out.features.emplace(each.name, ml::make_reference(ml::count_values(column.numbers)));
    else
      out.features.emplace(each.name, ml::make_reference(ml::count_categories(column)));
  }
  const std::vector<double> values(probabilities.begin(), probabilities.end());
  out.probabilities = ml::make_reference(ml::count_values(values));
  return out;
}

}  // namespace

FileRef Store::put(const std::string& name, std::string_view bytes) {
  const auto stored = must(blobs->put(kTenant, storage::as_bytes(bytes)));
  return {name, storage::to_string(stored.digest), bytes.size()};
}

std::vector<FileRef> Store::put(const Files& files) {
  std::vector<FileRef> out;
  for (const auto& [name, bytes] : files) out.push_back(put(name, bytes));
  return out;
}

void Store::damage(const FileRef& file) const {
  const auto bytes = must(blobs->get(kTenant, *storage::parse_digest(file.digest)));
  for (const auto& entry : fs::recursive_directory_iterator(folder.path())) {
    if (!entry.is_regular_file() || read_bytes(entry.path()) != bytes) continue;
    auto damaged = bytes;
    damaged[damaged.size() / 2] ^= 1;
    std::ofstream(entry.path(), std::ios::binary) << damaged;
    return;
  }
  FAIL("no stored blob has the bytes of " << file.path);
}

ml::Table census(std::uint32_t rows, std::uint64_t seed) {
  auto table = must(ml::read_csv(ml::synthetic_adult({rows, seed, 0}), ml::adult_csv_options()));
  // The generator has no missing cells; models are served rows that have.
  for (auto& column : table.columns)
    for (std::size_t i = 0; i < column.numbers.size(); ++i)
      if (column.name == "hours-per-week" && i % 17 == 3) column.numbers[i] = std::nan("");
  return table;
}

TrainedModel train_model(std::uint64_t seed, std::vector<std::string> columns,
                         std::uint32_t rows_count) {
  auto table = census(rows_count, seed);
  std::vector<std::uint32_t> rows(table.rows());
  std::iota(rows.begin(), rows.end(), 0u);
  auto preprocessor = must(ml::Preprocessor::fit(table, rows, {}, "income", std::move(columns)));
  const auto x = must(preprocessor.transform(table, rows));
  const auto y = must(ml::binary_labels(table, "income", ">50K"));
  ml::TrainOptions options;
  options.rounds = 12;
  options.seed = seed;
  options.params = {{"max_depth", "3"}, {"nthread", "1"}};
  auto model = must(ml::train(x, y, options));
  Manifest manifest{.label = "income", .positive = ">50K", .seed = seed, .dataset = "census"};
  for (const auto& each : preprocessor.inputs())
    manifest.features.push_back({each.name, std::string(ml::to_string(each.kind))});
  auto reference = reference_of(table, manifest.features, must(ml::predict(model.bytes, x)));
  return {Bundle{std::move(manifest), std::move(preprocessor), std::move(model.bytes),
                 std::move(reference)},
          std::move(table)};
}

const TrainedModel& census_model() {
  static const TrainedModel model = train_model(42);
  return model;
}

Files files_of(const Bundle& bundle) {
  return {{std::string(kModelFile), bundle.model},
          {std::string(kPreprocessorFile), bundle.preprocessor.serialize()},
          {std::string(kReferenceFile), encode_reference(bundle.reference)},
          {std::string(kManifestFile), to_json(bundle.manifest)}};
}

std::shared_ptr<const ServedModel> served(std::uint64_t version, const Bundle& bundle) {
  return must(ServedModel::load(version, std::make_shared<const Bundle>(bundle)));
}

std::string features_json(const ml::Table& table, std::size_t row,
                          const std::vector<FeatureColumn>& features) {
  std::string out = "{";
  for (const auto& each : features) {
    const auto& column = table.columns[*table.find(each.name)];
    if (out.size() > 1) out += ", ";
    append_json_string(out, each.name);
    out += ": ";
    if (column.missing(row))
      out += "null";
    else if (column.kind == ml::ColumnKind::numeric)
      append_json_double(out, column.numbers[row]);
    else
      append_json_string(out, column.categories[static_cast<std::size_t>(column.codes[row])]);
  }
  return out + "}";
}

simdjson::dom::object PredictRequest::must_parse(const std::string& json) {
  simdjson::dom::object parsed;
  if (const auto bad = parser.parse(json).get(parsed)) FAIL(simdjson::error_message(bad));
  return parsed;
}

}  // namespace mlforge::actors::test::serving
