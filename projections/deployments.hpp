// Endpoints: what they serve, to whom, and how often.
#pragma once
#include <span>

#include "projections/projection.hpp"
#include "projections/series.hpp"

namespace mlforge::projections {

struct EndpointRow {
  std::string name, model, experiment_id;
  std::uint64_t canary_bp = 0;  // basis points
  std::string unit, retrain_pipeline;
  std::uint64_t drift_window = 0;
  double psi_threshold = 0, ks_pvalue_threshold = 0;
  std::map<std::string, std::uint64_t> active;  // route -> version
  std::string created_time, actor;
  // Filled by queries, as of the same position.
  std::uint64_t predictions = 0;
  std::map<std::string, std::uint64_t> predictions_by_version, predictions_by_route;
  static constexpr auto fields() {
    return FieldList{field("name", &EndpointRow::name),
                     field("model", &EndpointRow::model),
                     field("experiment_id", &EndpointRow::experiment_id),
                     field("canary_bp", &EndpointRow::canary_bp),
                     field("unit", &EndpointRow::unit),
                     field("retrain_pipeline", &EndpointRow::retrain_pipeline),
                     field("drift_window", &EndpointRow::drift_window),
                     field("psi_threshold", &EndpointRow::psi_threshold),
                     field("ks_pvalue_threshold", &EndpointRow::ks_pvalue_threshold),
                     field("active", &EndpointRow::active),
                     field("created_time", &EndpointRow::created_time),
                     field("actor", &EndpointRow::actor),
                     field("predictions", &EndpointRow::predictions),
                     field("predictions_by_version", &EndpointRow::predictions_by_version),
                     field("predictions_by_route", &EndpointRow::predictions_by_route)};
  }
};

// A count as it stood after an event; "best" is the newest.
struct CountPoint {
  Position position = 0;
  std::uint64_t total = 0;
  static bool better(const CountPoint&, const CountPoint&) { return true; }
};

// Per endpoint the series "version:<n>" and "route:<name>".
inline constexpr Series<CountPoint> kCountSeries{"deployments"};

// Versioned: "endpoint" by name.
class DeploymentsProjection : public Dispatch<DeploymentsProjection> {
 public:
  static constexpr std::string_view kName = "deployments";
  static constexpr std::uint32_t kVersion = 2;
  void on(ViewWriter& view, const EventView& envelope, const EndpointCreated& event);
  void on(ViewWriter& view, const EventView& envelope, const EndpointSplitChanged& event);
  void on(ViewWriter& view, const EventView& envelope, const EndpointVersionActivated& event);
  void on(ViewWriter& view, const EventView& envelope, const PredictionsLogged& event);

 private:
  void count(ViewWriter& view, const EventView& envelope, std::string_view name,
             std::uint64_t more);
  void count_versions(std::span<const std::int64_t> versions);

  // Kept for their memory.
  std::vector<std::pair<std::int64_t, std::uint64_t>> by_version_;
  std::string tails_, key_;
};

}  // namespace mlforge::projections
