// What only the log on disk does: damage, full disks and maps, and the index that is built again.
#include <sys/wait.h>

#include "storage/note.hpp"
#include "storage/verify.hpp"
#include "tests/storage/full_disk.hpp"
#include "tests/storage/log_fixtures.hpp"

namespace lmdb_log_tests {

using namespace mlforge;
using namespace mlforge::storage;

namespace {

namespace fs = std::filesystem;

// Flips a bit of the only place in the records where `text` stands.
void damage(const fs::path& folder, const std::string& text) {
  const fs::path path = folder / "log" / "data.mdb";
  std::string bytes = read_file(path);
  std::size_t flipped = 0;
  // Copies in pages that are free by now do not matter, but all are flipped, as only one of them is
  // in use.
  for (auto at = bytes.find(text); at != bytes.npos; at = bytes.find(text, at + 1)) {
    bytes[at] ^= 1;
    ++flipped;
  }
  REQUIRE(flipped > 0);
  write_file(path, bytes);
}

void append_numbered(Log& log, int count, std::size_t payload_bytes = 0) {
  std::vector<NewEvent> events;
  for (int i = 0; i < count; ++i)
    events.push_back(event("run/" + std::to_string(i % 3),
                           "number " + std::to_string(log.head() + events.size() + 1) + ";" +
                               std::string(payload_bytes, 'x')));
  must_append(log, request(events));
}

VerifyReport must_verify(const fs::path& folder) {
  const auto report = verify_log(folder);
  INFO((report ? std::string() : report.error().message));
  REQUIRE(report);
  return *report;
}

void check_streams(LmdbLogFixture& f) {
  std::map<std::string, std::uint64_t> versions;
  for (const auto& e : read_all(f.log())) ++versions[e.stream];
  for (const auto& [stream, version] : versions) {
    CHECK(f.log().stream_version("acme", stream).value() == version);
    CHECK(read_stream(f.log(), stream).size() == version);
  }
}

// Another process that holds every place that readers of an LMDB environment have.
class AllReaders {
 public:
  explicit AllReaders(const fs::path& folder) {
    int ready[2], end[2];
    REQUIRE((::pipe(ready) == 0 && ::pipe(end) == 0));
    child_ = ::fork();
    REQUIRE(child_ >= 0);
    if (child_ == 0) {
      ::close(end[1]);
      hold(folder, ready[1], end[0]);
    }
    ::close(end[0]);
    ::close(ready[1]);
    end_ = end[1];
    char taken = 0;
    REQUIRE(::read(ready[0], &taken, 1) == 1);
    ::close(ready[0]);
    REQUIRE(taken == 'y');
  }
  ~AllReaders() {
    ::close(end_);
    ::waitpid(child_, nullptr, 0);
  }
  AllReaders(const AllReaders&) = delete;

 private:
  [[noreturn]] static void hold(const fs::path& folder, int ready, int end) {
    MDB_env* env = nullptr;
    MDB_txn* txn = nullptr;
    int rc = mdb_env_create(&env);
    if (rc == 0) rc = mdb_env_set_mapsize(env, 256 << 20);
    if (rc == 0) rc = mdb_env_open(env, folder.c_str(), MDB_RDONLY | MDB_NOTLS, 0);
    while (rc == 0) rc = mdb_txn_begin(env, nullptr, MDB_RDONLY, &txn);
    char taken = rc == MDB_READERS_FULL ? 'y' : 'n';
    if (::write(ready, &taken, 1) == 1) (void)!::read(end, &taken, 1);
    std::_Exit(0);
  }

