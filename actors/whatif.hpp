// The decisions in a log once more, under another policy. Pure: the same decide() and check
// functions as the server's, on the figures that the log holds.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "events/fields.hpp"
#include "storage/log.hpp"

namespace mlforge::actors {

// What is not given stays as it was recorded.
struct WhatIfPolicy {
  std::optional<double> min_improvement;  // a challenger's required lead over the champion
  std::optional<double> gate_minimum;     // of the gate's metric
  std::optional<double> gate_max_regression;
  std::optional<double> psi_threshold;
  std::optional<double> ks_pvalue_threshold;
  static constexpr auto fields() {
    return FieldList{field("min_improvement", &WhatIfPolicy::min_improvement),
                     field("gate_minimum", &WhatIfPolicy::gate_minimum),
                     field("gate_max_regression", &WhatIfPolicy::gate_max_regression),
                     field("psi_threshold", &WhatIfPolicy::psi_threshold),
                     field("ks_pvalue_threshold", &WhatIfPolicy::ks_pvalue_threshold)};
  }
};

struct WhatIfRow {
  Position position = 0;   // of the event that holds the decision
  std::string time, kind;  // kind: gate, promotion, stage, alias, version, drift, retraining
  std::string subject;     // "adult version 3", "endpoint adult, report ..."
  std::string decided, would_be, why;
  bool differs = false;
  static constexpr auto fields() {
    return FieldList{
        field("position", &WhatIfRow::position), field("time", &WhatIfRow::time),
        field("kind", &WhatIfRow::kind),         field("subject", &WhatIfRow::subject),
        field("decided", &WhatIfRow::decided),   field("would_be", &WhatIfRow::would_be),
        field("why", &WhatIfRow::why),           field("differs", &WhatIfRow::differs)};
  }
};

// Versions one after another; 0: none.
struct ChampionLine {
  std::string model;
  std::vector<std::uint64_t> decided, would_be;
  static constexpr auto fields() {
    return FieldList{field("model", &ChampionLine::model), field("decided", &ChampionLine::decided),
                     field("would_be", &ChampionLine::would_be)};
  }
};

struct WhatIfReport {
  Position from = 0, to = 0;
  WhatIfPolicy policy;
  std::uint64_t decisions = 0, different = 0;
  std::vector<WhatIfRow> rows;  // of all decisions, in order
  std::vector<ChampionLine> champions;
  std::vector<std::string> unknown;  // what this cannot know, in sentences
  static constexpr auto fields() {
    return FieldList{
        field("from", &WhatIfReport::from),           field("to", &WhatIfReport::to),
        field("policy", &WhatIfReport::policy),       field("decisions", &WhatIfReport::decisions),
        field("different", &WhatIfReport::different), field("rows", &WhatIfReport::rows),
        field("champions", &WhatIfReport::champions), field("unknown", &WhatIfReport::unknown)};
  }
};

// The policy holds for decisions after position `from`, up to `to`. What a decision leads to is
// carried on: a champion that would have been another is what later challengers are compared with,
// and versions of a retraining that would not have been are left out. `corrupt` where an event does
// not decode.
Expected<WhatIfReport> what_if(const storage::Log& log, std::string_view tenant, Position from,
                               Position to, const WhatIfPolicy& policy);

}  // namespace mlforge::actors
