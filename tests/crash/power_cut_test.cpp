// The power goes at every point of a workload.
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <cstdlib>

#include "tests/crash/disk_image.hpp"
#include "tests/crash/workload.hpp"
#include "tests/projections/fixture.hpp"
#include "tests/sanitized.hpp"

using namespace mlforge;
using mlforge::test::kEvery;
using namespace mlforge::crash;
using projections::test::Folder;
namespace fs = std::filesystem;

namespace {

constexpr std::size_t kBatches = 90;

// A workload that was done once, with the journal of the disk below it.
struct Done {
  fs::path folder;  // of the log, below the disk's
  std::vector<Batch> batches;
  History history;
  Journal journal;
};

Done do_workload(std::uint64_t seed, std::size_t batches, const fs::path& folder = "data",
                 Moves moves = Moves::nothing) {
  Done done{folder, make_batches(seed, batches, moves), {}, {}};
  done.history = reference(done.batches, seed);
  Folder root;
  SimulatedDisk disk(root.path());
  run_workload(root.path() / folder, done.batches, seed, disk, done.history, moves);
  done.journal = disk.journal();
  REQUIRE(done.history.acknowledged_at(disk.size()) == done.history.ends.back());
  return done;
}

struct Mode {
  Kept kept;
  int images;  // drawn for each cut
  const char* name;
};

const std::vector<Mode> kModes{{Kept::none, 1, "nothing unsynced"},
                               {Kept::all, 1, "everything"},
                               {Kept::writes, 1, "some writes"},
                               {Kept::sectors, 2, "some sectors"}};

// Cuts the power before, in and after each entry (sanitized: every fourth) of `journal` from
// `first` on, where `disk` has what is before.
class Cutter {
 public:
  explicit Cutter(std::uint64_t seed, Moves moves = Moves::nothing)
      : seed_(seed), random_(seed), moves_(moves) {}

  void cut(Disk disk, const Journal& journal, std::size_t first, const std::vector<Mode>& modes,
           const fs::path& folder, const History& history) {
    const auto& entries = journal.entries;
    for (std::size_t k = first; k <= entries.size(); ++k) {
      if (k % kEvery == 0) cut_at(k, disk, journal, modes, folder, history);
      if (k < entries.size()) disk.apply(journal, entries[k]);
    }
  }

  std::size_t images() const { return images_; }
  std::mt19937_64& random() { return random_; }

 private:
  void cut_at(std::size_t k, Disk disk, const Journal& journal, const std::vector<Mode>& modes,
              const fs::path& folder, const History& history) {
    const auto& entries = journal.entries;
    if (k < entries.size()) disk.interrupt(journal, entries[k]);
    for (const Mode& mode : modes) {
      INFO("cut at entry " << k << " of " << entries.size() << ", kept: " << mode.name << ", seed "
                           << seed_);
      for (int i = 0; i < mode.images; ++i) examine(disk, mode.kept, folder, history, k);
    }
  }

  void examine(const Disk& disk, Kept kept, const fs::path& folder, const History& history,
               std::size_t entries) {
    const bool sample = ++images_ % 41 == 0;
    Folder image;
    disk.write_image(image.path(), kept, random_);
    const auto fault = find_fault(image.path() / folder, history,
                                  {.acknowledged = history.acknowledged_at(entries),
                                   .projections = sample && !history.digests.empty(),
                                   .verify = sample,
                                   .archive = moves_ != Moves::nothing,
                                   .dropped = history.dropped_at(entries)});
    REQUIRE(fault == "");
  }

