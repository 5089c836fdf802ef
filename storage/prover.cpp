#include "storage/prover.hpp"

#include <fmt/format.h>

#include "events/event_codec.hpp"
#include "storage/base64.hpp"
#include "storage/files.hpp"
#include "storage/lmdb_log.hpp"
#include "storage/past_streams.hpp"
#include "storage/record.hpp"

namespace mlforge::storage {
namespace {

constexpr std::size_t kMostStreamBytes = 64 << 20;

}  // namespace

Expected<std::unique_ptr<Prover>> Prover::open(const std::filesystem::path& folder, const Log& log,
                                               const ProverOptions& options) {
  std::unique_ptr<Prover> prover(new Prover(log, folder, options));
  auto signer = open_log_signer(folder, log);
  if (!signer) return signer.error();
  prover->signer_ = std::move(signer->signer);
  prover->unrecorded_ = std::move(signer->unrecorded);
  auto tree =
      LogTree::open(folder / "merkle", log, options.boot_id.empty() ? boot_id() : options.boot_id,
                    options.map_bytes);
  if (!tree) return tree.error();
  prover->tree_ = *std::move(tree);
  return prover;
}

Expected<bool> Prover::follow() {
  const auto reached = tree_->catch_up();
  if (!reached) return reached.error();
  {
    const std::lock_guard lock(store_mutex_);
    if (*reached == stored_size_) return true;
    if (std::chrono::steady_clock::now() - stored_at_ < options_.store_every) return false;
  }
  const auto root = tree_->root();
  if (!root) return root.error();
  const auto note = sign(*root);
  if (!note) return note.error();
  if (auto bad = store(*note, root->size)) return *bad;
  return root->size == log_.head();
}

Expected<LogRoot> Prover::root_now() {
  if (const auto reached = tree_->catch_up(); !reached) return reached.error();
  return tree_->root();
}

// 0: of now.
Expected<Prover::State> Prover::root_of(std::uint64_t size) {
  if (size == 0) {
    const auto now = root_now();
    if (!now) return now.error();
    return State(*now);
  }
  const auto reached = tree_->catch_up();
  if (!reached) return reached.error();
  if (size > *reached)
    return Error{ErrorCode::not_found,
                 fmt::format("The log has {} events, fewer than {}.", *reached, size), "size"};
  const auto root = tree_->root_at(size);
  if (!root) return root.error();
  return State(size, *root);
}

Expected<std::string> Prover::checkpoint(std::uint64_t size) {
  const auto root = root_of(size);
  if (!root) return root.error();
  return sign(*root);
}

Expected<std::string> Prover::sign(const State& root) {
  const std::lock_guard lock(key_mutex_);
  Note note{.text = Checkpoint{signer_->verifier.name, root.size, root.root, root.streams}.text()};
  note.sign(signer_->verifier, signer_->key);
  return note.encode();
}

// Never an older one over a newer one: two threads may come here.
Status Prover::store(const std::string& note, std::uint64_t size) {
  const std::lock_guard lock(store_mutex_);
  if (size < stored_size_) return {};
  if (auto bad = write_file_durably(folder_ / kCheckpointFile, note)) return bad;
  stored_size_ = size;
  stored_at_ = std::chrono::steady_clock::now();
  return {};
}

Expected<ProofFile> Prover::start(std::string kind, const State& root) {
  auto note = sign(root);
  if (!note) return note.error();
  auto keys = read_log_keys(log_);
  if (!keys) return keys.error();
  ProofFile file;
  file.kind = std::move(kind);
  file.checkpoint = *std::move(note);
  file.keys = std::move(keys->keys);
  const std::lock_guard lock(key_mutex_);
  if (unrecorded_) file.keys.push_back(*unrecorded_);
  return file;
}

Expected<ProofFile> Prover::prove_event(Position position, std::uint64_t size) {
  const auto root = root_of(size);
  if (!root) return root.error();
  if (position == 0 || position > root->size)
    return Error{ErrorCode::not_found,
                 fmt::format("There is no event at position {}; the log has {}{}.", position,
                             root->size, size == 0 ? "" : " at that size"),
                 "position"};
  auto file = start("event", *root);
  if (!file) return file;
  auto path = tree_->inclusion(position, root->size);
  if (!path) return path.error();
  ProofEvent event{position, {}, to_texts(*path)};
  const auto read = log_.read_records(position, 1, [&](Position, Bytes record) {
    event.record = to_base64(record);
    return false;
  });
  if (!read) return read.error();
  file->events.push_back(std::move(event));
  return file;
}

// The walk under the root of the streams, now or at an earlier size.
Expected<Prover::State> Prover::walk_to(std::string_view tenant, std::string_view stream,
                                        std::uint64_t size, MapProof& proof) {
  if (size == 0) {
    if (const auto reached = tree_->catch_up(); !reached) return reached.error();
    const auto now = tree_->prove_stream(tenant, stream, proof);
    if (!now) return now.error();
    return State(*now);
  }
  auto then = root_of(size);
  if (!then) return then;
  const auto streams = prove_past_stream(log_, size, tenant, stream, proof);
  if (!streams) return streams.error();
  then->streams = *streams;
  return then;
}

Expected<ProofFile> Prover::prove_stream(std::string_view tenant, std::string_view stream,
                                         std::uint64_t size) {
  auto begun = begin_stream(tenant, stream, size);
  if (!begun) return begun.error();
  return std::move(**begun).whole();
}

Expected<std::unique_ptr<StreamProof>> Prover::begin_stream(std::string_view tenant,
                                                            std::string_view stream,
                                                            std::uint64_t size) {
  MapProof proof;
  const auto root = walk_to(tenant, stream, size, proof);
  if (!root) return root.error();
  auto file = start("stream", *root);
  if (!file) return file.error();
  file->tenant = tenant;
  file->stream = stream;
  for (const auto& step : proof.path)
    file->walk.push_back({step.depth, to_base64(step.sibling.bytes)});
  if (proof.leaf)
    file->leaf = ProofLeaf{to_base64(proof.leaf->key.bytes), proof.leaf->state.version,
                           proof.leaf->state.last_position};
  auto positions = stream_positions(*file, root->size);
  if (!positions) return positions.error();
  return std::make_unique<StreamProof>(log_, *tree_, *std::move(file), *std::move(positions),
                                       root->size);
}

Expected<std::vector<Position>> Prover::stream_positions(const ProofFile& file,
                                                         std::uint64_t size) {
  std::vector<Position> positions;
  std::size_t bytes = 0;
  const auto read =
      log_.read_stream(file.tenant, file.stream, 1, ~0ull, size, [&](const EventView& e) {
        positions.push_back(e.position);
        bytes += e.payload.size();
        return bytes <= kMostStreamBytes;
      });
  if (!read) return read.error();
  if (bytes <= kMostStreamBytes) return positions;
  return Error{ErrorCode::payload_too_large,
               fmt::format("The events of stream {} have more than 64 MiB, too many for one proof "
                           "file.",
                           file.stream),
               "stream"};
}

Expected<ProofFile> Prover::prove_consistency(std::uint64_t from, std::uint64_t size) {
  const auto root = root_of(size);
  if (!root) return root.error();
  if (from > root->size)
    return Error{ErrorCode::not_found,
                 fmt::format("The checkpoint has {} events, fewer than {}.", root->size, from),
                 "from"};
  auto file = start("consistency", *root);
  if (!file) return file;
  const auto then = tree_->root_at(from);
  if (!then) return then.error();
  const auto path = tree_->consistency(from, root->size);
  if (!path) return path.error();
  file->from_size = from;
  file->from_root = to_base64(then->bytes);
  file->path = to_texts(*path);
  return file;
}

Expected<KeyRotation> Prover::plan_rotation(const std::string& reason) const {
  const std::lock_guard lock(key_mutex_);
  return rotate_log_key(folder_, log_, *signer_, reason);
}

void Prover::use_key(LogSigner next) {
  const std::lock_guard lock(key_mutex_);
  signer_ = std::move(next);
}

VerifierKey Prover::verifier() const {
  const std::lock_guard lock(key_mutex_);
  return signer_->verifier;
}

std::optional<AppendRequest> Prover::unrecorded_key() const {
  const std::lock_guard lock(key_mutex_);
  if (!unrecorded_) return std::nullopt;
  AppendRequest request;
  request.tenant = kLogTenant;
  request.actor = "mlforge";
  // Two that find it unrecorded at the same time append it once.
  request.command_id = "log key " + unrecorded_->key_id;
  request.events = {encode_event(*unrecorded_, std::string(kLogKeysStream))};
  return request;
}

void Prover::key_recorded() {
  const std::lock_guard lock(key_mutex_);
  unrecorded_.reset();
}

Status Prover::record_key(Log& log) {
  const auto request = unrecorded_key();
  if (!request) return {};
  const auto appended = log.append({&*request, 1}).front();
  if (!appended) return appended.error();
  key_recorded();
  return {};
}

Status Prover::close() {
  const auto root = root_now();
  const auto note = root ? sign(*root) : Expected<std::string>(root.error());
  const Status failed = note ? store(*note, root->size) : Status(note.error());
  if (auto bad = tree_->close()) return bad;
  return failed;
}

}  // namespace mlforge::storage
