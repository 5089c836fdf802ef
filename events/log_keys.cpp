#include "events/log_keys.hpp"

#include "events/checks.hpp"

namespace mlforge {

Expected<Events> decide(const LogKeysState& state, const AddLogKey& c) {
  const LogKeyAdded& key = c.key;
  if (key.name.empty()) return invalid("name", "must name the signer");
  if (key.algorithm != "ed25519") return invalid("algorithm", "must be ed25519");
  if (key.key_id.size() != 8) return invalid("key_id", "must have 8 hexadecimal digits");
  if (key.public_key.empty()) return invalid("public_key", "must be the key in base64");
  if (key.reason.empty() || key.reason.size() > 1000)
    return invalid("reason", "must say in 1 to 1000 bytes why the key was made");
  for (const auto& known : state.keys)
    if (known.key_id == key.key_id)
      return Error{ErrorCode::already_exists, "the log has had the key " + key.key_id, "key_id"};
  if (key.endorsed_by.empty() != key.endorsement.empty())
    return invalid("endorsement", "must stand together with endorsed_by");
  const std::string current = state.keys.empty() ? std::string() : state.keys.back().key_id;
  if (!key.endorsed_by.empty() && key.endorsed_by != current)
    return conflict("the key is endorsed by " + key.endorsed_by + ", but the log signs with " +
                    (current.empty() ? "none yet" : current));
  return Events{key};
}

void evolve(LogKeysState& state, const LogKeyAdded& e) { state.keys.push_back(e); }

}  // namespace mlforge
