// Deployments: endpoints that answer predictions, and the batches of what they answered.
#pragma once
#include <map>

#include "events/vocabulary.hpp"

namespace mlforge {

struct EndpointState {
  std::optional<EndpointCreated> config;  // empty: it does not exist
  std::uint64_t canary_bp = 0;
  std::map<std::string, std::uint64_t> active;  // route -> version
};

struct CreateEndpoint {
  std::string name, model, experiment_id;
  std::optional<std::uint64_t> canary_bp;
  std::string unit = "request_id";
  std::string retrain_pipeline;
  std::optional<std::uint64_t> drift_window;
  std::optional<double> psi_threshold, ks_pvalue_threshold;
  static constexpr auto fields() {
    return FieldList{required("name", &CreateEndpoint::name),
                     required("model", &CreateEndpoint::model),
                     field("experiment_id", &CreateEndpoint::experiment_id),
                     field("canary_bp", &CreateEndpoint::canary_bp),
                     field("unit", &CreateEndpoint::unit),
                     field("retrain_pipeline", &CreateEndpoint::retrain_pipeline),
                     field("drift_window", &CreateEndpoint::drift_window),
                     field("psi_threshold", &CreateEndpoint::psi_threshold),
                     field("ks_pvalue_threshold", &CreateEndpoint::ks_pvalue_threshold)};
  }
};

struct ChangeSplit {
  std::string endpoint;
  std::uint64_t canary_bp = 0;
  std::string reason;
  static constexpr auto fields() {
    return FieldList{required("canary_bp", &ChangeSplit::canary_bp),
                     field("reason", &ChangeSplit::reason)};
  }
};

struct ActivateVersion {
  std::string endpoint, route;
  std::uint64_t version = 0;
};

// Optional values of CreateEndpoint must have been filled with the configured defaults by the
// manager.
Expected<Events> decide(const EndpointState& state, const CreateEndpoint& command);
Expected<Events> decide(const EndpointState& state, const ChangeSplit& command);
Expected<Events> decide(const EndpointState& state, const ActivateVersion& command);

void evolve(EndpointState& state, const EndpointCreated& event);
void evolve(EndpointState& state, const EndpointSplitChanged& event);
void evolve(EndpointState& state, const EndpointVersionActivated& event);

// Predictions decide nothing: the scorer hands finished batches over.
struct PredictionsState {
  std::uint64_t count = 0;
};
struct RecordPredictions {
  std::string endpoint;
  PredictionsLogged batch;
  std::vector<std::string> subjects = {};  // of each row; "": none. Empty: none of any
};
Expected<Events> decide(const PredictionsState& state, const RecordPredictions& command);
void evolve(PredictionsState& state, const PredictionsLogged& event);

}  // namespace mlforge
