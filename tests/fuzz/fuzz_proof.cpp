// Any text is refused or read as a note, a checkpoint, a key and a proof file, and what is read is
// written as the same text again.
#include <cstdlib>

#include "storage/proof_file.hpp"

namespace {

using namespace mlforge;
using namespace mlforge::storage;

void require(bool ok) {
  if (!ok) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto note = parse_note(text)) require(note->encode() == text);
  if (const auto key = parse_verifier_key(text)) require(key->text() == text);
  if (const auto checkpoint = parse_checkpoint(text)) {
    const auto again = parse_checkpoint(checkpoint->text());
    require(again && again->root == checkpoint->root && again->streams == checkpoint->streams);
  }
  // Nobody can guess a signature, so nothing that is fuzzed proves anything.
  if (const auto report = verify_proof(text, std::nullopt)) require(!report->what.empty());
  return 0;
}