  std::uint64_t seed_;
  std::mt19937_64 random_;
  Moves moves_;
  std::size_t images_ = 0;
};

void cut_everywhere(std::uint64_t seed, std::size_t batches, const std::vector<Mode>& modes) {
  const Done done = do_workload(seed, batches);
  Cutter cutter(seed);
  cutter.cut(Disk(), done.journal, 0, modes, done.folder, done.history);
  fmt::print("{} calls, {} events, {} images examined\n", done.journal.entries.size(),
             done.history.records.size(), cutter.images());
  CHECK(cutter.images() > batches * 20 / kEvery);
}

void cut_while_moving(std::uint64_t seed, std::size_t batches, Moves moves,
                      const std::vector<Mode>& modes) {
  const Done done = do_workload(seed, batches, "data", moves);
  REQUIRE(done.journal.find("data/segments") > 0);
  if (moves == Moves::payloads) REQUIRE(done.history.dropped.back().head > 0);
  Cutter cutter(seed, moves);
  cutter.cut(Disk(), done.journal, 0, modes, done.folder, done.history);
  fmt::print("{} calls, {} events, {} images examined\n", done.journal.entries.size(),
             done.history.records.size(), cutter.images());
  CHECK(cutter.images() > 1000 / kEvery);
}

// The process is killed at entry k, starts again, answers; then the power goes. What the kernel
// holds of the killed process is not yet on disk.
void kill_then_cut(const Done& done, std::size_t k, const Disk& before, Cutter& cutter) {
  Disk disk = before;
  Journal journal = done.journal;
  journal.entries.resize(k);
  if (k < done.journal.entries.size() && done.journal.entries[k].call != Call::sync) {
    journal.entries.push_back(done.journal.entries[k]);
    journal.entries.back().synchronous = false;
    disk.apply(journal, journal.entries.back());
  }
  History history = done.history;
  Folder root;
  disk.write_image(root.path(), Kept::all, cutter.random());
  const std::size_t first = journal.entries.size();
  {
    SimulatedDisk again(root.path(), std::move(journal));
    INFO("killed at entry " << k);
    REQUIRE_NOTHROW(go_on_after_kill(root.path() / done.folder, done.batches, again, history));
    journal = again.journal();
  }
  INFO("killed at entry " << k << " of the journal");
  cutter.cut(std::move(disk), journal, first,
             {{Kept::none, 1, "nothing unsynced"}, {Kept::sectors, 1, "some sectors"}}, done.folder,
             history);
}

// Every kill while the log is created and at its first appends, then every `step`-th.
void kill_then_cut_everywhere(std::uint64_t seed, std::size_t batches, std::size_t step) {
  const Done done = do_workload(seed, batches);
  Cutter cutter(seed);
  Disk disk;
  const std::size_t created = done.history.acknowledged.front().entries;
  for (std::size_t k = 0; k <= done.journal.entries.size(); ++k) {
    if (k < created + 20 || k % step == 0) kill_then_cut(done, k, disk, cutter);
    if (k < done.journal.entries.size()) disk.apply(done.journal, done.journal.entries[k]);
  }
  fmt::print("{} images examined\n", cutter.images());
  CHECK(cutter.images() > 500 / kEvery);
}

// In a process of its own, for a log that lost pages may well crash its reader.
bool is_whole(const Disk& disk, Kept kept, std::mt19937_64& random, const Done& done,
              Position acknowledged) {
  Folder image;
  disk.write_image(image.path(), kept, random);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    for (const int signal : {SIGSEGV, SIGBUS, SIGABRT, SIGFPE}) std::signal(signal, SIG_DFL);
    ::close(STDERR_FILENO);
    const rlimit none{0, 0};
    ::setrlimit(RLIMIT_CORE, &none);
    const auto fault =
        find_fault(image.path() / done.folder, done.history, {.acknowledged = acknowledged});
    std::_Exit(fault.empty() ? 0 : 1);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  return status == 0;
}

}  // namespace

TEST_CASE("power cut: everything acknowledged is there, wherever the cut") {
  cut_everywhere(1, kBatches, kModes);
}

TEST_CASE("power cut: wherever the cut while bodies move into segments") {
  cut_while_moving(5, 24, Moves::bodies, kModes);
}

TEST_CASE("power cut: wherever the cut while payloads are dropped by retention") {
  cut_while_moving(6, 20, Moves::payloads, kModes);
}

TEST_CASE("power cut: a folder several levels down is there") {
  const Done done = do_workload(2, 4, "a/b/data");
  Cutter cutter(2);
  cutter.cut(Disk(), done.journal, 0, kModes, done.folder, done.history);
}

TEST_CASE("power cut: what a restarted process answers is on disk too") {
  kill_then_cut_everywhere(3, 40, 23);
}

TEST_CASE("power cut: without fdatasync acknowledged events are lost") {
  const Done done = do_workload(4, 30);
  std::mt19937_64 random(4);
  const auto lost = [&](bool fdatasync_works) {
    Disk disk(fdatasync_works);
    int lost = 0;
    for (std::size_t k = 0; k < done.journal.entries.size(); ++k) {
      if (k % 5 == 0)
        lost += !is_whole(disk, Kept::sectors, random, done, done.history.acknowledged_at(k));
      disk.apply(done.journal, done.journal.entries[k]);
    }
    return lost;
  };
  CHECK(lost(true) == 0);
  const int without = lost(false);
  fmt::print("without fdatasync {} of {} images lost something\n", without,
             done.journal.entries.size() / 5 + 1);
  CHECK(without > 10);
}

// `--rng-seed N` draws other workloads.
TEST_CASE("power cut: many workloads", "[.][long]") {
  const std::uint64_t first = 100 + std::uint64_t{Catch::rngSeed()} * 1000;
  for (std::uint64_t seed = first; seed < first + 8; ++seed)
    cut_everywhere(seed, 200,
                   {{Kept::none, 1, "nothing unsynced"},
                    {Kept::all, 1, "everything"},
                    {Kept::writes, 4, "some writes"},
                    {Kept::sectors, 8, "some sectors"}});
}

TEST_CASE("power cut: many workloads that archive and drop", "[.][long]") {
  const std::uint64_t first = 300 + std::uint64_t{Catch::rngSeed()} * 1000;
  for (std::uint64_t seed = first; seed < first + 6; ++seed)
    cut_while_moving(seed, 40, seed % 2 ? Moves::bodies : Moves::payloads,
                     {{Kept::none, 1, "nothing unsynced"},
                      {Kept::all, 1, "everything"},
                      {Kept::writes, 2, "some writes"},
                      {Kept::sectors, 4, "some sectors"}});
}

TEST_CASE("power cut: many restarted processes", "[.][long]") {
  const std::uint64_t first = 200 + std::uint64_t{Catch::rngSeed()} * 1000;
  for (std::uint64_t seed = first; seed < first + 6; ++seed) kill_then_cut_everywhere(seed, 60, 3);
}
