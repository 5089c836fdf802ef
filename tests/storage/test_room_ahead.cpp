// The zeros that are written ahead of what the log's file is used for.
#include "storage/room_ahead.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <iostream>

#include "tests/storage/log_fixtures.hpp"

namespace room_ahead_tests {

using namespace mlforge;
using namespace mlforge::storage;

namespace {

namespace fs = std::filesystem;

// True where the disk is too full for zeros to be written ahead; then the test shows as skipped.
bool too_full(const fs::path& where) {
  if (fs::space(where).available >= (std::uint64_t{1} << 30)) return false;
  std::cout << "SKIPPED: room ahead: less than 1 GiB is free" << std::endl;
  return true;
}

struct File {
  explicit File(const fs::path& where) : path(where / "file") {
    write_file(path, std::string(8192, 'x'));
    descriptor = ::open(path.c_str(), O_RDWR);
    REQUIRE(descriptor >= 0);
  }
  ~File() { ::close(descriptor); }
  fs::path path;
  int descriptor = -1;
};

}  // namespace

TEST_CASE("room ahead: what is in use stays, what follows is zeros, and is cut off in the end") {
  TemporaryFolder folder;
  if (too_full(folder.path())) return;
  File file(folder.path());
  RoomAhead room;
  room.start(file.descriptor, 1 << 30);
  room.prepare(8192, 5000);
  const auto bytes = read_file(file.path);
  REQUIRE(bytes.size() >= 8192 + 5000);
  CHECK(bytes.substr(0, 8192) == std::string(8192, 'x'));
  CHECK(bytes.substr(8192).find_first_not_of('\0') == std::string::npos);

  room.prepare(12288, 1000);  // there is room
  CHECK(fs::file_size(file.path) == bytes.size());
  room.give_back(12288);
  CHECK(fs::file_size(file.path) == 12288);
  room.prepare(12288, 1000);
  CHECK(fs::file_size(file.path) > 12288 + 1000);
}

TEST_CASE("room ahead: never before the file's end as others left it, nor beyond the most") {
  TemporaryFolder folder;
  if (too_full(folder.path())) return;
  File file(folder.path());
  RoomAhead room;
  room.start(file.descriptor, 100'000);
  write_file(file.path, std::string(20'000, 'y'));  // as LMDB makes it longer by itself
  room.prepare(20'000, 1000);
  const auto bytes = read_file(file.path);
  CHECK(bytes.size() > 20'000);
  CHECK(bytes.substr(0, 20'000) == std::string(20'000, 'y'));
  room.prepare(90'000, 5000);
  CHECK(fs::file_size(file.path) <= 100'000);
}

TEST_CASE("room ahead: a large commit makes its own room") {
  TemporaryFolder folder;
  File file(folder.path());
  RoomAhead room;
  room.start(file.descriptor, 1 << 30);
  room.prepare(8192, 4 << 20);
  CHECK(fs::file_size(file.path) == 8192);
}

TEST_CASE("room ahead: a log's file is longer than its contents while it grows, and not after") {
  LmdbLogFixture f;
  if (too_full(f.path())) return;
  const auto path = f.path() / "log" / "data.mdb";
  for (int i = 0; i < 50; ++i)
    must_append(f.log(), request({event("run/1", "number " + std::to_string(i + 1))}));
  const auto used = f.lmdb().used_bytes();
  CHECK(fs::file_size(path) > used);
  TemporaryFolder killed;  // what a killed process leaves
  fs::copy(f.path(), killed.path(),
           fs::copy_options::recursive | fs::copy_options::overwrite_existing);
  f.close();
  CHECK(fs::file_size(path) == used);
  f.open(f.options());
  CHECK(read_all(f.log()).size() == 50);
  const auto after = open_lmdb_log(killed.path(), f.options());
  REQUIRE(after);
  CHECK(read_all(**after).size() == 50);
  must_append(**after, request({event("run/1", "number 51")}));
  CHECK(read_all(**after).back().payload == "number 51");
}

}  // namespace room_ahead_tests
