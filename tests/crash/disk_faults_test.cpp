// Every write and every sync of a workload fails once: the log stops writing, says why, reads on,
// tries no sync again, and has all that it acknowledged when it is opened anew.
#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <cerrno>
#include <set>

#include "tests/crash/disk_image.hpp"
#include "tests/crash/workload.hpp"
#include "tests/projections/fixture.hpp"
#include "tests/sanitized.hpp"

using namespace mlforge;
using mlforge::test::kEvery;
using namespace mlforge::crash;
using projections::test::Folder;
using storage::LmdbLog;
namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t kSeed = 5;
const std::string kLogFile = "data/log/data.mdb";
const std::string kIndexFile = "data/index/data.mdb";

// The number of syncs that came after a failed one of the same file.
int repeated_syncs(const Journal& journal) {
  std::set<Node> failed;
  int repeated = 0;
  for (const Entry& e : journal.entries) {
    if (e.call != Call::sync) continue;
    repeated += failed.count(e.node) > 0;
    if (e.failed) failed.insert(e.node);
  }
  return repeated;
}

class FaultyRun {
 public:
  explicit FaultyRun(const Fault& fault)
      : fault_(fault), batches_(make_batches(kSeed, 24)), history_(reference(batches_, kSeed)) {}

  // Answers whether the fault came up: with a larger fault.nth than there are calls it does not.
  bool run() {
    {
      SimulatedDisk disk(root_.path());
      disk.arm(fault_);
      use(disk);
      struck_ = disk.struck() > 0;
      journal_ = disk.journal();
    }
    CHECK(repeated_syncs(journal_) == 0);
    if (!struck_) REQUIRE(acknowledged_ == history_.ends.back());
    check_after_power_cut();
    check_restarted();
    return struck_;
  }

  Position acknowledged() const { return acknowledged_; }
  bool stopped() const { return stopped_; }

 private:
  void use(SimulatedDisk& disk) {
    auto opened = open_lmdb_log(root_.path() / "data", log_options("one", kSeed));
    if (!opened) {
      REQUIRE(disk.struck() > 0);
      CHECK(opened.error().message.size() > 20);
      return;
    }
    LmdbLog& log = **opened;
    for (const Batch& batch : batches_) {
      const auto answers = log.append(batch);
      if (!answers[0]) {
        REQUIRE(disk.struck() > 0);
        for (const auto& answer : answers) check_refused(answer);
        check_stopped(log);
        break;
      }
      for (const auto& answer : answers) REQUIRE(answer);
      acknowledged_ = log.head();
      if (log.unindexed() > 20) (void)log.index_some();  // a server says it, and tries again
      check_reads(log);
    }
    check_reads(log);
  }

  static void check_refused(const Expected<storage::Appended>& answer) {
    REQUIRE_FALSE(answer);
    CHECK(answer.error().code == ErrorCode::read_only);
    CHECK(answer.error().message.find("stopped writing") != std::string::npos);
  }

  void check_stopped(LmdbLog& log) {
    stopped_ = true;
    const Status why = log.writable();
    REQUIRE(why);
    CHECK(why->code == ErrorCode::read_only);
    INFO(why->message);
    const auto says = [&](const char* text) {
      return why->message.find(text) != std::string::npos;
    };
    CHECK((says(fault_.error == ENOSPC ? "disk is full" : "Input/output error") ||
           (fault_.file == kIndexFile && says("earlier write to the disk failed"))));
    for (const auto& answer : log.append(batches_.back())) check_refused(answer);
  }

  void check_reads(const LmdbLog& log) {
    REQUIRE(log.head() == acknowledged_);
    const auto found = read_records(log);
    REQUIRE(found.size() == acknowledged_);
    REQUIRE(std::equal(found.begin(), found.end(), history_.records.begin()));
    std::map<std::pair<std::string, std::string>, std::uint64_t> versions;
    REQUIRE(log.read(1, ~0ull, [&](const EventView& event) {
      ++versions[{std::string(event.tenant), std::string(event.stream)}];
      return true;
    }));
    for (const auto& [name, version] : versions) {
      REQUIRE(log.stream_version(name.first, name.second).value() == version);
      const auto read = log.read_stream(name.first, name.second, 1, ~0ull, ~0ull,
                                        [](const EventView&) { return true; });
      REQUIRE(read);
      REQUIRE(*read == version);
    }
  }

