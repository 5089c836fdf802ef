// Environments as they were captured.
#pragma once
#include "projections/projection.hpp"

namespace mlforge::projections {

struct EnvironmentRow {
  std::string name, kind, digest;
  Texts facts;
  std::string captured_time, actor;
  static constexpr auto fields() {
    return FieldList{field("name", &EnvironmentRow::name),
                     field("kind", &EnvironmentRow::kind),
                     field("digest", &EnvironmentRow::digest),
                     field("facts", &EnvironmentRow::facts),
                     field("captured_time", &EnvironmentRow::captured_time),
                     field("actor", &EnvironmentRow::actor)};
  }
};

// Versioned: "environment" by name (the last capture), "capture" by digest (the first one with it).
class EnvironmentsProjection : public Dispatch<EnvironmentsProjection> {
 public:
  static constexpr std::string_view kName = "environments";
  static constexpr std::uint32_t kVersion = 1;
  void on(ViewWriter& view, const EventView& envelope, const EnvironmentCaptured& event);
};

}  // namespace mlforge::projections
