// Signs checkpoints of a log and makes proof files: the tree, the stream map and the key together.
#pragma once
#include <chrono>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "storage/log_keys.hpp"
#include "storage/log_tree.hpp"
#include "storage/note.hpp"
#include "storage/proof_file.hpp"
#include "storage/stream_proof.hpp"

namespace mlforge::storage {

// The last signed checkpoint, as a file of the data folder: what the log must still contain.

struct ProverOptions {
  std::size_t map_bytes = std::size_t{64} << 30;
  std::string boot_id;  // empty: ask the kernel
  std::chrono::milliseconds store_every{5000};
};

class Prover {
 public:
  // Opens the tree in `folder`/merkle and the key that signs, which is made where there is none.
  // `log` outlives it.
  static Expected<std::unique_ptr<Prover>> open(const std::filesystem::path& folder, const Log& log,
                                                const ProverOptions& options = {});

  // All may be called from any thread.

  // Takes in what is durable by now, and signs and stores a checkpoint when the last one that was
  // stored is old enough. Answers whether the stored one is of everything. For the background.
  Expected<bool> follow();
  // A signed checkpoint of everything that is durable by now, or, with a `size`, of the first so
  // many events; then it says nothing about streams, but where a proof of a stream rests on it.
  // `not_found` for more than there are.
  Expected<std::string> checkpoint(std::uint64_t size = 0);

  // Proof files, under such a checkpoint.
  Expected<ProofFile> prove_event(Position position, std::uint64_t size = 0);
  // `payload_too_large` for a stream whose payloads have more than 64 MiB. Of an earlier size it
  // reads the whole log up to there. begin_stream() makes it piece by piece.
  Expected<ProofFile> prove_stream(std::string_view tenant, std::string_view stream,
                                   std::uint64_t size = 0);
  Expected<std::unique_ptr<StreamProof>> begin_stream(std::string_view tenant,
                                                      std::string_view stream,
                                                      std::uint64_t size = 0);
  Expected<ProofFile> prove_consistency(std::uint64_t from, std::uint64_t size = 0);

  // What has to be appended before anything that is signed is given away: the key, where the log
  // does not name it yet. key_recorded() is told that it is done.
  std::optional<AppendRequest> unrecorded_key() const;
  void key_recorded();
  // Both, for who may append to the log.
  Status record_key(Log& log);

  // A key that is to follow on the present one: see rotate_log_key(). After its event is in the
  // log, use_key() makes it sign.
  Expected<KeyRotation> plan_rotation(const std::string& reason) const;
  void use_key(LogSigner next);
  VerifierKey verifier() const;

  const LogTree& tree() const { return *tree_; }
  LogTree& tree() { return *tree_; }

  // Signs and stores a last checkpoint and closes the tree. No other call may be under way or
  // follow.
  Status close();

 private:
  Prover(const Log& log, std::filesystem::path folder, const ProverOptions& options)
      : log_(log), folder_(std::move(folder)), options_(options) {}
  // What a checkpoint says; of an earlier size nothing about streams.
  struct State {
    State(const LogRoot& now) : size(now.size), root(now.root), streams(now.streams) {}
    State(std::uint64_t earlier, const Digest& then) : size(earlier), root(then) {}
    std::uint64_t size;
    Digest root;
    std::optional<Digest> streams;
  };
  Expected<std::string> sign(const State& root);
  Expected<ProofFile> start(std::string kind, const State& root);
  Expected<LogRoot> root_now();
  Expected<State> root_of(std::uint64_t size);
  Expected<State> walk_to(std::string_view tenant, std::string_view stream, std::uint64_t size,
                          MapProof& proof);
  Expected<std::vector<Position>> stream_positions(const ProofFile& file, std::uint64_t size);
  Status store(const std::string& note, std::uint64_t size);

  const Log& log_;
  std::filesystem::path folder_;
  ProverOptions options_;
  std::unique_ptr<LogTree> tree_;
  mutable std::mutex key_mutex_;     // guards the key
  std::optional<LogSigner> signer_;  // set by open()
  std::optional<LogKeyAdded> unrecorded_;
  std::mutex store_mutex_;  // guards what follows
  std::uint64_t stored_size_ = 0;
  std::chrono::steady_clock::time_point stored_at_{};
};

}  // namespace mlforge::storage
