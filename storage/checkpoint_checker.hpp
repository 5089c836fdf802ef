// Compares the checkpoint that a data folder keeps with the records.
#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "events/vocabulary.hpp"
#include "storage/note.hpp"

namespace mlforge::storage {

class CheckpointChecker {
 public:
  // Reads the stored checkpoint, if there is one. The sentence says what is wrong with it.
  std::optional<std::string> open(const std::filesystem::path& folder, const Uuid& log_id);
  // Takes the keys of the log out of its events.
  void event(const EventView& event);

  std::uint64_t size() const { return checkpoint_ ? checkpoint_->size : 0; }
  const std::optional<Checkpoint>& checkpoint() const { return checkpoint_; }

  // Whether the signature is by a key of the log, and by one that `trusted` leads to, if given.
  // Fills `signed_by` with the key id.
  std::optional<std::string> check_signature(const std::optional<VerifierKey>& trusted,
                                             std::string& signed_by) const;

 private:
  std::filesystem::path folder_;
  std::optional<Note> note_;
  std::optional<Checkpoint> checkpoint_;
  std::vector<LogKeyAdded> keys_;
};

}  // namespace mlforge::storage