  pid_t child_ = -1;
  int end_ = -1;
};

// Appends until the log refuses; answers the error.
Error append_until_full(Log& log, std::size_t payload_bytes) {
  const std::string payload(payload_bytes, 'x');
  for (int i = 0; i < 100'000; ++i) {
    const auto answer = append(log, request({event("run/1", payload)}, "c-" + std::to_string(i)));
    if (!answer) return answer.error();
  }
  FAIL("the log never filled");
  return {};
}

// Once full, a log reads on and writes no more; opened with room again, it has all that it
// acknowledged.
void check_full_log(LmdbLogFixture& f, const Error& error, Position acknowledged) {
  CHECK(error.code == ErrorCode::read_only);
  REQUIRE(f.log().writable());
  CHECK(f.log().writable()->code == ErrorCode::read_only);
  CHECK(f.log().head() == acknowledged);
  CHECK(append(f.log(), request({event("run/9", "")})).error().code == ErrorCode::read_only);
  CHECK(read_all(f.log()).size() == acknowledged);
  CHECK(f.log().stream_version("acme", "run/1").value() == acknowledged);
  CHECK(f.log().stream_version("acme", "run/9").value() == 0);
  CHECK_FALSE(f.log().find_command("acme", "c-" + std::to_string(acknowledged)));
}

}  // namespace

TEST_CASE("lmdb log: keeps its id, its head and its streams") {
  LmdbLogFixture f;
  append_numbered(f.log(), 100);
  const Uuid id = f.log().log_id();
  f.reopen();
  CHECK(f.log().log_id() == id);
  CHECK(f.log().head() == 100);
  check_streams(f);
  append_numbered(f.log(), 1);
  CHECK(f.log().head() == 101);
  CHECK(f.lmdb().used_bytes() < f.lmdb().map_bytes());
}

TEST_CASE("lmdb log: a damaged record is named, the rest is read") {
  LmdbLogFixture f;
  append_numbered(f.log(), 10);
  f.close();
  damage(f.path(), "number 7;");
  const VerifyReport report = must_verify(f.path());
  CHECK(report.first_bad_position == 7);
  CHECK(report.events == 6);
  CHECK(report.what.find("position 7 is damaged") != std::string::npos);
  f.open();
  Position last = 0;
  const auto visit = [&](const EventView& e) {
    last = e.position;
    return true;
  };
  const auto answer = f.log().read(1, 99, visit);
  REQUIRE_FALSE(answer);
  CHECK(answer.error().code == ErrorCode::corrupt);
  CHECK(answer.error().message.find("position 7 is damaged") != std::string::npos);
  CHECK(last == 6);
  REQUIRE(f.log().read(8, 99, visit));
  CHECK(last == 10);
  // 7 is in run/0 (positions 1, 4, 7, 10).
  CHECK(f.log().read_stream("acme", "run/0", 1, 99, 99, visit).error().code == ErrorCode::corrupt);
  CHECK(f.log().read_stream("acme", "run/1", 1, 99, 99, visit));
  // Its command id is unknown, so a retry could not be told from a new command.
  REQUIRE(f.log().writable());
  CHECK(f.log().writable()->message.find("position 7 is damaged") != std::string::npos);
  CHECK(append(f.log(), request({event("run/1")})).error().code == ErrorCode::read_only);
}

TEST_CASE("lmdb log: a damaged record is found while the index is built again") {
  LmdbLogFixture f;
  append_numbered(f.log(), 10);
  f.close();
  damage(f.path(), "number 4;");
  fs::remove_all(f.path() / "index");
  f.open();
  CHECK(f.log().writable());
  CHECK(read_stream(f.log(), "run/1").size() == 3);
  const auto answer =
      f.log().read_stream("acme", "run/0", 1, 99, 99, [](const EventView&) { return true; });
  CHECK(answer.error().code == ErrorCode::corrupt);
  f.close();
  CHECK_FALSE(must_verify(f.path()).index_checked);
}

TEST_CASE("lmdb log: the last record may be damaged too") {
  LmdbLogFixture f;
  append_numbered(f.log(), 3);
  f.close();
  damage(f.path(), "number 3;");
  f.open();
  CHECK(f.log().head() == 3);
  CHECK(f.log().writable());
  CHECK(read_all(f.log(), 1, 2).size() == 2);
}

TEST_CASE("lmdb log: a full map stops writing, nothing is lost, a larger one goes on") {
  LmdbLogFixture f;
  f.close();
  LmdbLogOptions options = f.options();
  options.map_bytes = 1 << 20;
  f.open(options);
  const Error error = append_until_full(f.log(), 3000);
  CHECK(error.message.find("map is full") != std::string::npos);
  const Position acknowledged = f.log().head();
  CHECK(acknowledged > 100);
  check_full_log(f, error, acknowledged);
  f.reopen();
  CHECK_FALSE(f.log().writable());
  CHECK(f.log().head() == acknowledged);
  append_numbered(f.log(), 500, 3000);
  f.close();
  CHECK(must_verify(f.path()).first_bad_position == 0);
}

TEST_CASE("lmdb log: one call that is larger than the room is refused whole") {
  LmdbLogFixture f;
  f.close();
  LmdbLogOptions options = f.options();
  options.map_bytes = 1 << 20;
  f.open(options);
  append_numbered(f.log(), 5);
  const std::vector<AppendRequest> batch{request({event("run/1", "small")}),
                                         request({event("run/2", std::string(2 << 20, 'x'))})};
  const auto answers = f.log().append(batch);
  CHECK(answers[0].error().code == ErrorCode::read_only);
  CHECK(answers[1].error().code == ErrorCode::read_only);
  CHECK(f.log().head() == 5);
  CHECK(read_all(f.log()).size() == 5);
}

TEST_CASE("lmdb log: a write that fails stops writing, nothing acknowledged is lost") {
  LmdbLogFixture f;
  Error error;
  {
    const FileSizeLimit limit(512 << 10);
    error = append_until_full(f.log(), 3000);
  }
  const Position acknowledged = f.log().head();
  CHECK(acknowledged > 50);
  check_full_log(f, error,
                 acknowledged);  // there is room again, but a failed write is never retried
  f.reopen();
  CHECK_FALSE(f.log().writable());
  CHECK(f.log().head() >= acknowledged);
  append_numbered(f.log(), 200, 3000);
  f.close();
  CHECK(must_verify(f.path()).first_bad_position == 0);
}

TEST_CASE("lmdb log: a full disk stops writing, nothing acknowledged is lost") {
  TemporaryFolder folder;
  const SmallDisk disk(folder.path() / "disk", 2 << 20);
  if (!disk.is_mounted()) {
    WARN("skipped: a small file system can only be mounted as root");
    return;
  }
  LmdbLogOptions options;
  options.map_bytes = 64 << 20;
  Position acknowledged = 0;
  {
    auto log = open_lmdb_log(folder.path() / "disk" / "data", options);
    REQUIRE(log);
    const Error error = append_until_full(**log, 3000);
    CHECK(error.code == ErrorCode::read_only);
    CHECK(error.message.find("disk is full") != std::string::npos);
    acknowledged = (*log)->head();
    CHECK(acknowledged > 50);
    CHECK(read_all(**log).size() == acknowledged);
    CHECK((*log)->writable());
  }
  fs::copy(folder.path() / "disk" / "data", folder.path() / "copy", fs::copy_options::recursive);
  auto log = open_lmdb_log(folder.path() / "copy", options);
  REQUIRE(log);
  CHECK((*log)->head() >= acknowledged);
  CHECK_FALSE((*log)->writable());
  must_append(**log, request({event("run/1")}));
}

TEST_CASE("lmdb log: room is kept for what a follower has not written yet") {
  TemporaryFolder folder;
  Position heads[2] = {0, 0};
  for (const bool keeps_up : {false, true}) {
    const SmallDisk disk(folder.path() / (keeps_up ? "a" : "b"), 4 << 20);
    if (!disk.is_mounted()) {
      WARN("skipped: a small file system can only be mounted as root");
      return;
    }
    LmdbLogOptions options;
    options.map_bytes = 64 << 20;
    auto log = open_lmdb_log(folder.path() / (keeps_up ? "a" : "b") / "data", options);
    REQUIRE(log);
    (*log)->keep_room_for([&] { return keeps_up ? (*log)->head() : Position{0}; });
    CHECK(append_until_full(**log, 3000).code == ErrorCode::read_only);
    heads[keeps_up] = (*log)->head();
  }
  CHECK(heads[false] > 10);
  CHECK(heads[true] > 2 * heads[false]);
}

TEST_CASE("lmdb log: opens for reading on a disk that is full") {
  TemporaryFolder folder;
  const SmallDisk disk(folder.path() / "disk", 2 << 20);
  if (!disk.is_mounted()) {
    WARN("skipped: a small file system can only be mounted as root");
    return;
  }
  LmdbLogOptions options;
  options.map_bytes = 64 << 20;
  const auto data = folder.path() / "disk" / "data";
  {
    auto log = open_lmdb_log(data, options);
    REQUIRE(log);
    must_append(**log, request({event("run/1")}));
  }
  std::ofstream(folder.path() / "disk" / "filler") << std::string(4 << 20, 'x');
  for (int again = 0; again < 2; ++again) {
    auto log = open_lmdb_log(data, options);
    REQUIRE(log);
    CHECK((*log)->stream_version("acme", "run/1").value() == 1);
    CHECK(append(**log, request({event("run/1")})).error().code == ErrorCode::read_only);
    CHECK_FALSE((*log)->close());
    CHECK_FALSE(fs::exists(data / "index" / "STATE.tmp"));
  }
}

TEST_CASE("lmdb log: an index that was deleted is built again") {
  LmdbLogFixture f;
  append_numbered(f.log(), 50);
  f.close();
  fs::remove_all(f.path() / "index");
  f.open();
  check_streams(f);
  f.close();
  CHECK(must_verify(f.path()).index_checked);
}

TEST_CASE("lmdb log: an index that is behind catches up") {
  LmdbLogFixture f;
  append_numbered(f.log(), 50);
  f.close();
  fs::copy(f.path() / "index", f.path() / "old", fs::copy_options::recursive);
  f.open();
  append_numbered(f.log(), 50);
  f.close();
  fs::remove_all(f.path() / "index");
  fs::rename(f.path() / "old", f.path() / "index");
  f.open();
  CHECK(f.lmdb().unindexed() == 50);
  check_streams(f);
}

TEST_CASE("lmdb log: an opening that is given up leaves what the next one goes on with") {
  LmdbLogFixture f;
  append_numbered(f.log(), 5000);
  f.close();
  fs::remove_all(f.path() / "index");
  int asked = 0;
  LmdbLogOptions options{.map_bytes = 1 << 30};
  options.go_on = [&asked] { return ++asked < 2; };
  const auto given_up = open_lmdb_log(f.path(), options);
  REQUIRE_FALSE(given_up);
  CHECK(given_up.error().code == ErrorCode::unavailable);
  f.open();
  CHECK(f.log().head() == 5000);
  check_streams(f);
}

TEST_CASE("lmdb log: an index of another history is built again") {
  LmdbLogFixture f;
  append_numbered(f.log(), 50);
  f.close();
  const std::string old_log = read_file(f.path() / "log" / "data.mdb");
  f.open();
  append_numbered(f.log(), 50);
  f.close();
  SECTION("the log was put back to an earlier state") {}
  SECTION("the log was put back and went on differently") {
    fs::copy(f.path() / "index", f.path() / "old", fs::copy_options::recursive);
    write_file(f.path() / "log" / "data.mdb", old_log);
    LmdbLogOptions options = f.options();
    options.ids = seeded_ids(2);
    f.open(options);
    for (int i = 0; i < 60; ++i) must_append(f.log(), request({event("run/other")}));
    f.close();
    fs::remove_all(f.path() / "index");
    fs::rename(f.path() / "old", f.path() / "index");
    f.open();
    check_streams(f);
    CHECK(f.log().stream_version("acme", "run/other").value() == 60);
    return;
  }
  write_file(f.path() / "log" / "data.mdb", old_log);
  f.open();
  CHECK(f.log().head() == 50);
  check_streams(f);
}

TEST_CASE("lmdb log: a log that ends before its checkpoint is not opened") {
  LmdbLogFixture f;
  const auto write_checkpoint = [&](std::uint64_t size) {
    const auto key = SigningKey::from_secret(std::vector<std::uint8_t>(32, 9));
    REQUIRE(key);
    Note note{.text = Checkpoint{"mlforge/test", size, Digest{}, {}}.text()};
    note.sign({"mlforge/test", key->public_key()}, *key);
    write_file(f.path() / kCheckpointFile, note.encode());
  };
  append_numbered(f.log(), 50);
  f.close();
  const std::string old_log = read_file(f.path() / "log" / "data.mdb");
  write_checkpoint(50);
  f.open();
  append_numbered(f.log(), 10);
  f.close();
  write_checkpoint(55);
  f.open();
  f.close();
  for (const bool empty : {false, true}) {
    write_file(f.path() / "log" / "data.mdb", empty ? "" : old_log);
    const auto opened = open_lmdb_log(f.path(), f.options());
    REQUIRE_FALSE(opened);
    CHECK(opened.error().code == ErrorCode::corrupt);
    CHECK_THAT(opened.error().message, Catch::Matchers::Contains("signed for 55 events"));
  }
  write_file(f.path() / "log" / "data.mdb", old_log);
  fs::remove(f.path() / kCheckpointFile);
  f.open();
  CHECK(f.log().head() == 50);
}

TEST_CASE("lmdb log: a file that was cut off is an error and not the end of the process") {
  LmdbLogFixture f;
  append_numbered(f.log(), 400, 2000);
  f.close();
  const auto path = f.path() / "log" / "data.mdb";
  const auto size = fs::file_size(path);
  for (const std::uintmax_t left : {size / 2, size / 4, std::uintmax_t{3 * 4096}}) {
    fs::resize_file(path, left);
    const auto opened = open_lmdb_log(f.path(), f.options());
    REQUIRE_FALSE(opened);
    CHECK(opened.error().code == ErrorCode::corrupt);
  }
}

TEST_CASE("lmdb log: an index left unclean is kept on the same start of the machine only") {
  LmdbLogFixture f;
  f.close();
  LmdbLogOptions options = f.options();
  options.boot_id = "first";
  f.open(options);
  append_numbered(f.log(), 30);
  REQUIRE(f.index());
  append_numbered(f.log(), 10);
  // What a killed process leaves: no marker of a clean end.
  TemporaryFolder killed;
  fs::copy(f.path(), killed.path(),
           fs::copy_options::recursive | fs::copy_options::overwrite_existing);
  f.close();
  {
    const auto same = open_lmdb_log(killed.path(), options);
    REQUIRE(same);
    CHECK((*same)->unindexed() == 10);
    CHECK((*same)->stream_version("acme", "run/0").value() == 14);
    TemporaryFolder again;
    fs::copy(killed.path(), again.path(),
             fs::copy_options::recursive | fs::copy_options::overwrite_existing);
    options.boot_id = "second";
    const auto restarted = open_lmdb_log(again.path(), options);
    REQUIRE(restarted);
    CHECK((*restarted)->unindexed() == 40);
    CHECK((*restarted)->stream_version("acme", "run/0").value() == 14);
  }
  f.open(options);  // f was closed cleanly, so it does not matter that the machine started again
  CHECK(f.lmdb().unindexed() == 0);
  check_streams(f);
}

TEST_CASE("lmdb log: a damaged index is built again") {
  LmdbLogFixture f;
  append_numbered(f.log(), 30);
  f.close();
  write_file(f.path() / "index" / "data.mdb", std::string(8192, 'x'));
  f.open();
  CHECK(f.lmdb().unindexed() == 30);
  check_streams(f);
}

TEST_CASE("lmdb log: append indexes by itself when nobody else does") {
  LmdbLogFixture f;
  f.close();
  LmdbLogOptions options = f.options();
  options.tail_events = 8;
  options.cached_streams = 1;
  f.open(options);
  for (int i = 0; i < 50; ++i) {
    append_numbered(f.log(), 3);
    CHECK(f.lmdb().unindexed() <= 8);
  }
  check_streams(f);
  f.reopen();
  check_streams(f);
}

TEST_CASE("lmdb log: a small cache of versions stays right") {
  LmdbLogFixture f;
  f.close();
  LmdbLogOptions options = f.options();
  options.cached_streams = 2;
  f.open(options);
  std::map<std::string, std::uint64_t> versions;
  for (int i = 0; i < 200; ++i) {
    const std::string stream = "run/" + std::to_string(i * 7 % 11);
    AppendRequest r = request({event(stream)});
    r.expectations = {{stream, versions[stream]++}};
    must_append(f.log(), r);
    if (i % 20 == 0) REQUIRE(f.index());
  }
  check_streams(f);
}

TEST_CASE("verify: a whole log is whole, and progress is told") {
  LmdbLogFixture f;
  append_numbered(f.log(), 300);
  CHECK(verify_log(f.path()).error().code == ErrorCode::conflict);
  f.close();
  std::uint64_t done = 0, total = 0;
  const auto report = verify_log(f.path(), [&](std::uint64_t d, std::uint64_t t) {
    done = d;
    total = t;
  });
  REQUIRE(report);
  CHECK(report->events == 300);
  CHECK(report->first_bad_position == 0);
  CHECK(report->what.empty());
  CHECK(report->index_checked);
  CHECK(done == 300);
  CHECK(total == 300);
  TemporaryFolder none;
  CHECK(verify_log(none.path()).error().code == ErrorCode::not_found);
}

TEST_CASE("verify: finds records that are whole but wrong, and a wrong index") {
  LmdbLogFixture f;
  append_numbered(f.log(), 6);
  f.close();
  const auto forge = [&](Position position, const std::function<void(EventView&)>& change) {
    auto env = Env::open((f.path() / "log").string(), {.map_bytes = 1 << 24});
    REQUIRE(env);
    Txn txn;
    MDB_dbi dbi = 0;
    REQUIRE(txn.begin(env->get(), 0) == 0);
    REQUIRE(mdb_dbi_open(txn.get(), nullptr, MDB_INTEGERKEY, &dbi) == 0);
    MDB_val key = to_val(position), value{};
    REQUIRE(mdb_get(txn.get(), dbi, &key, &value) == 0);
    EventView e;
    REQUIRE(decode_record(to_bytes(value), e) == nullptr);
    change(e);
    std::vector<std::uint8_t> record;
    RecordEncoder().append(e, std::array<std::uint8_t, kSaltBytes>{}, record);
    MDB_val forged = to_val(Bytes(record));
    REQUIRE(mdb_put(txn.get(), dbi, &key, &forged, 0) == 0);
    REQUIRE(txn.commit() == 0);
  };
  SECTION("time") {
    forge(4, [](EventView& e) { e.time -= 1; });
    CHECK(must_verify(f.path()).what.find("Time goes back at position 4") != std::string::npos);
  }
  SECTION("version") {
    forge(4, [](EventView& e) { e.version += 1; });
    CHECK(must_verify(f.path()).first_bad_position == 4);
  }
  SECTION("position") {
    forge(5, [](EventView& e) { e.position = 4; });
    CHECK(must_verify(f.path()).first_bad_position == 5);
  }
  SECTION("stream: the log is in order, the index is not") {
    forge(6, [](EventView& e) {
      e.stream = "run/z";
      e.version = 1;
    });
    const VerifyReport report = must_verify(f.path());
    CHECK(report.first_bad_position == 6);
    CHECK(report.what.find("index") != std::string::npos);
  }
}

TEST_CASE("lmdb log: a version that cannot be read is an error, not 0") {
  LmdbLogFixture f;
  append_numbered(f.log(), 30);
  REQUIRE(f.index());
  CHECK(f.log().stream_version("acme", "run/0").value() == 10);
  const AllReaders others(f.path() / "index");
  const auto version = f.log().stream_version("acme", "run/0");
  REQUIRE_FALSE(version);
  CHECK(version.error().code == ErrorCode::unavailable);
}

}  // namespace lmdb_log_tests
