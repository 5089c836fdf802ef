// Label schemas of an experiment (MLflow 3): what people are asked about a trace, and how they may
// answer.
#pragma once
#include "events/vocabulary.hpp"

namespace mlforge {

// The question that every experiment has; its name is taken, and it cannot be changed.
inline constexpr const char* kDefaultLabelName = "Feedback";
inline constexpr const char* kDefaultLabelInstruction = "Share any feedback on this trace.";

struct LabelSchemasState {
  std::map<std::string, LabelSchemaCreated> by_id;  // as they are now
};

// `input` is JSON that has been checked: {"text": {..}}, one of pass_fail, categorical, numeric,
// text.
struct CreateLabelSchema {
  std::string label_experiment;  // its id
  std::string schema_id;         // filled by the manager
  std::string title, kind, input, instruction;
  bool enable_comment = false;
  TimeUs time = 0;
};
// What is absent stays. Neither the kind of input nor its multi_select can change.
struct UpdateLabelSchema {
  std::string label_experiment, schema_id;
  std::optional<std::string> title, input, instruction;
  std::optional<bool> enable_comment;
  TimeUs time = 0;
};
struct DeleteLabelSchema {
  std::string label_experiment, schema_id;
};

Expected<Events> decide(const LabelSchemasState& state, const CreateLabelSchema& command);
Expected<Events> decide(const LabelSchemasState& state, const UpdateLabelSchema& command);
Expected<Events> decide(const LabelSchemasState& state, const DeleteLabelSchema& command);

void evolve(LabelSchemasState& state, const LabelSchemaCreated& event);
void evolve(LabelSchemasState& state, const LabelSchemaUpdated& event);
void evolve(LabelSchemasState& state, const LabelSchemaDeleted& event);

// MLflow's sentence.
Error no_label_schema(std::string_view schema_id);

}  // namespace mlforge
