// Any text is refused or read as a note, a checkpoint, a key and a proof file, and what is read is
// written as the same text again. What still proves something after it was changed proves what it
// proved before.
#include "storage/base64.hpp"
#include "storage/log_keys.hpp"
#include "storage/merkle_tree.hpp"
#include "storage/proof_file.hpp"
#include "storage/record.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace {

using namespace mlforge;
using namespace mlforge::storage;
using fuzz::require;

// A signed log of three events of one stream.
struct Signed {
  std::vector<std::string> records;
  std::vector<Digest> leaves;
  SigningKey key;
  VerifierKey verifier;
  Digest before, root;  // of two events, and of all

  Signed() : key(take_key()) {
    verifier = {log_origin(Uuid{}), key.public_key()};
    RecordEncoder encoder;
    const std::array<std::uint8_t, kSaltBytes> salt{1, 2, 3};
    for (std::uint64_t i = 1; i <= 3; ++i) {
      EventView e;
      e.position = e.version = i;
      e.tenant = "default", e.stream = "run/a", e.type = "run.ended", e.actor = "ann";
      e.id.bytes[15] = static_cast<std::uint8_t>(i);
      e.payload = R"({"status":"finished"})";
      std::vector<std::uint8_t> record;
      encoder.append(e, salt, record);
      leaves.push_back(leaf_hash(record_commitment(record)));
      records.push_back(to_base64(record));
    }
    before = node_hash(leaves[0], leaves[1]);
    root = node_hash(before, leaves[2]);
  }
  static SigningKey take_key() {
    const std::array<std::uint8_t, 32> secret{7, 7, 7};
    auto key = SigningKey::from_secret(secret);
    require(key.has_value());
    return *std::move(key);
  }

  std::string note(std::uint64_t size, const Digest& at, std::optional<Digest> streams) const {
    Note out{Checkpoint{verifier.name, size, at, streams}.text(), {}};
    out.sign(verifier, key);
    return out.encode();
  }
  ProofFile file(const std::string& kind) const {
    ProofFile out;
    out.kind = kind;
    out.keys = {LogKeyAdded{.name = verifier.name,
                            .key_id = verifier.id(),
                            .algorithm = "ed25519",
                            .public_key = to_base64(verifier.key),
                            .reason = "a test"}};
    return out;
  }
  ProofEvent event(std::size_t i) const {
    const std::vector<std::vector<Digest>> paths{
        {leaves[1], leaves[2]}, {leaves[0], leaves[2]}, {before}};
    ProofEvent out{i + 1, records[i], {}};
    for (const auto& each : paths[i]) out.path.push_back(to_base64(each.bytes));
    return out;
  }
};

const Signed& the_log() {
  static const Signed made;
  return made;
}

// The root of a stream map that holds run/a alone.
Digest streams_root(const ProofLeaf& leaf) {
  std::string bytes(1, '\0');
  const auto key = sha256(as_bytes(std::string("default\0run/a", 13)));
  bytes.append(as_text(key.bytes));
  for (const auto number : {leaf.version, leaf.last_position})
    for (int shift = 56; shift >= 0; shift -= 8) bytes += static_cast<char>(number >> shift);
  return sha256(as_bytes(bytes));
}

std::vector<ProofFile> proofs() {
  const auto& log = the_log();
  auto event = log.file("event");
  event.checkpoint = log.note(3, log.root, {});
  event.events = {log.event(1)};
  auto consistency = log.file("consistency");
  consistency.checkpoint = event.checkpoint;
  consistency.from_size = 2;
  consistency.from_root = to_base64(log.before.bytes);
  consistency.from_checkpoint = log.note(2, log.before, {});
  consistency.path = {to_base64(log.leaves[2].bytes)};
  auto stream = log.file("stream");
  stream.tenant = "default";
  stream.stream = "run/a";
  const auto key = sha256(as_bytes(std::string("default\0run/a", 13)));
  stream.leaf = ProofLeaf{to_base64(key.bytes), 3, 3};
  stream.checkpoint = log.note(3, log.root, streams_root(*stream.leaf));
  stream.events = {log.event(0), log.event(1), log.event(2)};
  return {event, consistency, stream};
}

void check_proof(std::string_view text) {
  const auto report = verify_proof(text, std::nullopt);
  if (!report || !report->what.empty()) return;
  // Nobody can guess a signature: it is of the log above, at one of its two sizes.
  const auto& log = the_log();
  require(report->checkpoint.root == log.root || report->checkpoint.root == log.before);
  require(report->signed_by == log.verifier.id() && !report->pinned);
  const auto file = from_json<ProofFile>(text, Unknown::skip);
  require(file.has_value());
  for (const auto& each : file->events)
    require(each.position >= 1 && each.position <= 3 &&
            each.record == log.records[each.position - 1]);
  if (file->kind == "stream") require(file->events.size() == 3);
}

}  // namespace

std::vector<std::string> mlforge::fuzz::seeds() {
  const auto& log = the_log();
  std::vector<std::string> out{log.note(3, log.root, {}), log.verifier.text(),
                               Checkpoint{"mlforge/x", 7, log.root, log.before}.text()};
  for (const auto& each : proofs()) {
    const auto report = verify_proof(to_json(each), log.verifier);
    require(report.has_value() && report->what.empty() && report->pinned);
    out.push_back(to_json(each));
  }
  return out;
}

std::vector<std::string> mlforge::fuzz::words() {
  return {"\n", "\n\n",        "\xE2\x80\x94 ", "+",         "=",        "AAAA",
          "0",  "\"event\"",   "\"stream\"",    "streams ",  "null",     "{}",
          "[]", "\"events\":", "\"path\":",     "\"keys\":", "\"leaf\":"};
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto note = parse_note(text)) require(note->encode() == text);
  if (const auto key = parse_verifier_key(text)) require(key->text() == text);
  if (const auto checkpoint = parse_checkpoint(text)) {
    const auto again = parse_checkpoint(checkpoint->text());
    require(again && again->root == checkpoint->root && again->streams == checkpoint->streams);
  }
  check_proof(text);
  return 0;
}
