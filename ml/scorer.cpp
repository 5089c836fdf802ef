#include "ml/scorer.hpp"

#include <cmath>
#include <cstring>
#include <limits>
#include <optional>
#include <string>

#include "ml/random.hpp"
#include "ml/tree_model.hpp"
#include "ml/tree_walker.hpp"
#include "ml/xgb_predictor.hpp"

namespace mlforge::ml {
namespace {

Status check_finite(std::span<const float> values) {
  bool infinite = false;
  for (const float v : values) infinite |= std::isinf(v);
  if (!infinite) return std::nullopt;
  return Error{ErrorCode::invalid_argument,
               "A feature is infinite; finite or missing would be right.", "features"};
}

Error wrong_features(std::size_t got, std::size_t wanted) {
  return Error{ErrorCode::invalid_argument,
               "The row has " + std::to_string(got) + " features; the model was trained on " +
                   std::to_string(wanted) + ".",
               "features"};
}

// Missing, zero, and seeded rows of several magnitudes.
Matrix probe_rows(std::size_t features) {
  Matrix out{16, features, std::vector<float>(16 * features, 0.0f)};
  Random random(1);
  for (std::size_t i = 0; i < out.rows; ++i)
    for (auto& v : out.row(i)) {
      const double spread = std::pow(10.0, static_cast<double>(i) / 4 - 1);
      if (i == 0) v = std::numeric_limits<float>::quiet_NaN();
      if (i > 1)
        v = random.below(8) == 0 ? std::numeric_limits<float>::quiet_NaN()
                                 : static_cast<float>((random.uniform() - 0.5) * spread);
    }
  return out;
}

}  // namespace

struct Scorer::Impl {
  std::size_t features = 0;
  std::vector<std::string> feature_names;
  std::optional<TreeWalker> walker;
  std::optional<XgbPredictor> xgboost;  // only without a walker

  Status load(std::string_view bytes) {
    auto model = read_model(bytes);
    if (!model) return model.error();
    features = model->features;
    feature_names = std::move(model->feature_names);
    if (auto error = xgboost.emplace().load(bytes, features, model->booster != "gblinear"))
      return error;
    return choose_walker(*model);
  }

  Status choose_walker(const TreeModel& model) {
    const auto probes = probe_rows(features);
    std::vector<float> expected(probes.rows);
    if (auto error = xgboost->predict(probes.data.data(), expected)) return error;
    walker = TreeWalker::make(model);
    for (std::size_t i = 0; walker && i < probes.rows; ++i) {
      const float walked = walker->predict(probes.row(i));
      if (std::memcmp(&walked, &expected[i], sizeof(float)) != 0) walker.reset();
    }
    if (walker) xgboost.reset();
    return std::nullopt;
  }
};

Scorer::Scorer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Scorer::Scorer(Scorer&&) noexcept = default;
Scorer& Scorer::operator=(Scorer&&) noexcept = default;
Scorer::~Scorer() = default;

Expected<Scorer> Scorer::load(std::string_view model) {
  auto impl = std::make_unique<Impl>();
  if (auto error = impl->load(model)) return *error;
  return Scorer(std::move(impl));
}

Expected<float> Scorer::score(std::span<const float> row) const {
  if (row.size() != impl_->features) return wrong_features(row.size(), impl_->features);
  if (auto error = check_finite(row)) return *error;
  if (impl_->walker) return impl_->walker->predict(row);
  float out = 0;
  if (auto error = impl_->xgboost->predict_row(row, out)) return *error;
  return out;
}

Expected<std::vector<float>> Scorer::score(const Matrix& x) const {
  if (x.cols != impl_->features || x.data.size() != x.rows * x.cols)
    return wrong_features(x.cols, impl_->features);
  if (auto error = check_finite(x.data)) return *error;
  std::vector<float> out(x.rows);
  if (x.rows == 0) return out;
  if (impl_->walker) {
    for (std::size_t i = 0; i < x.rows; ++i) out[i] = impl_->walker->predict(x.row(i));
    return out;
  }
  if (auto error = impl_->xgboost->predict(x.data.data(), out)) return *error;
  return out;
}

std::size_t Scorer::features() const { return impl_->features; }
bool Scorer::walks_trees() const { return impl_->walker.has_value(); }
const std::vector<std::string>& Scorer::feature_names() const { return impl_->feature_names; }

}  // namespace mlforge::ml
