// Logged models (MLflow 3): what log_model makes of a run's model, and artifacts that belong to no
// run.
#pragma once
#include <map>

#include "events/vocabulary.hpp"

namespace mlforge {

struct LoggedModelState {
  bool exists = false;
  bool deleted = false;
  std::string experiment_id;
  std::string status;  // empty or pending, ready, upload_failed
  Texts params, tags;
  TimeUs created = 0, updated = 0;  // of LoggedModelImported
};

struct NewLoggedModel {
  std::string logged_model_id;  // "m-" and 32 hexadecimal digits, drawn by the gateway
  std::string experiment_id, name, source_run_id, model_type;
  Texts params, tags;
  std::string artifact_uri;  // filled by the manager
  static constexpr auto fields() {
    return FieldList{personal("params", &NewLoggedModel::params),
                     personal("tags", &NewLoggedModel::tags)};
  }
};
struct SetLoggedModelStatus {
  std::string logged_model_id;
  std::string status;  // pending, ready, upload_failed
};
struct LogLoggedModelParams {
  std::string logged_model_id;
  Texts params;
  static constexpr auto fields() {
    return FieldList{personal("params", &LogLoggedModelParams::params)};
  }
};
struct TagLoggedModel {
  std::string logged_model_id;
  Texts tags;
  static constexpr auto fields() { return FieldList{personal("tags", &TagLoggedModel::tags)}; }
};
struct UntagLoggedModel {
  std::string logged_model_id, key;
};
// That a version of a registered model was made of it: one more entry in a tag.
struct RecordModelVersion {
  std::string logged_model_id, model, version;
};
struct DeleteLoggedModel {
  std::string logged_model_id;
};

Expected<Events> decide(const LoggedModelState& state, const NewLoggedModel& command);
Expected<Events> decide(const LoggedModelState& state, const SetLoggedModelStatus& command);
Expected<Events> decide(const LoggedModelState& state, const LogLoggedModelParams& command);
Expected<Events> decide(const LoggedModelState& state, const TagLoggedModel& command);
Expected<Events> decide(const LoggedModelState& state, const UntagLoggedModel& command);
Expected<Events> decide(const LoggedModelState& state, const RecordModelVersion& command);
Expected<Events> decide(const LoggedModelState& state, const DeleteLoggedModel& command);

void evolve(LoggedModelState& state, const LoggedModelCreated& event);
void evolve(LoggedModelState& state, const LoggedModelStatusChanged& event);
void evolve(LoggedModelState& state, const LoggedModelParamsLogged& event);
void evolve(LoggedModelState& state, const LoggedModelTagsSet& event);
void evolve(LoggedModelState& state, const LoggedModelTagRemoved& event);
void evolve(LoggedModelState& state, const LoggedModelDeleted& event);

struct ArtifactsState {
  std::map<std::string, FileRef> files;
};

inline constexpr char kNumberMark = 'n';  // behind all hexadecimal names

// `root`: what the stream is named by, the beginning of the path without slashes.
struct StoreArtifact {
  std::string root;
  FileRef file;
  // The path names a folder, and the file becomes its next: kNumberMark and a number, so that the
  // names tell in which order files came. The same bytes as the last one's are that file again.
  bool numbered = false;
};
struct RemoveArtifact {
  std::string root, path;  // of a file, or of a folder with all that is in it; empty: everything
};

Expected<Events> decide(const ArtifactsState& state, const StoreArtifact& command);
Expected<Events> decide(const ArtifactsState& state, const RemoveArtifact& command);

void evolve(ArtifactsState& state, const ArtifactStored& event);
void evolve(ArtifactsState& state, const ArtifactRemoved& event);

}  // namespace mlforge
