// Scorers of an experiment (MLflow 3): named, versioned programs that judge traces, kept as the
// text that MLflow's client makes of them. Nothing here runs them.
#pragma once
#include <set>

#include "events/vocabulary.hpp"

namespace mlforge {

inline constexpr std::size_t kMaxScorerName = 256;  // characters

struct ScorersState {
  struct Scorer {
    std::string scorer_id;
    std::set<std::uint64_t> versions;  // may be empty: each was deleted by its number
    std::optional<ScorerOnlineConfigured> online;
  };
  std::map<std::string, Scorer> by_name;
};

struct RegisterScorer {
  std::string experiment_id, scorer_name, serialized;
  std::string scorer_id;  // filled by the manager: of a name that is new
  TimeUs time = 0;
};
struct DeleteScorer {
  std::string experiment_id, scorer_name;
  std::optional<std::uint64_t> version;  // absent: all
};
struct ConfigureOnlineScoring {
  std::string experiment_id, scorer_name;
  double sample_rate = 0;
  std::string filter;
  std::string config_id;  // filled by the manager
};

// not_found in MLflow's words. The next version is one more than the highest that is there.
Expected<Events> decide(const ScorersState& state, const RegisterScorer& command);
Expected<Events> decide(const ScorersState& state, const DeleteScorer& command);
Expected<Events> decide(const ScorersState& state, const ConfigureOnlineScoring& command);

void evolve(ScorersState& state, const ScorerRegistered& event);
void evolve(ScorersState& state, const ScorerDeleted& event);
void evolve(ScorersState& state, const ScorerOnlineConfigured& event);

// MLflow's sentence.
Error no_scorer(std::string_view experiment_id, std::string_view name,
                std::optional<std::uint64_t> version = {});

}  // namespace mlforge
