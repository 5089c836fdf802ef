#include "storage/proof_file.hpp"

#include <fmt/format.h>

#include "storage/base64.hpp"
#include "storage/log_keys.hpp"
#include "storage/merkle_tree.hpp"
#include "storage/record.hpp"
#include "storage/stream_map.hpp"

namespace mlforge::storage {
namespace {

constexpr std::string_view kCheckpointKind = "checkpoint";
constexpr std::string_view kOriginPrefix = "mlforge/";  // of a checkpoint; no JSON begins with it

std::optional<HashPath> parse_path(const std::vector<std::string>& texts) {
  HashPath path;
  path.reserve(texts.size());
  for (const auto& text : texts) {
    const auto hash = digest_from_base64(text);
    if (!hash) return std::nullopt;
    path.push_back(*hash);
  }
  return path;
}

std::string of_tenant(std::string_view tenant) {
  return tenant == kLogTenant ? std::string() : fmt::format(" of tenant {}", tenant);
}

class ProofVerifier {
 public:
  ProofVerifier(const ProofFile& file, const std::optional<VerifierKey>& trusted)
      : file_(file), trusted_(trusted) {}

  ProofReport run() {
    report_.kind = file_.kind;
    if (check_fields() && check_checkpoint(file_.checkpoint, report_.checkpoint) && check_claim())
      return report_;
    report_.claim.clear();
    return report_;
  }

 private:
  bool wrong(std::string what, Position position = 0) {
    report_.what = std::move(what);
    report_.first_bad_position = position;
    return false;
  }

  // What does not belong to the claim is not proven by it, so it must not be there.
  bool check_fields() {
    const bool consistency = file_.kind == "consistency", stream = file_.kind == "stream";
    if (!consistency && (file_.from_size != 0 || !file_.from_root.empty() ||
                         !file_.from_checkpoint.empty() || !file_.path.empty()))
      return wrong("The proof has fields of a proof of consistency.");
    if (!stream &&
        (!file_.tenant.empty() || !file_.stream.empty() || file_.leaf || !file_.walk.empty()))
      return wrong("The proof has fields of a proof of a stream.");
    if (consistency && !file_.events.empty())
      return wrong("A proof of consistency must hold no events.");
    return true;
  }

  // The note is signed by a key of the log that trust reaches.
  bool check_checkpoint(const std::string& text, Checkpoint& checkpoint) {
    const auto note = parse_note(text);
    if (!note) return wrong(note.error().message);
    auto parsed = parse_checkpoint(note->text);
    if (!parsed) return wrong(parsed.error().message);
    checkpoint = *std::move(parsed);
    if (trusted_)
      if (auto bad = check_trust(*note, checkpoint)) return wrong(bad->message);
    // Also those that trust does not lead over: nothing in the file may be other than it was made.
    if (auto bad = check_endorsements(file_.keys)) return wrong(bad->message);
    if (trusted_) return true;
    for (const auto& event : file_.keys) {
      const auto key = verifier_key(event);
      if (!key || key->name != checkpoint.origin || !note->is_signed_by(*key)) continue;
      report_.signed_by = key->id();
      return true;
    }
    return wrong("The checkpoint is not signed by a key that the file names.");
  }

  Status check_trust(const Note& note, const Checkpoint& checkpoint) {
    const Error unsigned_by_it{ErrorCode::corrupt,
                               fmt::format("The checkpoint is not signed by {}, nor by a key that "
                                           "it leads to.",
                                           trusted_->text())};
    if (trusted_->name != checkpoint.origin) return unsigned_by_it;
    const auto trust = [&](const VerifierKey& key) {
      report_.pinned = true;
      report_.signed_by = key.id();
      return Status();
    };
    if (note.is_signed_by(*trusted_)) return trust(*trusted_);
    // A later key counts where every step from the trusted one to it is endorsed.
    for (std::size_t count = 1; count <= file_.keys.size(); ++count) {
      const auto key = verifier_key(file_.keys[count - 1]);
      if (!key || key->name != checkpoint.origin || !note.is_signed_by(*key)) continue;
      if (auto bad = check_key_chain({file_.keys.begin(), file_.keys.begin() + count}, *trusted_))
        return bad;
      return trust(*key);
    }
    return unsigned_by_it;
  }

