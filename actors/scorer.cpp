#include "actors/scorer.hpp"

#include <cmath>
#include <unordered_map>
#include <utility>

#include "events/checks.hpp"
#include "events/codec.hpp"
#include "events/json.hpp"
#include "ml/routing.hpp"
#include "ml/scorer.hpp"

namespace mlforge::actors {
namespace {

constexpr std::size_t kLongestCategory = 4096;  // bytes; a log record has to hold many of them

Error feature_error(std::string_view name, std::string_view message) {
  return invalid("features." + std::string(name), message);
}

Error unknown_feature(std::string_view name, const Bundle& bundle) {
  std::string message =
      "field 'features." + std::string(name) + "' is no feature of this model; it has";
  const char* separator = " ";
  for (const auto& each : bundle.manifest.features)
    message += std::exchange(separator, ", ") + each.name;
  return {ErrorCode::unknown_field, std::move(message), "features." + std::string(name)};
}

}  // namespace

struct ServedModel::Impl {
  std::uint64_t version;
  std::shared_ptr<const Bundle> bundle;
  ml::Scorer scorer;
  std::unordered_map<std::string_view, std::size_t> input_by_name;  // views into the bundle
  std::vector<std::size_t> slot;  // of an input among those of its kind
  std::vector<std::string> numeric_names, categorical_names;

  Impl(std::uint64_t version, std::shared_ptr<const Bundle> b, ml::Scorer s)
      : version(version), bundle(std::move(b)), scorer(std::move(s)) {
    const auto& inputs = bundle->preprocessor.inputs();
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      input_by_name.emplace(inputs[i].name, i);
      auto& names = inputs[i].kind == ml::ColumnKind::numeric ? numeric_names : categorical_names;
      slot.push_back(names.size());
      names.push_back(inputs[i].name);
    }
  }

  // One feature into its cell and into the row for the log.
  Status read_cell(std::size_t input, const simdjson::dom::element& value, ml::Cell& cell,
                   PredictionRow& row) const {
    const auto& in = bundle->preprocessor.inputs()[input];
    if (in.kind == ml::ColumnKind::numeric) {
      double number = std::nan("");
      if (value.is_null())
        cell = std::monostate{};
      else if (value.get(number) == simdjson::SUCCESS)
        cell = number;
      else
        return feature_error(
            in.name, "must be a number or null, got " + std::string(codec::kind_name(value)));
      row.numeric[slot[input]] = number;
      return {};
    }
    std::string_view text;
    if (value.is_null()) {
      cell = std::monostate{};
      if (const auto& category = bundle->manifest.missing_category) cell = text = *category;
    } else if (value.get(text) == simdjson::SUCCESS) {
      cell = text;
    } else {
      return feature_error(in.name,
                           "must be a string or null, got " + std::string(codec::kind_name(value)));
    }
    if (text.size() > kLongestCategory)
      return feature_error(in.name, "must have at most " + std::to_string(kLongestCategory) +
                                        " bytes, got " + std::to_string(text.size()));
    row.categorical[slot[input]].assign(text);
    return {};
  }

  // A number may be finite and yet too large for the model's 32-bit floats.
  Status check_finite(const std::vector<float>& dense) const {
    for (const auto& in : bundle->preprocessor.inputs())
      if (in.kind == ml::ColumnKind::numeric && std::isinf(dense[in.first_feature]))
        return feature_error(in.name, "is too large for this model");
    return {};
  }
};

ServedModel::ServedModel() = default;
ServedModel::~ServedModel() = default;

Expected<std::shared_ptr<const ServedModel>> ServedModel::load(
    std::uint64_t version, std::shared_ptr<const Bundle> bundle) {
  auto scorer = ml::Scorer::load(bundle->model);
  if (!scorer) return scorer.error();
  if (scorer->features() != bundle->preprocessor.features())
    return Error{ErrorCode::invalid_argument,
                 "the model takes " + std::to_string(scorer->features()) +
                     " features, the preprocessor gives " +
                     std::to_string(bundle->preprocessor.features()),
                 ""};
  // Of the same width, but trained on other columns or on another order of them.
  if (!scorer->feature_names().empty() &&
      scorer->feature_names() != bundle->preprocessor.feature_names())
    return Error{ErrorCode::invalid_argument,
                 "the model's features are not named as those that the preprocessor gives", ""};
  std::shared_ptr<ServedModel> model(new ServedModel);
  model->impl_ = std::make_unique<Impl>(version, std::move(bundle), *std::move(scorer));
  return std::shared_ptr<const ServedModel>(std::move(model));
}

std::uint64_t ServedModel::version() const { return impl_->version; }
const Bundle& ServedModel::bundle() const { return *impl_->bundle; }
const std::vector<std::string>& ServedModel::numeric_names() const { return impl_->numeric_names; }
const std::vector<std::string>& ServedModel::categorical_names() const {
  return impl_->categorical_names;
}

