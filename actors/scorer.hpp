// The serving core: answers predictions, outside of the actors. What it serves is swapped as a
// whole, so a request that has begun keeps the version it began with and a hot swap loses nobody.
#pragma once
#include <simdjson.h>
#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "actors/bundle.hpp"

namespace mlforge::actors {

// What an endpoint is, as its events say.
struct EndpointSettings {
  std::string name, model, experiment_id;
  std::uint32_t canary_bp = 0;  // of 10,000
  // What the canary hashes: the request id, or the field of the features with this name, which need
  // not be one of the model's (a user's id).
  std::string unit = "request_id";
};

class ServedModel;  // a bundle ready to score, with its version

// An immutable picture of one endpoint.
struct Endpoint {
  EndpointSettings settings;
  std::shared_ptr<const ServedModel> champion, challenger;  // null: none
};

struct Prediction {
  int label = 0;  // 1: the positive class
  double probability = 0;
  std::uint64_t version = 0;
  bool challenger = false;
};

// The features of one request in the model's order, for the log. Texts own their memory.
struct PredictionRow {
  std::string request_id;
  std::string subject;  // whom it is about; empty: nobody
  Prediction prediction;
  TimeUs time = 0;
  std::shared_ptr<const ServedModel> model;
  std::vector<double> numeric;           // in the order of numeric_names()
  std::vector<std::string> categorical;  // in the order of categorical_names()
};

class ServedModel {
 public:
  // invalid_argument or corrupt where the model does not load or does not fit its preprocessor
  // (the number of features, and their names where the model has some).
  static Expected<std::shared_ptr<const ServedModel>> load(std::uint64_t version,
                                                           std::shared_ptr<const Bundle> bundle);
  ~ServedModel();

  std::uint64_t version() const;
  const Bundle& bundle() const;
  const std::vector<std::string>& numeric_names() const;
  const std::vector<std::string>& categorical_names() const;

  // Scores the features of a request and fills in prediction and features of `row`. Every feature
  // of the model must be there once, null for a missing one; texts have at most 4,096 bytes.
  // unknown_field or invalid_argument name it as "features.<name>"; a field `besides` that is no
  // feature is passed over. Safe from any thread.
  Status score(const simdjson::dom::object& features, PredictionRow& row,
               std::string_view besides = {}) const;

 private:
  ServedModel();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

class Scorer {
 public:
  // Any thread; writers are serialised. An endpoint keeps its routes when its settings change.
  void set_endpoint(const EndpointSettings& settings);
  void set_route(std::string_view endpoint, bool challenger,
                 std::shared_ptr<const ServedModel> model);  // null clears

  // Null where there is none. An empty name finds the default: the one named "default", or the only
  // one. Any thread.
  std::shared_ptr<const Endpoint> find(std::string_view name) const;
  std::vector<std::shared_ptr<const Endpoint>> endpoints() const;

 private:
  using Map = std::map<std::string, std::shared_ptr<const Endpoint>, std::less<>>;
  std::shared_ptr<const Map> snapshot() const;
  std::mutex writers_;
  std::shared_ptr<const Map> map_ =
      std::make_shared<const Map>();  // accessed with std::atomic_load / atomic_store
};

// Routes by the canary hash of the endpoint's unit, which must be there whether or not a challenger
// is, and scores; fills in all of `row` but its
// request id, which must be there, and its time. `unavailable` where no version is served.
Expected<Prediction> predict(const Endpoint& endpoint, const simdjson::dom::object& features,
                             PredictionRow& row);

}  // namespace mlforge::actors
