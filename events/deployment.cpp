#include "events/deployment.hpp"

#include "events/checks.hpp"

namespace mlforge {
namespace {

Status check_split(std::uint64_t basis_points) {
  if (basis_points <= 10000) return {};
  return invalid("canary_bp", "must be basis points from 0 to 10000");
}

Status check_policy(const CreateEndpoint& c) {
  if (c.drift_window && (*c.drift_window < 50 || *c.drift_window > 1000000))
    return invalid("drift_window", "must be from 50 to 1,000,000 predictions");
  if (c.psi_threshold && !(*c.psi_threshold > 0 && *c.psi_threshold < 100))
    return invalid("psi_threshold", "must be a number above 0 and below 100");
  if (c.ks_pvalue_threshold && !(*c.ks_pvalue_threshold >= 0 && *c.ks_pvalue_threshold <= 1))
    return invalid("ks_pvalue_threshold", "must be a number from 0 to 1");
  return {};
}

}  // namespace

Expected<Events> decide(const EndpointState& state, const CreateEndpoint& c) {
  if (auto bad = check_name("name", c.name)) return *bad;
  if (auto bad = check_name("model", c.model, kMostModelNameBytes)) return *bad;
  if (c.unit.empty()) return invalid("unit", "must be request_id or the name of a feature");
  if (auto bad = check_split(c.canary_bp.value_or(0))) return *bad;
  if (auto bad = check_policy(c)) return *bad;
  if (state.config)
    return Error{ErrorCode::already_exists, "endpoint '" + c.name + "' already exists", "name"};
  EndpointCreated e{.name = c.name,
                    .model = c.model,
                    .experiment_id = c.experiment_id.empty() ? c.name : c.experiment_id,
                    .unit = c.unit,
                    .retrain_pipeline = c.retrain_pipeline};
  if (c.canary_bp) e.canary_bp = *c.canary_bp;
  if (c.drift_window) e.drift_window = *c.drift_window;
  if (c.psi_threshold) e.psi_threshold = *c.psi_threshold;
  if (c.ks_pvalue_threshold) e.ks_pvalue_threshold = *c.ks_pvalue_threshold;
  return Events{e};
}

Expected<Events> decide(const EndpointState& state, const ChangeSplit& c) {
  if (!state.config) return not_found("endpoint", c.endpoint);
  if (auto bad = check_split(c.canary_bp)) return *bad;
  if (state.canary_bp == c.canary_bp) return Events{};
  return Events{
      EndpointSplitChanged{.from_bp = state.canary_bp, .to_bp = c.canary_bp, .reason = c.reason}};
}

Expected<Events> decide(const EndpointState& state, const ActivateVersion& c) {
  if (!state.config) return not_found("endpoint", c.endpoint);
  const auto at = state.active.find(c.route);
  const std::uint64_t previous = at == state.active.end() ? 0 : at->second;
  if (previous == c.version) return Events{};
  return Events{
      EndpointVersionActivated{.route = c.route, .version = c.version, .previous = previous}};
}

Expected<Events> decide(const PredictionsState&, const RecordPredictions& c) {
  if (c.batch.request_ids.empty()) return Events{};
  return Events{c.batch};
}

void evolve(EndpointState& state, const EndpointCreated& e) {
  state.config = e;
  state.canary_bp = e.canary_bp;
}
void evolve(EndpointState& state, const EndpointSplitChanged& e) { state.canary_bp = e.to_bp; }
void evolve(EndpointState& state, const EndpointVersionActivated& e) {
  state.active[e.route] = e.version;
}
void evolve(PredictionsState& state, const PredictionsLogged& e) {
  state.count += e.request_ids.size();
}

}  // namespace mlforge
