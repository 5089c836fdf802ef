// Registered models by MLflow's rules: what its registry API asks for, decided on the same state as
// the native commands. Refusals carry MLflow's own sentences.
//
// MLflow lets every client move stages and aliases. A version that mlforge can serve (it has a
// bundle of artifacts) keeps the native rule here too: it reaches Production, and the alias
// champion, by a promotion only, and the alias challenger in stage Staging only.
#pragma once
#include <optional>

#include "events/registry.hpp"

namespace mlforge {

struct NewModel {
  std::string name, description;
  Texts tags;
  static constexpr auto fields() {
    return FieldList{personal("description", &NewModel::description),
                     personal("tags", &NewModel::tags)};
  }
};
struct DescribeModel {
  std::string model, description;
  static constexpr auto fields() {
    return FieldList{personal("description", &DescribeModel::description)};
  }
};
// Of a model without versions that mlforge serves: endpoints know those by name.
struct RenameModel {
  std::string model, to;
};
struct DeleteModel {
  std::string model, reason;
};
struct TagModel {
  std::string model;
  Texts tags;
  static constexpr auto fields() { return FieldList{personal("tags", &TagModel::tags)}; }
};
struct UntagModel {
  std::string model, key;
};
struct NewVersion {
  std::string model, source, run_id, run_link, description, model_id;
  std::string storage_location;  // as ModelVersionCreated has it
  Texts tags;
  static constexpr auto fields() {
    return FieldList{personal("description", &NewVersion::description),
                     personal("tags", &NewVersion::tags)};
  }
};
struct DescribeVersion {
  std::string model;
  std::uint64_t version = 0;
  std::string description;
  static constexpr auto fields() {
    return FieldList{personal("description", &DescribeVersion::description)};
  }
};
struct TagVersion {
  std::string model;
  std::uint64_t version = 0;
  Texts tags;
  static constexpr auto fields() { return FieldList{personal("tags", &TagVersion::tags)}; }
};
struct UntagVersion {
  std::string model;
  std::uint64_t version = 0;
  std::string key;
};
struct DeleteVersion {
  std::string model;
  std::uint64_t version = 0;
  std::string reason;
};
struct MoveStage {
  std::string model;
  std::uint64_t version = 0;
  std::string stage;     // of any case
  bool archive = false;  // the others of that stage
  std::string reason;
};
struct PointAlias {
  std::string model, alias;
  std::uint64_t version = 0;
  std::string reason;
  std::optional<std::uint64_t> expected;  // as SetAlias::expected
};
struct DropAlias {
  std::string model, alias, reason;
  std::optional<std::uint64_t> expected;  // as SetAlias::expected
};

// None, Staging, Production, Archived from any case; empty where it is none of them.
std::string canonical_stage(std::string_view stage);

Expected<Events> decide(const ModelState& state, const NewModel& command);
Expected<Events> decide(const ModelState& state, const DescribeModel& command);
Expected<Events> decide(const ModelState& state, const DeleteModel& command);
// Of the old name's stream: model.renamed, then model.taken_over, which belongs into the stream of
// the new name; `target` is that stream's state. No event where the name stays.
Expected<Events> decide(const ModelState& state, const ModelState& target,
                        const RenameModel& command);
Expected<Events> decide(const ModelState& state, const TagModel& command);
Expected<Events> decide(const ModelState& state, const UntagModel& command);
Expected<Events> decide(const ModelState& state, const NewVersion& command);
Expected<Events> decide(const ModelState& state, const DescribeVersion& command);
Expected<Events> decide(const ModelState& state, const TagVersion& command);
Expected<Events> decide(const ModelState& state, const UntagVersion& command);
Expected<Events> decide(const ModelState& state, const DeleteVersion& command);
Expected<Events> decide(const ModelState& state, const MoveStage& command);
Expected<Events> decide(const ModelState& state, const PointAlias& command);
Expected<Events> decide(const ModelState& state, const DropAlias& command);

}  // namespace mlforge
