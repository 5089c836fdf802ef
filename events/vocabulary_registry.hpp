// The part of the vocabulary that the registry as MLflow has it needs beside that of the native
// API; vocabulary.hpp lists it.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "events/fields.hpp"
#include "events/json_event.hpp"

namespace mlforge {

// ---------------------------------------------------------------- stream model/<name>

struct ModelDescribed : JsonEvent<1> {
  static constexpr std::string_view type = "model.described";
  std::string description;
  static constexpr auto fields() {
    return FieldList{personal("description", &ModelDescribed::description)};
  }
};
struct ModelTagsSet : JsonEvent<1> {
  static constexpr std::string_view type = "model.tags_set";
  std::map<std::string, std::string> tags;
  static constexpr auto fields() { return FieldList{personal("tags", &ModelTagsSet::tags)}; }
};
struct ModelTagRemoved : JsonEvent<1> {
  static constexpr std::string_view type = "model.tag_removed";
  std::string key;
  static constexpr auto fields() { return FieldList{field("key", &ModelTagRemoved::key)}; }
};
// With all its versions and aliases. The name is free again, and versions count from 1.
struct ModelDeleted : JsonEvent<1> {
  static constexpr std::string_view type = "model.deleted";
  std::string reason;
  static constexpr auto fields() { return FieldList{field("reason", &ModelDeleted::reason)}; }
};
// The model goes on under another name, in that name's stream, with all its versions and aliases.
struct ModelRenamed : JsonEvent<1> {
  static constexpr std::string_view type = "model.renamed";
  std::string to;
  static constexpr auto fields() { return FieldList{field("to", &ModelRenamed::to)}; }
};
// A version as decisions need it; the read models take the rest over from the old name.
struct TakenOverVersion {
  std::uint64_t version = 0;
  std::string stage, run_id, description;
  std::map<std::string, std::string> tags;
  bool deleted = false;
  bool operator==(const TakenOverVersion&) const = default;
  static constexpr auto fields() {
    return FieldList{field("version", &TakenOverVersion::version),
                     field("stage", &TakenOverVersion::stage),
                     field("run_id", &TakenOverVersion::run_id),
                     field("description", &TakenOverVersion::description),
                     field("tags", &TakenOverVersion::tags),
                     field("deleted", &TakenOverVersion::deleted)};
  }
};
// The first event under the new name, written together with model.renamed.
struct ModelTakenOver : JsonEvent<1> {
  static constexpr std::string_view type = "model.taken_over";
  std::string from;
  std::string description;
  std::map<std::string, std::string> tags;
  std::map<std::string, std::uint64_t> aliases;
  std::vector<TakenOverVersion> versions;
  static constexpr auto fields() {
    return FieldList{
        field("from", &ModelTakenOver::from), personal("description", &ModelTakenOver::description),
        personal("tags", &ModelTakenOver::tags), field("aliases", &ModelTakenOver::aliases),
        field("versions", &ModelTakenOver::versions)};
  }
};
struct ModelVersionDescribed : JsonEvent<1> {
  static constexpr std::string_view type = "model.version_described";
  std::uint64_t version = 0;
  std::string description;
  static constexpr auto fields() {
    return FieldList{field("version", &ModelVersionDescribed::version),
                     personal("description", &ModelVersionDescribed::description)};
  }
};
struct ModelVersionTagsSet : JsonEvent<1> {
  static constexpr std::string_view type = "model.version_tags_set";
  std::uint64_t version = 0;
  std::map<std::string, std::string> tags;
  static constexpr auto fields() {
    return FieldList{field("version", &ModelVersionTagsSet::version),
                     personal("tags", &ModelVersionTagsSet::tags)};
  }
};
struct ModelVersionTagRemoved : JsonEvent<1> {
  static constexpr std::string_view type = "model.version_tag_removed";
  std::uint64_t version = 0;
  std::string key;
  static constexpr auto fields() {
    return FieldList{field("version", &ModelVersionTagRemoved::version),
                     field("key", &ModelVersionTagRemoved::key)};
  }
};
// Its number is not given again.
struct ModelVersionDeleted : JsonEvent<1> {
  static constexpr std::string_view type = "model.version_deleted";
  std::uint64_t version = 0;
  std::string reason;
  static constexpr auto fields() {
    return FieldList{field("version", &ModelVersionDeleted::version),
                     field("reason", &ModelVersionDeleted::reason)};
  }
};
}  // namespace mlforge