  bool check_claim() {
    if (file_.kind == "event") return check_one_event();
    if (file_.kind == "stream") return check_stream();
    if (file_.kind == "consistency") return check_consistency();
    if (file_.kind == kCheckpointKind) return describe_checkpoint();
    return wrong("The proof is of a kind that this program does not know.");
  }

  bool describe_checkpoint() {
    report_.claim = fmt::format("the log had {} events, with root {}", report_.checkpoint.size,
                                to_base64(report_.checkpoint.root.bytes));
    return true;
  }

  // The record is whole, is the one of its position, and its leaf is in the tree. `event` views
  // into `bytes`.
  bool check_event(const ProofEvent& proof, std::vector<std::uint8_t>& bytes, EventView& event) {
    const Position at = proof.position;
    auto record = from_base64(proof.record);
    const auto path = parse_path(proof.path);
    if (!record || !path)
      return wrong(fmt::format("The proof of position {} is not in base64.", at), at);
    bytes = *std::move(record);
    if (const char* why = decode_record(bytes, event))
      return wrong(fmt::format("The record of position {} is damaged: {}.", at, why), at);
    if (event.position != at)
      return wrong(
          fmt::format("The record of position {} is that of position {}.", at, event.position), at);
    const Digest commitment = record_commitment(bytes);
    if (!event.expired && commitment != sha256(record_salted_body(bytes)))
      return wrong(fmt::format("The leaf commitment of position {} does not match its record.", at),
                   at);
    if (at == 0 || !verify_inclusion(at - 1, report_.checkpoint.size, leaf_hash(commitment), *path,
                                     report_.checkpoint.root))
      return wrong(fmt::format("Position {} is not in the tree that was signed.", at), at);
    ++report_.events;
    expired_ += event.expired;
    return true;
  }

  bool check_one_event() {
    if (file_.events.size() != 1) return wrong("The proof of an event must hold one event.");
    std::vector<std::uint8_t> bytes;
    EventView event;
    if (!check_event(file_.events.front(), bytes, event)) return false;
    if (event.expired) {
      report_.claim = fmt::format(
          "position {} of {} has the commitment in this file; its payload "
          "was dropped by retention, so nothing that it held is proven",
          event.position, report_.checkpoint.size);
      return true;
    }
    report_.tenant = event.tenant;
    report_.stream = event.stream;
    report_.claim =
        fmt::format("position {} of {} is version {} of stream {}{}, a {} of {}", event.position,
                    report_.checkpoint.size, event.version, event.stream, of_tenant(event.tenant),
                    event.type, format_time(event.time));
    return true;
  }

  bool parse_walk(MapProof& proof) {
    for (const auto& step : file_.walk) {
      const auto sibling = digest_from_base64(step.sibling);
      if (!sibling) return false;
      proof.path.push_back({step.depth, *sibling});
    }
    if (!file_.leaf) return true;
    const auto key = digest_from_base64(file_.leaf->key);
    if (key) proof.leaf = {*key, {file_.leaf->version, file_.leaf->last_position}};
    return key.has_value();
  }

  bool check_stream() {
    MapProof proof;
    if (!report_.checkpoint.streams) return wrong("The checkpoint has no root of the streams.");
    if (!parse_walk(proof)) return wrong("The walk to the stream is not in base64.");
    const Digest key = stream_key(file_.tenant, file_.stream);
    if (!verify_map_proof(key, proof, *report_.checkpoint.streams))
      return wrong("The walk to the stream does not lead there from the root that was signed.");
    const bool present = proof.leaf && proof.leaf->key == key;
    const StreamState state = present ? proof.leaf->state : StreamState{};
    if (!check_stream_events(state)) return false;
    report_.tenant = file_.tenant;
    report_.stream = file_.stream;
    const auto name = file_.stream + of_tenant(file_.tenant);
    report_.claim = present ? fmt::format(
                                  "stream {} has these {} events and no other, up to "
                                  "position {} of {}",
                                  name, state.version, state.last_position, report_.checkpoint.size)
                            : fmt::format("there is no stream {} in the log of {} events", name,
                                          report_.checkpoint.size);
    if (expired_)
      report_.claim += fmt::format(
          "; {} of them were dropped by retention: of those only the number "
          "and the commitments are proven",
          expired_);
    return true;
  }

