// The proof of a stream, made piece by piece: a long one need not be in memory as a whole.
#pragma once
#include <string>
#include <vector>

#include "storage/log_tree.hpp"
#include "storage/proof_file.hpp"

namespace mlforge::storage {

// As it stood when it was begun, whatever is appended meanwhile. One thread at a time; log and tree
// outlive it.
class StreamProof {
 public:
  // `head` has all of the proof but its events, which stand at `positions`, under `size`.
  StreamProof(const Log& log, const LogTree& tree, ProofFile head, std::vector<Position> positions,
              std::uint64_t size);
  StreamProof(const StreamProof&) = delete;

  // Appends the next piece of the file, some 32 KiB; nothing when it was whole.
  Status next(std::string& out);
  // All of it, for those who have begun nothing.
  Expected<ProofFile> whole() &&;

 private:
  Expected<ProofEvent> event(Position position);

  const Log& log_;
  LogTree::Reader reader_;
  ProofFile head_;
  std::vector<Position> positions_;
  std::uint64_t size_;
  std::string rest_;  // what stands behind the events
  std::size_t done_ = 0;
  enum class Part { head, events, end } part_ = Part::head;
};

std::vector<std::string> to_texts(const HashPath& path);  // base64

}  // namespace mlforge::storage
