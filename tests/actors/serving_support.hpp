// What the tests of the serving core share: a folder, a blob store in it, and small models.
#pragma once
#include <simdjson.h>
#include <stdlib.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "actors/bundle.hpp"
#include "actors/scorer.hpp"
#include "ml/csv.hpp"
#include "ml/synthetic.hpp"

namespace mlforge::actors::test::serving {

// A folder of its own under the system's temporary folder, removed at the end.
class ScratchFolder {
 public:
  ScratchFolder() {
    auto name = (std::filesystem::temp_directory_path() / "mlforge-serving-XXXXXX").string();
    if (!::mkdtemp(name.data())) throw std::runtime_error("no temporary folder");
    path_ = name;
  }
  ~ScratchFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// A value or a failed test that shows the error's sentence.
template <class T>
T must(Expected<T> value) {
  if (!value) FAIL(value.error().message);
  return std::move(*value);
}

inline constexpr std::string_view kTenant = "acme";

// Files as a version has them, by name; put() makes them artifacts.
using Files = std::map<std::string, std::string>;

struct Store {
  ScratchFolder folder;
  std::unique_ptr<storage::BlobStore> blobs = must(storage::open_local_blobs(folder.path()));

  FileRef put(const std::string& name, std::string_view bytes);
  std::vector<FileRef> put(const Files& files);
  // Flips one bit in the middle of a stored blob, behind the store's back.
  void damage(const FileRef& file) const;
};

// Synthetic census rows, and a model of them: a few shallow trees. `columns` empty: all features.
ml::Table census(std::uint32_t rows, std::uint64_t seed = 42);
struct TrainedModel {
  Bundle bundle;
  ml::Table table;  // what it was trained on
};
TrainedModel train_model(std::uint64_t seed, std::vector<std::string> columns = {},
                         std::uint32_t rows = 400);

// Trained once, for all tests.
const TrainedModel& census_model();
Files files_of(const Bundle& bundle);
std::shared_ptr<const ServedModel> served(std::uint64_t version, const Bundle& bundle);

// A row of the table as a request's features: numbers, texts, null for missing cells.
std::string features_json(const ml::Table& table, std::size_t row,
                          const std::vector<FeatureColumn>& features);

// A parsed request; the object lives as long as this.
struct PredictRequest {
  explicit PredictRequest(const std::string& json) { object = must_parse(json); }
  simdjson::dom::parser parser;
  simdjson::dom::object object;

 private:
  simdjson::dom::object must_parse(const std::string& json);
};

}  // namespace mlforge::actors::test::serving
