// Records whose bodies are in segment files read, verify and go on as those that are not.
#include <zstd.h>

#include <random>
#include <thread>

#include "storage/log_builder.hpp"
#include "storage/prover.hpp"
#include "storage/record_json.hpp"
#include "storage/verify.hpp"
#include "tests/storage/flips.hpp"
#include "tests/storage/log_fixtures.hpp"

namespace segments_tests {

using namespace mlforge;
using namespace mlforge::storage;
namespace fs = std::filesystem;

namespace {

std::vector<std::string> records_of(const Log& log, Position from = 1) {
  std::vector<std::string> records;
  const auto read = log.read_records(from, ~0ull, [&](Position, Bytes record) {
    records.emplace_back(as_text(record));
    return true;
  });
  INFO((read ? std::string() : read.error().message));
  REQUIRE(read);
  return records;
}

void append_random(LmdbLog& log, ManualClock& clock, int events, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  for (int i = 0; i < events; i += 4) {
    std::vector<NewEvent> batch;
    for (int j = 0; j < 4; ++j) {
      const std::size_t bytes = random() % 50 == 0 ? 9000 : random() % 600;
      batch.push_back(event("run/" + std::to_string(random() % 9),
                            std::string(bytes, static_cast<char>('a' + random() % 26))));
    }
    clock.time += 1000;
    must_append(log, request(std::move(batch), "c" + std::to_string(log.head())));
  }
}

LmdbLogOptions with_small_segments(const LmdbLogFixture& f) {
  auto options = f.options();
  options.segments = small_segments();
  return options;
}

}  // namespace

TEST_CASE("segments: archived records are the same bytes, by position and by stream") {
  LmdbLogFixture f{false};
  f.open(with_small_segments(f));
  append_random(f.lmdb(), *f.clock, 200, 1);
  const auto records = records_of(f.log());
  const auto stream = read_stream(f.log(), "run/3");
  std::vector<Position> at;
  for (TimeUs time = 1'750'000'000'000'000; time <= f.clock->time + 1000; time += 500)
    at.push_back(f.log().position_at(time));
  for (const Position last : {1, 2, 50, 51, 120, 199}) {
    archive_all(f.lmdb(), last);
    CHECK(f.lmdb().archived() == last);
    CHECK(records_of(f.log()) == records);
    CHECK(records_of(f.log(), 50).front() == records.at(49));
    const auto again = read_stream(f.log(), "run/3");
    REQUIRE(again.size() == stream.size());
    for (std::size_t i = 0; i < stream.size(); ++i) CHECK(again[i].payload == stream[i].payload);
    std::size_t i = 0;
    for (TimeUs time = 1'750'000'000'000'000; time <= f.clock->time + 1000; time += 500)
      CHECK(f.log().position_at(time) == at.at(i++));
  }
  // The last event stays where it is, whatever is asked.
  archive_all(f.lmdb());
  CHECK(f.lmdb().archived() == 199);
  f.close();
  f.open(with_small_segments(f));
  CHECK(f.lmdb().archived() == 199);
  CHECK(records_of(f.log()) == records);
  append_random(f.lmdb(), *f.clock, 20, 2);
  archive_all(f.lmdb());
  CHECK(f.lmdb().archived() == 219);
  CHECK(f.log().stream_version("acme", "run/3").value() == read_stream(f.log(), "run/3").size());
  f.close();
  const auto report = verify_log(f.path());
  REQUIRE(report);
  CHECK(report->what == "");
  CHECK(report->events == 220);
}

TEST_CASE("segments: a log is an older program's until its first segment") {
  LmdbLogFixture f;
  append_random(f.lmdb(), *f.clock, 8, 1);
  CHECK(parse_format(read_file(f.path() / "FORMAT"))->version == kPlainFormatVersion);
  archive_all(f.lmdb());
  CHECK(parse_format(read_file(f.path() / "FORMAT"))->version == kFormatVersion);
  const auto id = f.log().log_id();
  f.reopen();
  CHECK(f.log().log_id() == id);
}

TEST_CASE("segments: only_full leaves a little alone") {
  LmdbLogFixture f;
  append_random(f.lmdb(), *f.clock, 40, 1);
  const auto report = f.lmdb().archive_some(30, true);
  REQUIRE(report);
  CHECK(report->events == 0);
  CHECK(f.lmdb().archived() == 0);
  CHECK_FALSE(fs::exists(f.path() / "segments"));
}

TEST_CASE("segments: readers and the writer go on while the log is archived") {
  LmdbLogFixture f{false};
  f.open(with_small_segments(f));
  append_random(f.lmdb(), *f.clock, 400, 3);
  const auto records = records_of(f.log());
  std::atomic<bool> done = false;
  std::atomic<int> wrong = 0;
  std::vector<std::thread> readers;
  for (int i = 0; i < 2; ++i)
    readers.emplace_back([&, i] {
      std::mt19937_64 random(i);
      for (bool last = false; !last;) {
        last = done;
        const Position from = 1 + random() % 400;
        Position next = from;
        const auto read = f.log().read_records(from, 400 - from + 1, [&](Position p, Bytes record) {
          wrong += p != next || as_text(record) != records.at(p - 1);
          ++next;
          return true;
        });
        wrong += !read || *read != 400;
        const auto stream = f.log().read_stream("acme", "run/1", 1, ~0ull, 400,
                                                [](const EventView&) { return true; });
        wrong += !stream;
      }
    });
  std::thread archiver([&] {
    for (;;) {
      const auto report = f.lmdb().archive_some(390);
      if (!report || report->events == 0) break;
    }
    done = true;
  });
  append_random(f.lmdb(), *f.clock, 100, 4);
  archiver.join();
  for (auto& each : readers) each.join();
  CHECK(wrong == 0);
  CHECK(f.lmdb().archived() == 390);
  CHECK(f.log().head() == 500);
}

TEST_CASE("segments: the file of the log stops growing, and what is archived takes less") {
  LmdbLogFixture f{false};
  auto options = f.options();
  options.segments = {.segment_bytes = 64 << 10, .segment_events = 512};
  f.open(options);
  const auto round = [&] {
    append_random(f.lmdb(), *f.clock, 1000, 7);
    archive_all(f.lmdb());
  };
  round();
  round();
  const auto before = f.lmdb().used_bytes();
  for (int i = 0; i < 8; ++i) round();
  // Without archiving it would have grown by some 4 MB.
  CHECK(f.lmdb().used_bytes() < before + (1 << 20));
  CHECK(records_of(f.log()).size() == 10'000);
}

TEST_CASE("segments: files that no hashes name are removed, a begun one is gone on with") {
  LmdbLogFixture f{false};
  f.open(with_small_segments(f));
  append_random(f.lmdb(), *f.clock, 40, 5);
  const auto records = records_of(f.log());
  archive_all(f.lmdb(), 20);
  f.close();
  write_file(f.path() / "segments" / segment_name(21), "half of it");
  write_file(f.path() / "segments" / (segment_name(28) + ".tmp"), "half of it");
  f.open(with_small_segments(f));
  CHECK_FALSE(fs::exists(f.path() / "segments" / segment_name(21)));
  CHECK_FALSE(fs::exists(f.path() / "segments" / (segment_name(28) + ".tmp")));
  archive_all(f.lmdb());
  CHECK(records_of(f.log()) == records);
}

TEST_CASE("segments: what a record's commitment does not cover is not archived") {
  LmdbLogFixture f;
  append_random(f.lmdb(), *f.clock, 12, 1);
  f.close();
  {
    // A record whose checksum is right, but whose commitment is not that of its body.
    auto env = Env::open((f.path() / "log").string(), {.map_bytes = 256 << 20});
    REQUIRE(env);
    Txn txn;
    MDB_dbi records = 0;
    REQUIRE(txn.begin(env->get(), 0) == 0);
    REQUIRE(mdb_dbi_open(txn.get(), nullptr, MDB_INTEGERKEY, &records) == 0);
    const Position at = 5;
    MDB_val key = to_val(at), value{};
    REQUIRE(mdb_get(txn.get(), records, &key, &value) == 0);
    std::vector<std::uint8_t> forged;
    assemble_record(Digest{}, record_salted_body(to_bytes(value)), forged);
    value = to_val(Bytes(forged));
    REQUIRE(mdb_put(txn.get(), records, &key, &value, 0) == 0);
    REQUIRE(txn.commit() == 0);
  }
  f.open();
  const auto report = f.lmdb().archive_some(11);
  REQUIRE_FALSE(report);
  CHECK(report.error().code == ErrorCode::corrupt);
  CHECK_THAT(report.error().message, Catch::Matchers::Contains("position 5"));
  CHECK(f.lmdb().archived() == 0);
  CHECK(read_all(f.log()).size() == 12);
}

TEST_CASE("segments: a missing file is named by its first position, what is elsewhere is read") {
  LmdbLogFixture f{false};
  f.open(with_small_segments(f));
  append_random(f.lmdb(), *f.clock, 40, 5);
  archive_all(f.lmdb(), 30);
  const auto segments = f.lmdb().segments().list();
  REQUIRE(segments);
  REQUIRE(segments->size() > 3);
  const Position gone = segments->at(2);
  f.close();
  fs::remove(f.path() / "segments" / segment_name(gone));
  const auto report = verify_log(f.path());
  REQUIRE(report);
  CHECK(report->first_bad_position == gone);
  CHECK_THAT(report->what, Catch::Matchers::Contains(segment_name(gone)));
  f.open(with_small_segments(f));
  CHECK(f.log().read(gone, 1, [](const EventView&) { return true; }).error().code ==
        ErrorCode::corrupt);
  CHECK(read_all(f.log(), segments->at(3)).size() == 40 - segments->at(3) + 1);
}

TEST_CASE("segments: a whole copy has all records") {
  LmdbLogFixture f{false};
  f.open(with_small_segments(f));
  append_random(f.lmdb(), *f.clock, 100, 6);
  archive_all(f.lmdb(), 70);
  const TemporaryFolder to;
  auto builder = LogBuilder::create(to.path() / "copy", 64 << 20);
  REQUIRE(builder);
  REQUIRE_FALSE(copy_records(f.log(), 90, **builder));
  REQUIRE_FALSE((*builder)->finish(f.log().log_id()));
  const auto copy = open_lmdb_log(to.path() / "copy", f.options());
  REQUIRE(copy);
  auto records = records_of(f.log());
  records.resize(90);
  CHECK(records_of(**copy) == records);
}

TEST_CASE("segments: proofs of archived events hold") {
  LmdbLogFixture f{false};
  f.open(with_small_segments(f));
  auto prover = Prover::open(f.path(), f.log(), {.map_bytes = 64 << 20});
  REQUIRE(prover);
  REQUIRE_FALSE((*prover)->record_key(f.log()));
  append_random(f.lmdb(), *f.clock, 60, 6);
  const auto before = (*prover)->tree().root();
  archive_all(f.lmdb(), 50);
  for (const Position position : {1, 7, 50, 51}) {
    const auto proof = (*prover)->prove_event(position);
    REQUIRE(proof);
    CHECK(verify_proof(to_json(*proof), (*prover)->verifier())->what == "");
  }
  const auto proof = (*prover)->prove_stream("acme", "run/1");
  REQUIRE(proof);
  CHECK(verify_proof(to_json(*proof), (*prover)->verifier())->what == "");
  (void)before;
  REQUIRE_FALSE((*prover)->close());
  prover->reset();
  f.close();
  CHECK(verify_log(f.path())->what == "");
}

}  // namespace segments_tests