Status ServedModel::score(const simdjson::dom::object& features, PredictionRow& row,
                          std::string_view besides) const {
  const auto& preprocessor = impl_->bundle->preprocessor;
  const std::size_t count = preprocessor.inputs().size();
  thread_local std::vector<ml::Cell> cells;
  thread_local std::vector<char> given;
  thread_local std::vector<float> dense;
  cells.assign(count, std::monostate{});
  given.assign(count, 0);
  dense.resize(preprocessor.features());
  row.numeric.assign(impl_->numeric_names.size(), std::nan(""));
  row.categorical.assign(impl_->categorical_names.size(), {});
  for (const auto& [name, value] : features) {
    const auto at = impl_->input_by_name.find(name);
    if (at == impl_->input_by_name.end()) {
      if (!besides.empty() && name == besides) continue;
      return unknown_feature(name, *impl_->bundle);
    }
    if (std::exchange(given[at->second], 1)) return feature_error(name, "is given twice");
    if (auto bad = impl_->read_cell(at->second, value, cells[at->second], row)) return bad;
  }
  for (std::size_t i = 0; i < count; ++i)
    if (!given[i])
      return feature_error(preprocessor.inputs()[i].name,
                           "is missing: send null where the value is not known");
  if (auto bad = preprocessor.transform_row(cells, dense)) return bad;
  if (auto bad = impl_->check_finite(dense)) return bad;
  const auto probability = impl_->scorer.score(dense);
  if (!probability) return probability.error();
  row.prediction.probability = *probability;
  row.prediction.label = *probability >= impl_->bundle->manifest.threshold;
  row.prediction.version = impl_->version;
  return {};
}

std::shared_ptr<const Scorer::Map> Scorer::snapshot() const { return std::atomic_load(&map_); }

void Scorer::set_endpoint(const EndpointSettings& settings) {
  const std::lock_guard lock(writers_);
  auto next = std::make_shared<Map>(*map_);
  auto endpoint = std::make_shared<Endpoint>();
  if (const auto at = next->find(settings.name); at != next->end()) *endpoint = *at->second;
  endpoint->settings = settings;
  (*next)[settings.name] = std::move(endpoint);
  std::atomic_store(&map_, std::shared_ptr<const Map>(std::move(next)));
}

void Scorer::set_route(std::string_view name, bool challenger,
                       std::shared_ptr<const ServedModel> model) {
  const std::lock_guard lock(writers_);
  auto next = std::make_shared<Map>(*map_);
  const auto at = next->find(name);
  if (at == next->end()) return;
  auto endpoint = std::make_shared<Endpoint>(*at->second);
  (challenger ? endpoint->challenger : endpoint->champion) = std::move(model);
  at->second = std::move(endpoint);
  std::atomic_store(&map_, std::shared_ptr<const Map>(std::move(next)));
}

std::shared_ptr<const Endpoint> Scorer::find(std::string_view name) const {
  const auto map = snapshot();
  if (const auto at = map->find(name.empty() ? std::string_view("default") : name);
      at != map->end())
    return at->second;
  if (name.empty() && map->size() == 1) return map->begin()->second;
  return nullptr;
}

std::vector<std::shared_ptr<const Endpoint>> Scorer::endpoints() const {
  std::vector<std::shared_ptr<const Endpoint>> out;
  for (const auto& [name, endpoint] : *snapshot()) out.push_back(endpoint);
  return out;
}

namespace {

// What the canary hashes: the request id, or the text of a feature. The same number is the same
// unit however it is written: 40, 40.0, 4e1.
Expected<std::string> unit_of(const Endpoint& endpoint, const simdjson::dom::object& features,
                              const PredictionRow& row) {
  const auto& unit = endpoint.settings.unit;
  if (unit == "request_id") return row.request_id;
  simdjson::dom::element value;
  if (features.at_key(unit).get(value))
    return feature_error(unit, "is missing: it is the unit by which this endpoint routes");
  std::string_view text;
  if (value.get(text) == simdjson::SUCCESS) return std::string(text);
  if (value.is_object() || value.is_array())
    return feature_error(unit,
                         "must be a text or a number: it is the unit by which this endpoint "
                         "routes");
  double number = 0;
  if (!value.is_double() || value.get(number)) return std::string(simdjson::minify(value));
  std::string out;
  append_json_double(out, number);
  return out;
}

}  // namespace

Expected<Prediction> predict(const Endpoint& endpoint, const simdjson::dom::object& features,
                             PredictionRow& row) {
  const auto* model = &endpoint.champion;
  row.prediction.challenger = false;
  const auto unit = unit_of(endpoint, features, row);
  if (!unit) return unit.error();
  if (endpoint.challenger && (endpoint.settings.canary_bp > 0 || !endpoint.champion)) {
    const auto bucket = ml::canary_bucket(endpoint.settings.experiment_id, *unit);
    if (ml::routes_to_challenger(bucket, endpoint.settings.canary_bp)) {
      model = &endpoint.challenger;
      row.prediction.challenger = true;
    }
  }
  if (!*model)
    return Error{ErrorCode::unavailable,
                 "endpoint '" + endpoint.settings.name +
                     "' serves no champion: promote a version of model '" +
                     endpoint.settings.model + "' first",
                 ""};
  const auto& field = endpoint.settings.unit;
  if (auto bad = (*model)->score(features, row, field == "request_id" ? "" : field)) return *bad;
  row.model = *model;
  return row.prediction;
}

}  // namespace mlforge::actors
