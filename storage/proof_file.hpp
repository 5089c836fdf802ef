// Proof files: one JSON document that holds all that is needed to check a claim about the log
// without the log. docs/proofs.md describes the format.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "events/codec.hpp"
#include "events/vocabulary.hpp"
#include "storage/note.hpp"

namespace mlforge::storage {

inline constexpr std::string_view kProofFormat = "mlforge-proof/1";

// Hashes are in base64, as in checkpoints.
struct ProofEvent {
  Position position = 0;
  std::string record;             // the bytes as stored, base64
  std::vector<std::string> path;  // its inclusion proof
  static constexpr auto fields() {
    return FieldList{required("position", &ProofEvent::position),
                     required("record", &ProofEvent::record), required("path", &ProofEvent::path)};
  }
};

struct ProofLeaf {  // of the stream map
  std::string key;
  std::uint64_t version = 0;
  Position last_position = 0;
  static constexpr auto fields() {
    return FieldList{required("key", &ProofLeaf::key), required("version", &ProofLeaf::version),
                     required("last_position", &ProofLeaf::last_position)};
  }
};

struct ProofStep {  // of the walk through the stream map
  std::uint8_t depth = 0;
  std::string sibling;
  static constexpr auto fields() {
    return FieldList{required("depth", &ProofStep::depth),
                     required("sibling", &ProofStep::sibling)};
  }
};

struct ProofFile {
  std::string format{kProofFormat};
  std::string kind;               // event, stream, consistency
  std::string checkpoint;         // the signed note that everything hangs on
  std::vector<LogKeyAdded> keys;  // of the log, oldest first
  // event: one of them. stream: all of the stream, by version.
  std::vector<ProofEvent> events;
  // stream
  std::string tenant, stream;
  std::optional<ProofLeaf> leaf;
  std::vector<ProofStep> walk;
  // consistency: from the tree of that size and root, and the signed note that says so, if there is
  // one.
  std::uint64_t from_size = 0;
  std::string from_root, from_checkpoint;
  std::vector<std::string> path;
  static constexpr auto fields() {
    return FieldList{required("format", &ProofFile::format),
                     required("kind", &ProofFile::kind),
                     required("checkpoint", &ProofFile::checkpoint),
                     required("keys", &ProofFile::keys),
                     field("events", &ProofFile::events),
                     field("tenant", &ProofFile::tenant),
                     field("stream", &ProofFile::stream),
                     field("leaf", &ProofFile::leaf),
                     field("walk", &ProofFile::walk),
                     field("from_size", &ProofFile::from_size),
                     field("from_root", &ProofFile::from_root),
                     field("from_checkpoint", &ProofFile::from_checkpoint),
                     field("path", &ProofFile::path)};
  }
};

struct ProofReport {
  std::string kind;             // of the file, or "checkpoint"
  std::string claim;            // in words: what the file proves; empty where it does not
  std::string tenant, stream;   // that the claim is about; of an event that is whole, and a stream
  std::uint64_t from_size = 0;  // of a consistency proof: the earlier tree,
  std::string from_root;        // its root in base64 as checkpoints have it,
  bool from_signed = false;     // and whether the file holds a signed checkpoint of it
  std::string what;             // a sentence: what is wrong; empty: all is well
  Position first_bad_position = 0;  // the first event that is wrong; 0: none, or no event is
  std::uint64_t events = 0;         // that were checked
  Checkpoint checkpoint;
  std::string signed_by;  // key id
  bool pinned = false;    // the signature was followed to a key that the caller trusts
};

// Checks a proof file, or the signature of a checkpoint (a text that begins with its origin).
// Without `trusted` the signature is checked against the keys that the file itself names, which
// proves what the file says but not who says it. Each key that the file names must be one, and each
// endorsement right, whether the way of trust leads over it or not. Errors: `malformed` and the
// like for a text that is no proof file; invalid_argument for a checkpoint without `trusted`, as it
// names no keys. Any thread; reads nothing but `text`.
Expected<ProofReport> verify_proof(std::string_view text,
                                   const std::optional<VerifierKey>& trusted);

}  // namespace mlforge::storage
