#include "actors/whatif.hpp"

#include <algorithm>

#include "actors/whatif_replay.hpp"
#include "events/checks.hpp"
#include "events/event_codec.hpp"

namespace mlforge::actors {
namespace {

class Replay {
 public:
  explicit Replay(const WhatIfPolicy& policy) : policy_(policy) {}

  Status add(const EventView& e, bool applies) {
    const auto slash = e.stream.find('/');
    const auto kind = e.stream.substr(0, slash);
    if (kind != "model" && kind != "drift" && kind != "deployment") return {};
    const auto event = decode_event(e);
    if (!event) return event.error();
    const std::string name(e.stream.substr(slash + 1));
    if (kind == "model") {
      auto& model = models_.try_emplace(name, name, policy_).first->second;
      model.add(e, *event, applies, absent_runs_, rows_);
      return {};
    }
    auto& endpoint = endpoints_.try_emplace(name, name, policy_).first->second;
    if (const auto* created = get_if<EndpointCreated>(&*event)) endpoint.created(*created);
    if (kind != "drift") return {};
    if (applies && holds_alternative<DriftReported>(*event)) watch(endpoint, *event);
    endpoint.add(e, *event, applies, absent_runs_);
    return {};
  }

  // After the last decision: what the rules made of the reports before it.
  Status follow(const EventView& e) {
    if (e.type != DriftAlertRaised::type && e.type != RetrainingTriggered::type) return {};
    return add(e, false);
  }

  WhatIfReport finish() {
    WhatIfReport report;
    for (const auto& [name, endpoint] : endpoints_) endpoint.finish(rows_, report.unknown);
    std::stable_sort(rows_.begin(), rows_.end(),
                     [](const auto& a, const auto& b) { return a.position < b.position; });
    report.decisions = rows_.size();
    for (const auto& row : rows_) report.different += row.differs;
    report.rows = std::move(rows_);
    for (const auto& [name, model] : models_) {
      if (model.champions().decided.size() + model.champions().would_be.size() > 0)
        report.champions.push_back(model.champions());
      if (model.has_absent())
        report.unknown.push_back("model " + name +
                                 ": versions of retrainings that would not have been are left out; "
                                 "whether somebody had trained others instead is not known");
    }
    if (foreign_reports_)
      report.unknown.push_back(
          std::to_string(foreign_reports_) +
          " drift report(s) fell into times when another version would have been champion: their "
          "statistics are of the predictions and the reference of the recorded one");
    if (report.different)
      report.unknown.push_back(
          "people and programs may have acted otherwise after another decision: what they asked "
          "for is taken as it was asked for");
    return report;
  }

 private:
  // A report's statistics are those of the champion that was.
  void watch(const DriftReplay& endpoint, const Event& event) {
    if (!endpoint.config()) return;
    const auto model = models_.find(endpoint.config()->model);
    if (model == models_.end()) return;
    foreign_reports_ +=
        model->second.champion_would_be() != get<DriftReported>(event).model_version;
  }

  WhatIfPolicy policy_;
  std::map<std::string, ModelReplay> models_;
  std::map<std::string, DriftReplay> endpoints_;
  std::set<std::string> absent_runs_;
  WhatIfRows rows_;
  std::uint64_t foreign_reports_ = 0;
};

// The bounds that the server has for the same figures.
Status check_policy(const WhatIfPolicy& policy) {
  const auto share = [](const char* name, const std::optional<double>& value) -> Status {
    if (!value || (*value >= 0 && *value <= 1)) return {};
    return invalid(name, "must be a number from 0 to 1");
  };
  if (auto bad = share("min_improvement", policy.min_improvement)) return bad;
  if (auto bad = share("gate_minimum", policy.gate_minimum)) return bad;
  if (auto bad = share("gate_max_regression", policy.gate_max_regression)) return bad;
  if (policy.psi_threshold && !(*policy.psi_threshold > 0 && *policy.psi_threshold < 100))
    return invalid("psi_threshold", "must be a number above 0 and below 100");
  return share("ks_pvalue_threshold", policy.ks_pvalue_threshold);
}

}  // namespace

Expected<WhatIfReport> what_if(const storage::Log& log, std::string_view tenant, Position from,
                               Position to, const WhatIfPolicy& policy) {
  if (from > to)
    return Error{ErrorCode::invalid_argument, "field 'from' must not be after 'to'", "from"};
  if (auto bad = check_policy(policy)) return *bad;
  Replay replay(policy);
  Status failed;
  const auto read = log.read(1, to, [&](const EventView& e) {
    if (e.tenant == tenant) failed = replay.add(e, e.position > from);
    return !failed;
  });
  if (!read) return read.error();
  if (failed) return *failed;
  const auto rest = log.read(to + 1, UINT64_MAX, [&](const EventView& e) {
    if (e.tenant == tenant) failed = replay.follow(e);
    return !failed;
  });
  if (!rest) return rest.error();
  if (failed) return *failed;
  auto report = replay.finish();
  report.from = from;
  report.to = to;
  report.policy = policy;
  return report;
}

}  // namespace mlforge::actors
