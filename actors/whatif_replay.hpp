// The two halves of what_if(): models and drift. Internal to actors/whatif*.cpp.
#pragma once
#include <map>
#include <set>

#include "actors/drift_job.hpp"
#include "actors/gate.hpp"
#include "actors/whatif.hpp"
#include "events/aggregates.hpp"

namespace mlforge::actors {

using WhatIfRows = std::vector<WhatIfRow>;

WhatIfRow what_if_row(const EventView& e, std::string kind, std::string subject);
std::string number_text(double value);

// One model in the log and as it would be.
class ModelReplay {
 public:
  ModelReplay(std::string name, const WhatIfPolicy& policy)
      : name_(std::move(name)), policy_(policy) {}

  // An event of the model's stream. `applies`: the other policy holds for it. `absent_runs`:
  // pipeline runs that would not have been.
  void add(const EventView& e, const Event& event, bool applies,
           const std::set<std::string>& absent_runs, WhatIfRows& rows);

  const ChampionLine& champions() const { return champions_; }
  std::uint64_t champion_would_be() const { return other_.alias(kChampion); }
  bool has_absent() const { return !absent_.empty(); }

 private:
  void created(const EventView& e, const ModelVersionCreated& event,
               const std::set<std::string>& absent_runs, WhatIfRows& rows);
  void gate(const EventView& e, const ModelGateEvaluated& event, WhatIfRows& rows);
  void promotion(const EventView& e, const ModelPromotionDecided& event, WhatIfRows& rows);
  // A person's command that one or more events tell of; nothing where the log holds no command.
  std::optional<TransitionStage> as_transition(const Event& event) const;
  template <class Command>
  bool command(const EventView& e, const Command& command, std::string kind, std::string done,
               WhatIfRows& rows);
  void note_champions();
  std::string version_text(std::uint64_t version) const;

  std::string name_;
  WhatIfPolicy policy_;
  ModelState log_, other_;          // as in the log, and as it would be
  std::set<std::uint64_t> absent_;  // versions that would not have been trained
  std::size_t consequences_ = 0;    // events to come that a decision led to
  ChampionLine champions_;
};

// One endpoint's drift in the log and as it would be.
class DriftReplay {
 public:
  DriftReplay(std::string endpoint, const WhatIfPolicy& policy)
      : endpoint_(std::move(endpoint)), policy_(policy) {}

  void created(const EndpointCreated& config) { config_ = config; }
  // An event of the endpoint's drift stream. Adds pipeline runs that would not have been.
  void add(const EventView& e, const Event& event, bool applies,
           std::set<std::string>& absent_runs);
  // The rows, when all events have been seen.
  void finish(WhatIfRows& rows, std::vector<std::string>& unknown) const;
  const std::optional<EndpointCreated>& config() const { return config_; }

 private:
  struct Seen {
    WhatIfRow row;
    DriftReported report;  // as recorded
    double psi_recorded = 0, psi = 0;
    std::string severity;  // as it would be
    bool alerted = false, retrained = false, would_alert = false, would_retrain = false;
  };
  void report(const EventView& e, const DriftReported& event, bool applies);
  void would_follow(const DriftReported& report, Seen& seen);

  std::string endpoint_;
  WhatIfPolicy policy_;
  std::optional<EndpointCreated> config_;
  DriftState other_;
  std::vector<Seen> seen_;
  std::uint64_t significant_ = 0, would_be_significant_ = 0;
};

}  // namespace mlforge::actors
