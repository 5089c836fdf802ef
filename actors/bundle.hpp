// A model version's files as serving needs them: what the pipeline's register step writes and the
// scorer, the gate and the drift watch read.
//
//   model.ubj         the booster, as XGBoost writes it
//   preprocessor.txt  ml::Preprocessor::serialize
//   reference.bin     encode_reference: the training rows' distributions, and the model's
//                     probabilities on the test rows
//   manifest.json     Manifest as JSON
#pragma once
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "events/vocabulary.hpp"
#include "ml/drift.hpp"
#include "ml/preprocess.hpp"
#include "ml/xgb.hpp"
#include "storage/blob_store.hpp"

namespace mlforge::actors {

inline constexpr std::string_view kModelFile = "model.ubj", kPreprocessorFile = "preprocessor.txt",
                                  kReferenceFile = "reference.bin", kManifestFile = "manifest.json";

struct FeatureColumn {
  std::string name, kind;  // kind: numeric, categorical
  bool operator==(const FeatureColumn&) const = default;
  static constexpr auto fields() {
    return FieldList{required("name", &FeatureColumn::name),
                     required("kind", &FeatureColumn::kind)};
  }
};

struct Manifest {
  std::string label, positive;
  double threshold = 0.5;
  std::vector<FeatureColumn> features;  // the inputs, in the preprocessor's order
  std::uint64_t seed = 0;
  std::string dataset;
  std::uint64_t dataset_version = 0;
  // The category that a missing categorical cell was trained as (csv.missing_as_category). Empty,
  // as in bundles of before: missing is missing.
  std::optional<std::string> missing_category;
  static constexpr auto fields() {
    return FieldList{required("label", &Manifest::label),
                     required("positive", &Manifest::positive),
                     field("threshold", &Manifest::threshold),
                     required("features", &Manifest::features),
                     field("seed", &Manifest::seed),
                     field("dataset", &Manifest::dataset),
                     field("dataset_version", &Manifest::dataset_version),
                     field("missing_category", &Manifest::missing_category)};
  }
};

// The reference side of drift: every feature by name, and the model's own probabilities.
struct ReferenceSet {
  std::map<std::string, std::variant<ml::NumericReference, ml::CategoricalReference>> features;
  ml::NumericReference probabilities;
};

// Deterministic bytes, and back; `corrupt` where they are not whole.
std::string encode_reference(const ReferenceSet& reference);
Expected<ReferenceSet> decode_reference(std::string_view bytes);

struct Bundle {
  Manifest manifest;
  ml::Preprocessor preprocessor;
  std::string model;  // the bytes of model.ubj
  ReferenceSet reference;
};

// Reads and checks the files: `not_found` names a file that is missing, `corrupt` one whose bytes
// do not match their digest, do not decode, or tell of other features than the other files. Whether
// the model itself is whole, ServedModel::load finds out. Reads blobs: may block.
Expected<std::shared_ptr<const Bundle>> load_bundle(const std::vector<FileRef>& artifacts,
                                                    const storage::BlobStore& blobs,
                                                    std::string_view tenant);

}  // namespace mlforge::actors
