#include "actors/bundle.hpp"

#include <algorithm>

#include "events/columns.hpp"

namespace mlforge::actors {
namespace {

// Columns: per feature its name, its kind and the bytes of its reference.
struct ReferenceColumns {
  std::vector<std::string> names, kinds, references;
  std::string probabilities;
  static constexpr auto fields() {
    return FieldList{field("names", &ReferenceColumns::names),
                     field("kinds", &ReferenceColumns::kinds),
                     field("references", &ReferenceColumns::references),
                     field("probabilities", &ReferenceColumns::probabilities)};
  }
};

Expected<std::string> read_file(const std::vector<FileRef>& artifacts, std::string_view path,
                                const storage::BlobStore& blobs, std::string_view tenant) {
  const auto at = std::find_if(artifacts.begin(), artifacts.end(),
                               [&](const auto& f) { return f.path == path; });
  if (at == artifacts.end())
    return Error{ErrorCode::not_found, "the version has no file '" + std::string(path) + "'", ""};
  const auto digest = storage::parse_digest(at->digest);
  auto bytes =
      digest ? blobs.get(tenant, *digest, 4ull << 30)
             : Expected<std::string>(Error{ErrorCode::corrupt, "its digest is no digest", ""});
  if (bytes) return bytes;
  return Error{bytes.error().code, "file '" + std::string(path) + "': " + bytes.error().message,
               ""};
}

Error corrupt_in(std::string_view path, const Error& error) {
  return {ErrorCode::corrupt, "file '" + std::string(path) + "': " + error.message, ""};
}

Error corrupt(std::string message) { return {ErrorCode::corrupt, std::move(message), ""}; }

// The files must be of one model: the same features, of the same kinds, in all of them.
Status check_features(const Manifest& manifest, const ml::Preprocessor& preprocessor,
                      const ReferenceSet& reference) {
  const auto& inputs = preprocessor.inputs();
  bool same = inputs.size() == manifest.features.size();
  for (std::size_t i = 0; same && i < inputs.size(); ++i)
    same = inputs[i].name == manifest.features[i].name &&
           ml::to_string(inputs[i].kind) == manifest.features[i].kind;
  if (!same) return corrupt("the manifest's features are not those of the preprocessor");
  for (const auto& each : inputs) {
    const auto at = reference.features.find(each.name);
    if (at == reference.features.end() ||
        (at->second.index() == 0) != (each.kind == ml::ColumnKind::numeric))
      return corrupt("the reference has no " + std::string(ml::to_string(each.kind)) +
                     " feature '" + each.name + "', which the preprocessor has");
  }
  if (reference.features.size() == inputs.size()) return {};
  return corrupt("the reference has features that the preprocessor has not");
}

Status add_reference(ReferenceSet& out, const std::string& name, std::string_view kind,
                     std::string_view bytes) {
  if (out.features.contains(name)) return corrupt("feature '" + name + "' is there twice");
  if (kind == "numeric") {
    auto each = ml::parse_numeric_reference(bytes);
    if (!each) return each.error();
    out.features.emplace(name, *std::move(each));
  } else if (kind == "categorical") {
    auto each = ml::parse_categorical_reference(bytes);
    if (!each) return each.error();
    out.features.emplace(name, *std::move(each));
  } else {
    return corrupt("feature '" + name + "' is neither numeric nor categorical");
  }
  return {};
}

}  // namespace

std::string encode_reference(const ReferenceSet& reference) {
  ReferenceColumns columns;
  for (const auto& [name, each] : reference.features) {
    columns.names.push_back(name);
    columns.kinds.push_back(each.index() == 0 ? "numeric" : "categorical");
    columns.references.push_back(std::visit([](const auto& r) { return ml::serialize(r); }, each));
  }
  columns.probabilities = ml::serialize(reference.probabilities);
  return columns::encode(columns);
}

Expected<ReferenceSet> decode_reference(std::string_view bytes) {
  const auto columns = columns::decode<ReferenceColumns>(bytes);
  if (!columns) return columns.error();
  if (columns->names.size() != columns->kinds.size() ||
      columns->names.size() != columns->references.size())
    return corrupt("the reference's columns are of unequal length");
  ReferenceSet out;
  for (std::size_t i = 0; i < columns->names.size(); ++i)
    if (auto bad = add_reference(out, columns->names[i], columns->kinds[i], columns->references[i]))
      return *bad;
  auto probabilities = ml::parse_numeric_reference(columns->probabilities);
  if (!probabilities) return probabilities.error();
  out.probabilities = *std::move(probabilities);
  return out;
}

Expected<std::shared_ptr<const Bundle>> load_bundle(const std::vector<FileRef>& artifacts,
                                                    const storage::BlobStore& blobs,
                                                    std::string_view tenant) {
  auto model = read_file(artifacts, kModelFile, blobs, tenant);
  if (!model) return model.error();
  const auto manifest_text = read_file(artifacts, kManifestFile, blobs, tenant);
  if (!manifest_text) return manifest_text.error();
  const auto preprocessor_text = read_file(artifacts, kPreprocessorFile, blobs, tenant);
  if (!preprocessor_text) return preprocessor_text.error();
  const auto reference_bytes = read_file(artifacts, kReferenceFile, blobs, tenant);
  if (!reference_bytes) return reference_bytes.error();
  auto manifest = from_json<Manifest>(*manifest_text, Unknown::skip);
  if (!manifest) return corrupt_in(kManifestFile, manifest.error());
  if (manifest->label.empty() || manifest->positive.empty())
    return corrupt_in(kManifestFile,
                      corrupt("label and positive must name a column and its class"));
  if (!(manifest->threshold >= 0 && manifest->threshold <= 1))
    return corrupt_in(kManifestFile, corrupt("the threshold must be between 0 and 1"));
  auto preprocessor = ml::Preprocessor::parse(*preprocessor_text);
  if (!preprocessor) return corrupt_in(kPreprocessorFile, preprocessor.error());
  auto reference = decode_reference(*reference_bytes);
  if (!reference) return corrupt_in(kReferenceFile, reference.error());
  if (auto bad = check_features(*manifest, *preprocessor, *reference)) return *bad;
  return std::shared_ptr<const Bundle>(std::make_shared<Bundle>(Bundle{
      *std::move(manifest), *std::move(preprocessor), *std::move(model), *std::move(reference)}));
}

}  // namespace mlforge::actors
