// What is done to a log on a simulated disk, and what must be there afterwards.
#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "projections/projector.hpp"
#include "storage/lmdb_log.hpp"
#include "storage/memory_log.hpp"
#include "tests/crash/simulated_disk.hpp"

namespace mlforge::crash {

// Each look is a millisecond later.
struct StepClock final : storage::Clock {
  TimeUs time = 1'790'000'000'000'000;
  TimeUs now() override { return time += 1000; }
};

using Batch = std::vector<storage::AppendRequest>;

// What a workload does besides appending.
enum class Moves {
  nothing,
  bodies,    // into segments, after every append
  payloads,  // the same, and every few appends those of predictions are dropped for ever
};

// Batches of one to four requests of one to five events each, of every type and of several tenants;
// some do not fit into a page, every request has a command id of its own. With Moves::payloads
// there are more predictions, and every sixth batch says which of them are to be dropped.
std::vector<Batch> make_batches(std::uint64_t seed, std::size_t count,
                                Moves moves = Moves::nothing);

storage::LmdbLogOptions log_options(const std::string& boot_id, std::uint64_t seed);

// What is known of a log: each event that may be in it, and which ones were acknowledged when.
struct History {
  std::vector<std::string> records;  // position - 1 -> as stored
  std::vector<Position> ends;        // of the appends; whole ones are there, or nothing of them
  struct Acknowledged {
    std::size_t entries = 0;  // so long was the journal
    Position head = 0;
  };
  std::vector<Acknowledged> acknowledged;
  std::vector<Acknowledged> dropped;  // head: up to here payloads of predictions were gone by then
  std::map<Position, std::vector<std::string>> digests;  // of the projections, at some ends

  // What the client had been told before entry `entries` of the journal.
  Position acknowledged_at(std::size_t entries) const;
  // What it had been told is dropped.
  Position dropped_at(std::size_t entries) const;
};

// The same batches in a MemoryLog: the records a log must hold, and the digests of the projections.
// LmdbLog draws the same times, ids and salts when it is made with log_options(_, seed).
History reference(const std::vector<Batch>& batches, std::uint64_t seed);

// Makes a log in `folder`, appends all batches, closes and opens it in the middle; the projections
// follow in <folder>/views. Fills acknowledged and dropped.
void run_workload(const std::filesystem::path& folder, const std::vector<Batch>& batches,
                  std::uint64_t seed, SimulatedDisk& disk, History& history,
                  Moves moves = Moves::nothing);

struct Demand {
  Position acknowledged = 0;    // at least so many events must be there
  bool appends = true;          // the log must go on
  bool projections = false;     // and the projections have the digests of the history
  bool verify = false;          // and `verify` find nothing
  bool archive = false;         // and the rest can be archived, and what is to go be dropped
  Position dropped = 0;         // no payload of a prediction may be there up to this position
  std::string boot_id = "two";  // the machine has started again since the workload ("one")
};

// Opens the log in `folder` and says what is wrong with it; empty: all is well.
std::string find_fault(const std::filesystem::path& folder, const History& history,
                       const Demand& demand);

// Opens the log that a killed process left in `folder`, on the same start of the machine; tries its
// last append again and does the one after it. `history` becomes that of this log.
void go_on_after_kill(const std::filesystem::path& folder, const std::vector<Batch>& batches,
                      const SimulatedDisk& disk, History& history);

// As stored, each.
std::vector<std::string> read_records(const storage::Log& log, Position from = 1);

std::vector<std::string> digests_of(const projections::ProjectionEngine& engine);

}  // namespace mlforge::crash
