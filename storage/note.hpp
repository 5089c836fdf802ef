// Signed notes and checkpoints: C2SP signed-note and tlog-checkpoint.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "storage/signing_key.hpp"

namespace mlforge::storage {

// The newest checkpoint that was signed, in the data folder.
inline constexpr const char* kCheckpointFile = "checkpoint";

struct NoteSignature {
  std::string name;
  std::uint32_t hash = 0;  // of the key
  std::vector<std::uint8_t> signature;
};

// A text and signatures over it; those of unknown keys are kept.
struct Note {
  std::string text;  // ends with a newline
  std::vector<NoteSignature> signatures;

  void sign(const VerifierKey& as, const SigningKey& key);
  bool is_signed_by(const VerifierKey& key) const;
  // The text, an empty line, and a line "— <name> <base64>" a signature.
  std::string encode() const;
};
// `malformed` for anything that encode() would not write, and for more than 1 MB or 100 signatures.
Expected<Note> parse_note(std::string_view text);

// The state of a log: what a note's text says.
struct Checkpoint {
  std::string origin;  // "mlforge/<log id>"; also the name of the signing key
  std::uint64_t size = 0;
  Digest root;
  std::optional<Digest> streams;  // root of the stream map: the line "streams <base64>"

  std::string text() const;
};
// `malformed` for a text of another form. Extension lines that we do not know are passed over.
Expected<Checkpoint> parse_checkpoint(std::string_view text);

}  // namespace mlforge::storage
