#include "storage/log_keys.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "events/event_codec.hpp"
#include "storage/base64.hpp"
#include "storage/files.hpp"

namespace mlforge::storage {
namespace {

namespace fs = std::filesystem;

fs::path key_file(const fs::path& folder, const std::string& id) {
  return folder / "keys" / (id + ".pem");
}

Error bad_event(const LogKeyAdded& event, std::string_view what) {
  return {ErrorCode::corrupt, fmt::format("The log's key {} {}.", event.key_id, what), "keys"};
}

LogKeyAdded event_of(const VerifierKey& key, const std::string& reason) {
  LogKeyAdded event;
  event.name = key.name;
  event.key_id = key.id();
  event.algorithm = "ed25519";
  event.public_key = to_base64(key.key);
  event.reason = reason;
  return event;
}

// A key with its file; on disk before anybody hears of it.
Expected<LogSigner> make_key(const fs::path& folder, const std::string& name) {
  auto key = SigningKey::generate();
  if (!key) return key.error();
  LogSigner signer{{name, key->public_key()}, *std::move(key)};
  std::error_code failed;
  const fs::path keys = folder / "keys";
  const bool is_new = !fs::exists(keys, failed);
  if (auto bad = make_folder(keys)) return *bad;
  if (is_new) fs::permissions(keys, fs::perms::owner_all, failed);
  if (auto bad = signer.key.store(key_file(folder, signer.verifier.id()))) return *bad;
  return signer;
}

// A key of the folder that the log does not name yet: made at an earlier start.
Expected<LogSigner> unrecorded_key(const fs::path& folder, const LogKeysState& state,
                                   const std::string& name) {
  std::error_code failed;
  for (fs::directory_iterator at(folder / "keys", failed), end; !failed && at != end;
       at.increment(failed)) {
    auto key = SigningKey::load(at->path());
    if (!key) continue;
    const VerifierKey verifier{name, key->public_key()};
    const bool known = std::any_of(state.keys.begin(), state.keys.end(), [&](const auto& event) {
      return event.key_id == verifier.id();
    });
    if (!known && at->path() == key_file(folder, verifier.id()))
      return LogSigner{verifier, *std::move(key)};
  }
  return Error{ErrorCode::not_found, "There is no such key."};
}

Expected<KeyRotation> plan(const LogKeysState& state, LogSigner next, const LogKeyAdded& event) {
  auto events = decide(state, AddLogKey{event});
  if (!events) return events.error();
  return KeyRotation{std::move(next), encode_event(events->front(), std::string(kLogKeysStream)),
                     state.keys.size()};
}

bool is_endorsed(const LogKeyAdded& event, const VerifierKey& before, const VerifierKey& key) {
  const auto signature = from_base64(event.endorsement);
  return event.endorsed_by == before.id() && signature &&
         before.verify(as_bytes(endorsement_text(before, key)), *signature);
}

}  // namespace

std::string log_origin(const Uuid& log_id) { return "mlforge/" + to_string(log_id); }

Expected<LogKeysState> read_log_keys(const Log& log, Position as_of) {
  LogKeysState state;
  Status failed;
  const auto read =
      log.read_stream(kLogTenant, kLogKeysStream, 1, ~0ull, as_of, [&](const EventView& view) {
        const auto event = decode_event(view);
        if (!event) failed = event.error();
        if (failed) return false;
        if (const auto* added = get_if<LogKeyAdded>(&*event)) evolve(state, *added);
        return true;
      });
  if (!read) return read.error();
  if (failed) return *failed;
  return state;
}

Expected<VerifierKey> verifier_key(const LogKeyAdded& event) {
  const auto bytes = from_base64(event.public_key);
  VerifierKey key{.name = event.name};
  if (event.algorithm != "ed25519" || !bytes || bytes->size() != key.key.size() ||
      !is_key_name(event.name))
    return bad_event(event, "is no Ed25519 key");
  std::copy(bytes->begin(), bytes->end(), key.key.begin());
  if (key.id() != event.key_id) return bad_event(event, "has an id that is not its own");
  return key;
}

std::string endorsement_text(const VerifierKey& before, const VerifierKey& next) {
  return fmt::format("mlforge key endorsement v1\n{}\n{}\n", before.text(), next.text());
}

Status check_key_chain(const std::vector<LogKeyAdded>& keys, const VerifierKey& trusted) {
  std::optional<VerifierKey> before;
  for (const auto& event : keys) {
    const auto key = verifier_key(event);
    if (!key) return key.error();
    if (before && !is_endorsed(event, *before, *key))
      return bad_event(event, "is not endorsed by the key before it");
    if (before || *key == trusted) before = *key;
  }
  if (before) return {};
  return Error{ErrorCode::corrupt,
               fmt::format("The key {} is not among the keys of the log.", trusted.text()), "key"};
}

Status check_endorsements(const std::vector<LogKeyAdded>& keys) {
  std::optional<VerifierKey> before;
  for (const auto& event : keys) {
    const auto key = verifier_key(event);
    if (!key) return key.error();
    const bool endorsed = !event.endorsed_by.empty() || !event.endorsement.empty();
    if (endorsed && (!before || !is_endorsed(event, *before, *key)))
      return bad_event(event, "has an endorsement that does not verify");
    before = *key;
  }
  return {};
}

Expected<OpenedSigner> open_log_signer(const fs::path& folder, const Log& log) {
  const auto state = read_log_keys(log);
  if (!state) return state.error();
  std::string reason = "the log's first key";
  if (!state->keys.empty()) {
    const auto verifier = verifier_key(state->keys.back());
    if (!verifier) return verifier.error();
    auto key = SigningKey::load(key_file(folder, verifier->id()));
    if (key && key->public_key() == verifier->key)
      return OpenedSigner{{*verifier, *std::move(key)}, {}};
    if (!key && key.error().code != ErrorCode::not_found) return key.error();
    reason = "the file of the key before, " + verifier->id() + ", is not in the folder";
  }
  auto signer = unrecorded_key(folder, *state, log_origin(log.log_id()));
  if (!signer) signer = make_key(folder, log_origin(log.log_id()));
  if (!signer) return signer.error();
  const auto event = event_of(signer->verifier, reason);
  return OpenedSigner{*std::move(signer), event};
}

Expected<KeyRotation> rotate_log_key(const fs::path& folder, const Log& log,
                                     const LogSigner& current, const std::string& reason) {
  const auto state = read_log_keys(log);
  if (!state) return state.error();
  auto made = make_key(folder, current.verifier.name);
  if (!made) return made.error();
  auto event = event_of(made->verifier, reason);
  event.endorsed_by = current.verifier.id();
  event.endorsement =
      to_base64(current.key.sign(as_bytes(endorsement_text(current.verifier, made->verifier))));
  const auto file = key_file(folder, made->verifier.id());
  auto planned = plan(*state, *std::move(made), event);
  std::error_code ignored;
  if (!planned) fs::remove(file, ignored);
  return planned;
}

}  // namespace mlforge::storage
