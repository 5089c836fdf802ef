// Checks a log that is not open, from the first record to the last.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "events/envelope.hpp"
#include "events/error.hpp"
#include "events/fields.hpp"
#include "storage/signing_key.hpp"

namespace mlforge::storage {

struct VerifyReport {
  std::uint64_t events = 0;         // checked
  Position first_bad_position = 0;  // the first event that is wrong; 0: none, or no event is
  std::string what;                 // a sentence; empty when all is well
  bool index_checked = false;       // false: there is no index that would be kept at the next open
  bool tree_checked = false;        // the same for the Merkle tree's tiles
  std::string root;                 // of the tree over all records, hexadecimal
  std::uint64_t checkpoint_size = 0;  // of the stored checkpoint; 0: there is none
  std::string signed_by;              // its key id
  std::uint64_t missing_blobs = 0;    // files that events name and that blobs/ does not have
  std::uint64_t expired = 0;          // events whose payload was dropped by retention
  bool pinned = false;                // the signature was followed to the key that was given
  static constexpr auto fields() {
    return FieldList{field("events", &VerifyReport::events),
                     field("first_bad_position", &VerifyReport::first_bad_position),
                     field("what", &VerifyReport::what),
                     field("index_checked", &VerifyReport::index_checked),
                     field("tree_checked", &VerifyReport::tree_checked),
                     field("root", &VerifyReport::root),
                     field("checkpoint_size", &VerifyReport::checkpoint_size),
                     field("signed_by", &VerifyReport::signed_by),
                     field("missing_blobs", &VerifyReport::missing_blobs),
                     field("expired", &VerifyReport::expired),
                     field("pinned", &VerifyReport::pinned)};
  }
};

// Called now and then with how many of `total` events are done.
using VerifyProgress = std::function<void(std::uint64_t done, std::uint64_t total)>;

// Checks a log that is not open, changing nothing but its LOCK:
//   every record: CRC, leaf commitment, gapless positions, time order, stream versions, and that it
//   is found by its position as well as in order;
//   the stream index and the Merkle tree's tiles against the records, where they would be kept;
//   the stored checkpoint: its signature, by a key that the log names (or that `trusted` leads to),
//   and its two roots.
// Files that events name and that are not there are counted, and are no damage: a copy of a log may
// be without them. Stops at the first event that is wrong. Takes the folder's lock (`conflict` when
// it is open).
//
// LMDB trusts the pages that it maps, so a damaged file may crash who reads it: the reading is done
// in a child process, whose crash is a finding. Call it while the process has one thread.
Expected<VerifyReport> verify_log(const std::filesystem::path& folder,
                                  const VerifyProgress& progress = {},
                                  const std::optional<VerifierKey>& trusted = {});

}  // namespace mlforge::storage