  bool check_stream_events(const StreamState& state) {
    std::vector<std::uint8_t> bytes;
    EventView event;
    Position last = 0;
    for (std::size_t i = 0; i < file_.events.size(); ++i) {
      const ProofEvent& proof = file_.events[i];
      if (!check_event(proof, bytes, event)) return false;
      if (event.tenant != file_.tenant || event.stream != file_.stream || event.version != i + 1)
        return wrong(fmt::format("Position {} is version {} of stream {}, but version {} of {} "
                                 "should stand here.",
                                 proof.position, event.version, event.stream, i + 1, file_.stream),
                     proof.position);
      last = proof.position;
    }
    if (file_.events.size() == state.version && last == state.last_position) return true;
    return wrong(fmt::format("The stream has {} events up to position {}, but the file holds {} up "
                             "to position {}.",
                             state.version, state.last_position, file_.events.size(), last),
                 last == state.last_position ? 0 : std::max(last, state.last_position));
  }

  bool check_consistency() {
    const auto path = parse_path(file_.path);
    const auto root = digest_from_base64(file_.from_root);
    if (!path || !root) return wrong("The consistency proof is not in base64.");
    if (!file_.from_checkpoint.empty()) {
      Checkpoint before;
      if (!check_checkpoint(file_.from_checkpoint, before)) return false;
      if (before.size != file_.from_size || before.root != *root ||
          before.origin != report_.checkpoint.origin)
        return wrong("The earlier checkpoint is not of the size and root that the proof is from.");
    }
    if (!verify_consistency(file_.from_size, report_.checkpoint.size, *root,
                            report_.checkpoint.root, *path))
      return wrong("The later tree does not continue the earlier one.");
    report_.from_size = file_.from_size;
    report_.from_root = file_.from_root;
    report_.from_signed = !file_.from_checkpoint.empty();
    // Whoever asks has a checkpoint of that size, and only he knows whether it has this root.
    report_.claim = report_.from_signed
                        ? fmt::format(
                              "the log of {} events continues the one of {}: nothing was "
                              "changed",
                              report_.checkpoint.size, file_.from_size)
                        : fmt::format(
                              "the log of {} events continues a log of {} with root {}; no "
                              "signature of that one is in this file: compare the root",
                              report_.checkpoint.size, file_.from_size, file_.from_root);
    return true;
  }

  const ProofFile& file_;
  const std::optional<VerifierKey>& trusted_;
  ProofReport report_;
  std::size_t expired_ = 0;  // of the events
};

// A signed note by itself.
Expected<ProofReport> verify_checkpoint(std::string_view text,
                                        const std::optional<VerifierKey>& trusted) {
  if (!trusted)
    return Error{ErrorCode::invalid_argument,
                 "field 'key' is missing: a checkpoint names no keys, so it must be said whose "
                 "signature counts",
                 "key"};
  ProofFile file;
  file.kind = kCheckpointKind;
  file.checkpoint = text;
  return ProofVerifier(file, trusted).run();
}

}  // namespace

Expected<ProofReport> verify_proof(std::string_view text,
                                   const std::optional<VerifierKey>& trusted) {
  if (text.starts_with(kOriginPrefix)) return verify_checkpoint(text, trusted);
  const auto file = from_json<ProofFile>(text, Unknown::refuse);
  if (!file) return file.error();
  if (file->format != kProofFormat)
    return Error{ErrorCode::malformed,
                 fmt::format("field 'format' must be {}; this is no proof that this program knows",
                             kProofFormat),
                 "format"};
  if (file->kind == kCheckpointKind)
    return Error{ErrorCode::malformed, "field 'kind' must be event, stream or consistency", "kind"};
  return ProofVerifier(*file, trusted).run();
}

}  // namespace mlforge::storage
