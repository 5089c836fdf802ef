// Issues (MLflow 3): what was found to be wrong with an application, linked to traces by
// assessments of kind "issue" that have the issue's id as their name.
#pragma once
#include "events/vocabulary.hpp"

namespace mlforge {

inline constexpr const char* kIssueSeverities[] = {"not_an_issue", "low", "medium", "high"};

struct IssueState {
  bool exists = false;
  IssueCreated info;  // as it is now; its time is of the creation
};

struct CreateIssue {
  std::string issue_id;  // filled by the manager
  std::string experiment_id, name, description;
  std::string status, severity;  // empty: pending, unknown
  std::vector<std::string> root_causes, categories;
  std::string source_run_id, created_by;
  TimeUs time = 0;
};
struct UpdateIssue {
  std::string issue_id, name, description, status, severity;  // empty: as before
  TimeUs time = 0;
};

Expected<Events> decide(const IssueState& state, const CreateIssue& command);
Expected<Events> decide(const IssueState& state, const UpdateIssue& command);

void evolve(IssueState& state, const IssueCreated& event);
void evolve(IssueState& state, const IssueUpdated& event);

// What an update says over what was there.
void apply_update(IssueCreated& info, const IssueUpdated& event);

// MLflow's sentence.
Error no_issue(std::string_view issue_id);

}  // namespace mlforge
