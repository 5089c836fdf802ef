// Scorers as they are now: a row for each version, one for what is scored online.
#pragma once
#include <optional>

#include "projections/projection.hpp"
#include "projections/view_reader.hpp"

namespace mlforge::projections {

struct ScorerVersionRow {
  std::string experiment_id, name, scorer_id;
  std::uint64_t version = 0;
  std::string serialized;
  std::int64_t time_ms = 0;
  static constexpr auto fields() {
    using S = ScorerVersionRow;
    return FieldList{field("experiment_id", &S::experiment_id), field("name", &S::name),
                     field("scorer_id", &S::scorer_id),         field("version", &S::version),
                     field("serialized", &S::serialized),       field("time_ms", &S::time_ms)};
  }
};

struct OnlineScoringRow {
  std::string experiment_id, scorer_id, config_id;
  double sample_rate = 0;
  std::string filter;
  static constexpr auto fields() {
    using O = OnlineScoringRow;
    return FieldList{field("experiment_id", &O::experiment_id), field("scorer_id", &O::scorer_id),
                     field("config_id", &O::config_id), field("sample_rate", &O::sample_rate),
                     field("filter", &O::filter)};
  }
};

// Which versions a name has; of the projection's own.
struct ScorerNameRow {
  std::string scorer_id;
  std::vector<std::uint64_t> versions;
  static constexpr auto fields() {
    return FieldList{field("scorer_id", &ScorerNameRow::scorer_id),
                     field("versions", &ScorerNameRow::versions)};
  }
};

// Versioned: "version" by experiment, name and number; "name" by experiment and name; "online" by
// the scorer's id.
class ScorersProjection : public Dispatch<ScorersProjection> {
 public:
  static constexpr std::string_view kName = "scorers";
  static constexpr std::uint32_t kVersion = 1;
  void on(ViewWriter& view, const EventView& envelope, const ScorerRegistered& event);
  void on(ViewWriter& view, const EventView& envelope, const ScorerDeleted& event);
  void on(ViewWriter& view, const EventView& envelope, const ScorerOnlineConfigured& event);
};

// All versions of a scorer, the lowest first.
std::vector<ScorerVersionRow> scorer_versions(ViewReader& view, std::string_view tenant,
                                              std::string_view experiment_id, std::string_view name,
                                              Position as_of = kLatest);

// The highest version of each scorer of an experiment, by name.
std::vector<ScorerVersionRow> latest_scorers(ViewReader& view, std::string_view tenant,
                                             std::string_view experiment_id,
                                             Position as_of = kLatest);

std::optional<OnlineScoringRow> find_online_scoring(ViewReader& view, std::string_view tenant,
                                                    std::string_view scorer_id,
                                                    Position as_of = kLatest);

}  // namespace mlforge::projections
