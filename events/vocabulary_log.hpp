// The part of the vocabulary that is about the log itself; vocabulary.hpp lists it.
#pragma once
#include <string>

#include "events/fields.hpp"
#include "events/json_event.hpp"

namespace mlforge {

// ---------------------------------------------------------------- the log's keys, stream log/keys

// From here on the log's checkpoints are signed with this key.
struct LogKeyAdded : JsonEvent<1> {
  static constexpr std::string_view type = "log.key_added";
  std::string name;         // of the signer: the checkpoints' origin
  std::string key_id;       // 8 hexadecimal digits, see storage/note.hpp
  std::string algorithm;    // ed25519
  std::string public_key;   // 32 bytes, base64
  std::string reason;       // in words
  std::string endorsed_by;  // key id of the key before; empty: the first, or the one before is lost
  std::string endorsement;  // its signature over this key, base64
  static constexpr auto fields() {
    return FieldList{field("name", &LogKeyAdded::name),
                     field("key_id", &LogKeyAdded::key_id),
                     field("algorithm", &LogKeyAdded::algorithm),
                     field("public_key", &LogKeyAdded::public_key),
                     field("reason", &LogKeyAdded::reason),
                     field("endorsed_by", &LogKeyAdded::endorsed_by),
                     field("endorsement", &LogKeyAdded::endorsement)};
  }
};

// ---------------------------------------------------------------- subjects, stream subjects/all

// The key of a subject is destroyed right after this is on disk: what was encrypted under it is
// erased wherever it lies. The subject's name stands nowhere in the log.
struct SubjectShredded : JsonEvent<1> {
  static constexpr std::string_view type = "subject.shredded";
  std::string key_id;  // 32 hexadecimal digits
  std::string reason;  // in words; never the name
  static constexpr auto fields() {
    return FieldList{field("key_id", &SubjectShredded::key_id),
                     field("reason", &SubjectShredded::reason)};
  }
};

// ---------------------------------------------------------------- retention, stream log/retention

// From here on the payloads of these events are dropped for ever.
struct RetentionApplied : JsonEvent<1> {
  static constexpr std::string_view type = "log.retention_applied";
  std::string kind;          // of the streams: predictions
  std::string keep;          // the policy: "30d"
  std::string before;        // RFC 3339: no event after this time is dropped
  Position up_to = 0;        // nor one after this position
  std::uint64_t events = 0;  // that are dropped, besides those of earlier times
  static constexpr auto fields() {
    return FieldList{field("kind", &RetentionApplied::kind), field("keep", &RetentionApplied::keep),
                     field("before", &RetentionApplied::before),
                     field("up_to", &RetentionApplied::up_to),
                     field("events", &RetentionApplied::events)};
  }
};

}  // namespace mlforge
