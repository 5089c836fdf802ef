// The keys that the log's checkpoints are signed with, one after the other, as facts in the log.
#pragma once
#include "events/vocabulary.hpp"

namespace mlforge {

inline constexpr std::string_view kLogKeysStream = "log/keys";

struct LogKeysState {
  std::vector<LogKeyAdded> keys;  // oldest first; the last one signs
};

// The signatures are checked by who has the keys (storage/signing_key.hpp), not here.
struct AddLogKey {
  LogKeyAdded key;
};

// already_exists for a key id that the log has had; conflict where the endorsement is not of the
// key that signs now. A key without an endorsement is taken: the one before may be lost.
Expected<Events> decide(const LogKeysState& state, const AddLogKey& command);
void evolve(LogKeysState& state, const LogKeyAdded& event);

}  // namespace mlforge
