// The log's signing keys: files `keys/<key id>.pem` in the data folder, and their history in the
// log (events/log_keys.hpp, stream log/keys of the tenant "default").
#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "events/log_keys.hpp"
#include "storage/log.hpp"
#include "storage/signing_key.hpp"

namespace mlforge::storage {

inline constexpr std::string_view kLogTenant = "default";

// The name that checkpoints have as their origin and their signer.
std::string log_origin(const Uuid& log_id);

struct LogSigner {
  VerifierKey verifier;
  SigningKey key;
};

// The keys as the log has them. `corrupt` where an event of theirs does not decode.
Expected<LogKeysState> read_log_keys(const Log& log, Position as_of = ~0ull);

// The key of an event; `corrupt` where it is no key, or its id is not its own.
Expected<VerifierKey> verifier_key(const LogKeyAdded& event);

// What the key before signs to endorse the next one.
std::string endorsement_text(const VerifierKey& before, const VerifierKey& next);

// Whether trust in `trusted` reaches the last of `keys`: it is that one, or every key after it is
// endorsed by the one before. The error names the first key that is not.
Status check_key_chain(const std::vector<LogKeyAdded>& keys, const VerifierKey& trusted);
// Whether each endorsement that is given is right.
Status check_endorsements(const std::vector<LogKeyAdded>& keys);

// The key that signs now: the last one of the log. Where the log has none yet or the file is lost,
// another one from the folder or a new one, with the event that has to go into the log before
// anything that it signs is given away.
struct OpenedSigner {
  LogSigner signer;
  std::optional<LogKeyAdded> unrecorded;
};
Expected<OpenedSigner> open_log_signer(const std::filesystem::path& folder, const Log& log);

// A new key, endorsed by `current`: its file is written, the event is to be appended. `events`
// holds what decide() made of it.
struct KeyRotation {
  LogSigner next;
  NewEvent event;
  std::uint64_t expected_version = 0;  // of the stream
};
Expected<KeyRotation> rotate_log_key(const std::filesystem::path& folder, const Log& log,
                                     const LogSigner& current, const std::string& reason);

}  // namespace mlforge::storage
