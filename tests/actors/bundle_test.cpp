#include "actors/bundle.hpp"

#include <algorithm>

#include "events/codec.hpp"
#include "tests/actors/serving_support.hpp"

namespace bundle_tests {

using namespace mlforge;
using namespace mlforge::actors;
using namespace mlforge::actors::test::serving;

namespace {

const Bundle& trained() {
  static const TrainedModel model = train_model(7, {"age", "workclass", "hours-per-week"});
  return model.bundle;
}

Expected<std::shared_ptr<const Bundle>> load(const Files& files) {
  Store store;
  return load_bundle(store.put(files), *store.blobs, kTenant);
}

// The trained bundle with one file changed must be refused, in words that hold `says`.
void refused(std::string_view file, const std::string& bytes, const std::string& says,
             ErrorCode code = ErrorCode::corrupt) {
  auto files = files_of(trained());
  REQUIRE(files.at(std::string(file)) != bytes);
  files[std::string(file)] = bytes;
  const auto loaded = load(files);
  REQUIRE_FALSE(loaded);
  INFO(loaded.error().message);
  CHECK(loaded.error().code == code);
  CHECK(loaded.error().message.find(says) != std::string::npos);
}

Manifest manifest() { return trained().manifest; }

bool same(const ReferenceSet& a, const ReferenceSet& b) {
  return a.features == b.features && a.probabilities == b.probabilities;
}

}  // namespace

TEST_CASE("bundle: what was written comes back") {
  const auto loaded = must(load(files_of(trained())));
  CHECK(loaded->model == trained().model);
  CHECK(loaded->preprocessor.serialize() == trained().preprocessor.serialize());
  CHECK(loaded->manifest.label == "income");
  CHECK(loaded->manifest.positive == ">50K");
  CHECK(loaded->manifest.threshold == 0.5);
  CHECK(loaded->manifest.features == std::vector<FeatureColumn>{{"age", "numeric"},
                                                                {"workclass", "categorical"},
                                                                {"hours-per-week", "numeric"}});
  CHECK(loaded->manifest.seed == 7);
  CHECK(same(loaded->reference, trained().reference));
  const auto& hours =
      std::get<ml::NumericReference>(loaded->reference.features.at("hours-per-week"));
  CHECK(hours.sample.missing > 0);
  CHECK(hours.sample.total() + hours.sample.missing == 400);
  CHECK(loaded->reference.probabilities.sample.total() == 400);
}

TEST_CASE("bundle: a manifest of later days, with fields unknown today, is read") {
  auto text = to_json(manifest());
  text.insert(1, R"("colour": "blue", )");
  auto files = files_of(trained());
  files[std::string(kManifestFile)] = text;
  CHECK(must(load(files))->manifest.label == "income");
}

TEST_CASE("bundle: files beside the four do not matter") {
  auto files = files_of(trained());
  files["notes.md"] = "a good model";
  CHECK(load(files));
}

TEST_CASE("bundle: a missing file is named") {
  for (const auto& name : {kModelFile, kPreprocessorFile, kReferenceFile, kManifestFile}) {
    auto files = files_of(trained());
    files.erase(std::string(name));
    const auto loaded = load(files);
    REQUIRE_FALSE(loaded);
    CHECK(loaded.error().code == ErrorCode::not_found);
    CHECK(loaded.error().message.find("'" + std::string(name) + "'") != std::string::npos);
  }
}

TEST_CASE("bundle: a flipped bit in any stored file is seen, and the file named") {
  for (const auto& name : {kModelFile, kPreprocessorFile, kReferenceFile, kManifestFile}) {
    Store store;
    const auto artifacts = store.put(files_of(trained()));
    REQUIRE(load_bundle(artifacts, *store.blobs, kTenant));
    store.damage(*std::find_if(artifacts.begin(), artifacts.end(),
                               [&](const auto& each) { return each.path == name; }));
    const auto loaded = load_bundle(artifacts, *store.blobs, kTenant);
    REQUIRE_FALSE(loaded);
    CHECK(loaded.error().code == ErrorCode::corrupt);
    CHECK(loaded.error().message.find("'" + std::string(name) + "'") != std::string::npos);
  }
}

TEST_CASE("bundle: a digest that is none, one that nobody stored, and another tenant's") {
  Store store;
  const auto artifacts = store.put(files_of(trained()));
  const auto with_digest = [&](const std::string& digest) {
    auto changed = artifacts;
    for (auto& each : changed)
      if (each.path == kModelFile) each.digest = digest;
    return load_bundle(changed, *store.blobs, kTenant);
  };
  const auto none = with_digest("not hexadecimal"), unknown = with_digest(std::string(64, 'a'));
  REQUIRE_FALSE(none);
  CHECK(none.error().code == ErrorCode::corrupt);
  CHECK(none.error().message.find("'model.ubj'") != std::string::npos);
  REQUIRE_FALSE(unknown);
  CHECK(unknown.error().code == ErrorCode::not_found);
  const auto other = load_bundle(artifacts, *store.blobs, "globex");
  REQUIRE_FALSE(other);
  CHECK(other.error().code == ErrorCode::not_found);
}

TEST_CASE("bundle: files that do not decode") {
  refused(kManifestFile, "{", "'manifest.json'");
  refused(kManifestFile, R"({"label": "income"})", "positive");
  refused(kPreprocessorFile, "", "'preprocessor.txt'");
  const auto text = trained().preprocessor.serialize();
  refused(kPreprocessorFile, text.substr(0, text.size() / 2), "'preprocessor.txt'");
  refused(kReferenceFile, "", "'reference.bin'");
}

TEST_CASE("bundle: a threshold that is no probability") {
  for (const double threshold : {-0.1, 1.1, std::nan("")}) {
    auto changed = manifest();
    changed.threshold = threshold;
    refused(kManifestFile, to_json(changed), "between 0 and 1");
  }
}

TEST_CASE("bundle: files of different models") {
  auto changed = manifest();
  std::swap(changed.features[0], changed.features[2]);
  refused(kManifestFile, to_json(changed), "features are not those");
  changed = manifest();
  changed.features.pop_back();
  refused(kManifestFile, to_json(changed), "features are not those");
  changed = manifest();
  changed.features[1].kind = "text";
  refused(kManifestFile, to_json(changed), "features are not those");

  auto reference = trained().reference;
  const auto age = reference.features.extract("age");
  refused(kReferenceFile, encode_reference(reference), "no numeric feature 'age'");
  reference = trained().reference;
  reference.features["age"] = reference.features.at("workclass");
  refused(kReferenceFile, encode_reference(reference), "no numeric feature 'age'");
  reference = trained().reference;
  reference.features["wage"] = reference.features.at("age");
  refused(kReferenceFile, encode_reference(reference), "that the preprocessor has not");
}

TEST_CASE("bundle: a reference comes back from its bytes, and the bytes are always the same") {
  const auto& reference = trained().reference;
  const auto bytes = encode_reference(reference);
  CHECK(encode_reference(reference) == bytes);
  const auto back = must(decode_reference(bytes));
  CHECK(same(back, reference));
  CHECK(encode_reference(back) == bytes);
  ReferenceSet empty;
  empty.probabilities = ml::make_reference(ml::count_values({}));
  CHECK(same(must(decode_reference(encode_reference(empty))), empty));
}

TEST_CASE("bundle: a reference cut short anywhere is corrupt") {
  ReferenceSet small;  // every place is tried, so it has to be short
  small.features["x"] = ml::make_reference(ml::count_values(std::vector<double>{1, 2, 2, 3}));
  small.features["y"] = ml::make_reference(ml::CategoryCounts{{{"a", 3}, {"b", 1}}, 2});
  small.probabilities = ml::make_reference(ml::count_values(std::vector<double>{0.25, 0.75}));
  const auto bytes = encode_reference(small);
  REQUIRE(decode_reference(bytes));
  for (std::size_t n = 0; n < bytes.size(); ++n) {
    const auto decoded = decode_reference(std::string_view(bytes).substr(0, n));
    INFO(n << " of " << bytes.size() << " bytes");
    REQUIRE_FALSE(decoded);
    REQUIRE(decoded.error().code == ErrorCode::corrupt);
  }
}

TEST_CASE("bundle: a reference of a kind that is none, or with a feature twice, is corrupt") {
  ReferenceSet two;
  for (const auto* name : {"aa", "bb"})
    two.features[name] = ml::make_reference(ml::count_values(std::vector<double>{1, 2}));
  two.probabilities = ml::make_reference(ml::count_values(std::vector<double>{0.5}));
  const auto bytes = encode_reference(two);
  const auto replaced = [&](std::string_view what, std::string_view by) {
    auto changed = bytes;
    changed.replace(changed.find(what), what.size(), by);
    const auto decoded = decode_reference(changed);
    REQUIRE_FALSE(decoded);
    CHECK(decoded.error().code == ErrorCode::corrupt);
    return decoded.error().message;
  };
  CHECK(replaced("numeric", "numbers").find("neither") != std::string::npos);
  CHECK(replaced("aabb", "aaaa").find("twice") != std::string::npos);
}

}  // namespace bundle_tests
