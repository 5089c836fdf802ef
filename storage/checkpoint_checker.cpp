#include "storage/checkpoint_checker.hpp"

#include <fmt/format.h>

#include "events/event_codec.hpp"
#include "storage/files.hpp"
#include "storage/log_keys.hpp"
#include "storage/prover.hpp"

namespace mlforge::storage {

std::optional<std::string> CheckpointChecker::open(const std::filesystem::path& folder,
                                                   const Uuid& log_id) {
  folder_ = folder;
  const auto text = read_small_file(folder / kCheckpointFile);
  if (!text && text.error().code == ErrorCode::not_found) return std::nullopt;
  if (!text) return text.error().message;
  auto note = parse_note(*text);
  if (!note) return "The stored checkpoint is damaged: " + note.error().message;
  auto checkpoint = parse_checkpoint(note->text);
  if (!checkpoint) return "The stored checkpoint is damaged: " + checkpoint.error().message;
  if (checkpoint->origin != log_origin(log_id))
    return "The stored checkpoint is of another log, " + checkpoint->origin + ".";
  note_ = *std::move(note);
  checkpoint_ = *std::move(checkpoint);
  return std::nullopt;
}

void CheckpointChecker::event(const EventView& view) {
  if (view.type != LogKeyAdded::type || view.stream != kLogKeysStream || view.tenant != kLogTenant)
    return;
  const auto event = decode_event(view);
  if (!event) return;
  if (const auto* added = get_if<LogKeyAdded>(&*event)) keys_.push_back(*added);
}

std::optional<std::string> CheckpointChecker::check_signature(
    const std::optional<VerifierKey>& trusted, std::string& signed_by) const {
  if (auto bad = check_endorsements(keys_)) return bad->message;
  if (trusted)
    if (auto bad = check_key_chain(keys_, *trusted)) return bad->message;
  if (!note_) return std::nullopt;
  bool is_trusted = !trusted;
  for (const auto& event : keys_) {
    const auto key = verifier_key(event);
    is_trusted = is_trusted || (key && *key == *trusted);
    if (!key || !is_trusted || !note_->is_signed_by(*key)) continue;
    signed_by = key->id();
    return std::nullopt;
  }
  // Nothing that it signed was given away yet: the log does not name the key, but the folder has
  // it.
  if (is_trusted && note_->signatures.size() == 1) {
    const auto id = fmt::format("{:08x}", note_->signatures.front().hash);
    const auto key = SigningKey::load(folder_ / "keys" / (id + ".pem"));
    if (key && note_->is_signed_by({checkpoint_->origin, key->public_key()})) {
      signed_by = id;
      return std::nullopt;
    }
  }
  return std::string("The stored checkpoint is not signed by a key that the log names") +
         (trusted ? " from the given one on." : ".");
}

}  // namespace mlforge::storage