  void check_after_power_cut() {
    std::mt19937_64 random(kSeed);
    Disk disk;
    for (const Entry& entry : journal_.entries) disk.apply(journal_, entry);
    for (const Kept kept : {Kept::none, Kept::sectors}) {
      Folder image;
      disk.write_image(image.path(), kept, random);
      CHECK(find_fault(image.path() / "data", history_, {.acknowledged = acknowledged_}) == "");
    }
  }

  void check_restarted() {
    CHECK(find_fault(root_.path() / "data", history_,
                     {.acknowledged = acknowledged_, .verify = true, .boot_id = "one"}) == "");
  }

  Fault fault_;
  std::vector<Batch> batches_;
  History history_;
  Folder root_;
  Journal journal_;
  Position acknowledged_ = 0;
  bool struck_ = false, stopped_ = false;
};

// Lets the first, the second, ... such call (sanitized: every fourth) fail, until there are no
// more. Answers in how many runs the log stopped writing.
std::size_t fail_each(Fault fault) {
  std::size_t stopped = 0, failed = 0;
  for (fault.nth = 1;; fault.nth += kEvery) {
    INFO("call " << fault.nth << " fails with " << fault.error
                 << (fault.for_good ? ", and all that follow" : ""));
    FaultyRun run(fault);
    if (!run.run()) break;
    stopped += run.stopped();
    ++failed;
  }
  fmt::print("{} calls failed, the log stopped {} times\n", failed, stopped);
  return stopped;
}

}  // namespace

TEST_CASE("disk fault: the map is full, whatever its size") {
  const auto batches = make_batches(kSeed, 60);
  const History history = reference(batches, kSeed);
  int full = 0;
  for (std::size_t kib = 290; kib < 600; kib += 10) {
    INFO("a map of " << kib << " KiB");
    Folder folder;
    auto options = log_options("one", kSeed);
    options.map_bytes = kib << 10;
    Position acknowledged = 0;
    {
      const auto log = open_lmdb_log(folder.path(), options);
      REQUIRE(log);
      for (const Batch& batch : batches) {
        const auto answers = (*log)->append(batch);
        if (!answers[0]) {
          CHECK(answers[0].error().code == ErrorCode::read_only);
          CHECK(answers[0].error().message.find("map is full") != std::string::npos);
          REQUIRE((*log)->writable());
          ++full;
          break;
        }
        acknowledged = (*log)->head();
      }
      CHECK((*log)->head() == acknowledged);
      CHECK(read_records(**log).size() == acknowledged);
    }
    CHECK(find_fault(folder.path(), history,
                     {.acknowledged = acknowledged, .verify = true, .boot_id = "one"}) == "");
  }
  CHECK(full > 10);
}

TEST_CASE("disk fault: a write of the log fails") {
  const int error = GENERATE(EIO, ENOSPC);
  CHECK(fail_each({.at = Fault::At::write, .error = error, .file = kLogFile}) > 20 / kEvery);
}

TEST_CASE("disk fault: all writes fail from one on") {
  CHECK(fail_each({.at = Fault::At::write, .error = EIO, .for_good = true}) > 20 / kEvery);
}

TEST_CASE("disk fault: a sync fails, and is not tried again") {
  const bool for_good = GENERATE(false, true);
  CHECK(fail_each({.at = Fault::At::sync, .error = EIO, .for_good = for_good}) > 20 / kEvery);
}

TEST_CASE("disk fault: a write of the index fails, and streams are exact all the same") {
  fail_each({.at = Fault::At::write, .error = EIO, .file = kIndexFile});
}
