// backup, restore and fork on folders of their own.
#include "gateway/copies.hpp"

#include <catch2/catch.hpp>

#include <thread>

#include "storage/lmdb_log.hpp"
#include "tests/gateway/cli_support.hpp"

namespace copies_tests {

using namespace mlforge;
using namespace mlforge::gateway;
using namespace mlforge::gateway::test;
namespace fs = std::filesystem;

namespace {

storage::LmdbLogOptions options() {
  storage::LmdbLogOptions out;
  out.map_bytes = std::size_t{1} << 30;
  return out;
}

std::unique_ptr<storage::LmdbLog> open(const fs::path& folder) {
  auto log = storage::open_lmdb_log(folder, options());
  REQUIRE(log);
  return *std::move(log);
}

void append(storage::Log& log, const std::string& payload) {
  NewEvent event;
  event.stream = "other/all";
  event.type = "other.happened";
  event.payload = payload;
  const storage::AppendRequest request{.tenant = "default", .actor = "ann", .events = {event}};
  REQUIRE(log.append(std::span(&request, 1)).front());
}

storage::Digest put(const fs::path& folder, const std::string& bytes) {
  const auto blobs = storage::open_local_blobs(folder / "blobs");
  REQUIRE(blobs);
  return (*blobs)->put("default", storage::as_bytes(bytes))->digest;
}

std::string records(const fs::path& folder) {
  std::string out;
  REQUIRE(open(folder)->read_records(1, 100000, [&](Position, storage::Bytes record) {
    out += storage::as_text(record);
    return true;
  }));
  return out;
}

fs::path blob_file(const fs::path& folder, const storage::Digest& digest) {
  const auto hex = to_string(digest);
  return folder / "blobs" / "t-default" / hex.substr(0, 2) / hex.substr(2);
}

}  // namespace

TEST_CASE("backup and restore of a folder: the same log under the same id, with its blobs") {
  const TempFolder folder;
  const auto data = folder.path / "data", backup = folder.path / "backup",
             again = folder.path / "again";
  const auto digest = put(data / "unused", "nothing names this");
  fs::remove_all(data);
  {
    const auto log = open(data);
    const auto named = put(data, "a file");
    put(data, "nothing names this");
    append(*log, "{\"digest\":\"" + to_string(named) + "\"}");
    append(*log, "{}");
    std::ofstream(data / "rules.cursor") << to_string(log->log_id()) << " 2\n";
  }
  const auto made = run({"backup", "--data", data.string(), "-o", backup.string(), "--json"});
  INFO(made.err);
  CHECK(made.code == 0);
  CHECK(has(made.out, "\"position\":2,"));
  CHECK(has(made.out, "\"blobs\":1,\"blob_bytes\":6,"));
  CHECK_FALSE(fs::exists(blob_file(backup, digest)));
  const auto restored = run({"restore", backup.string(), "--data", again.string()});
  INFO(restored.err);
  CHECK(restored.code == 0);
  CHECK(records(again) == records(data));
  CHECK(open(again)->log_id() == open(data)->log_id());
  CHECK(run({"verify", "--data", again.string()}).code == 0);
  std::string id;
  Position position = 0;
  std::ifstream(again / "rules.cursor") >> id >> position;
  CHECK(position == 2);
  CHECK(id == to_string(open(data)->log_id()));
  CHECK(run({"backup", "--data", data.string(), "-o", backup.string()}).code == 5);
  CHECK(run({"restore", (folder.path / "none").string(), "--data", "x"}).code == 3);
}

TEST_CASE("a copy holds everything that was acknowledged before it began, and no more") {
  const TempFolder folder;
  const auto data = folder.path / "data";
  const auto log = open(data);
  const auto blobs = storage::open_local_blobs(data / "blobs");
  REQUIRE(blobs);
  for (int i = 0; i < 200; ++i) append(*log, std::to_string(i));
  const Position head = log->head();
  // The other writes on until the copy is made.
  std::atomic<bool> done = false;
  std::thread writer([&] {
    do append(*log, "meanwhile");
    while (!done);
  });
  const auto origin = copy_folder(
      *log, **blobs, {.kind = "backup", .from = data, .to = folder.path / "b", .at = head});
  done = true;
  writer.join();
  REQUIRE(origin);
  CHECK(log->head() > head);
  CHECK(open(folder.path / "b")->head() == head);
  CHECK(read_origin(folder.path / "b")->position == head);
}

TEST_CASE("a copy that is given up leaves nothing") {
  const TempFolder folder;
  const auto data = folder.path / "data";
  const auto log = open(data);
  const auto blobs = storage::open_local_blobs(data / "blobs");
  const auto named = put(data, "a file");
  append(*log, "{\"digest\":\"" + to_string(named) + "\"}");
  CopyRequest request{.kind = "backup", .from = data, .to = folder.path / "b", .at = 1};
  request.progress = [](std::uint64_t, std::uint64_t) { return false; };
  const auto origin = copy_folder(*log, **blobs, request);
  REQUIRE_FALSE(origin);
  CHECK(origin.error().code == ErrorCode::unavailable);
  CHECK(std::distance(fs::directory_iterator(folder.path), fs::directory_iterator()) == 1);
}

TEST_CASE("a fork ends where it is told, is a log of its own, and shares the blobs") {
  const TempFolder folder;
  const auto data = folder.path / "data", fork = folder.path / "fork";
  storage::Digest early, late;
  {
    const auto log = open(data);
    early = put(data, "early");
    late = put(data, "late");
    append(*log, "{\"digest\":\"" + to_string(early) + "\"}");
    append(*log, "{}");
    append(*log, "{\"digest\":\"" + to_string(late) + "\"}");
    std::ofstream(data / "rules.cursor") << to_string(log->log_id()) << " 3\n";
  }
  CHECK(run({"fork", "--data", data.string(), "--at", "4", "-o", fork.string()}).code == 2);
  const auto made = run({"fork", "--data", data.string(), "--at", "2", "-o", fork.string()});
  INFO(made.err);
  CHECK(made.code == 0);
  CHECK(open(fork)->head() == 2);
  CHECK(records(data).starts_with(records(fork)));
  CHECK(open(fork)->log_id() != open(data)->log_id());
  CHECK(fs::equivalent(blob_file(fork, early), blob_file(data, early)));
  CHECK_FALSE(fs::exists(blob_file(fork, late)));
  std::string id;
  Position position = 0;
  std::ifstream(fork / "rules.cursor") >> id >> position;
  CHECK(position == 2);
  CHECK(id == to_string(open(fork)->log_id()));
  append(*open(fork), "goes its own way");
  CHECK(open(data)->head() == 3);
  const auto before = run({"fork", "--data", data.string(), "--at", "1999-01-01T00:00:00Z", "-o",
                           (folder.path / "empty").string()});
  CHECK(before.code == 0);
  CHECK(open(folder.path / "empty")->head() == 0);
}

}  // namespace copies_tests
