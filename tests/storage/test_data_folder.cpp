// Folders that are opened, made, refused, and locked.
#include "storage/data_folder.hpp"

#include "tests/storage/log_fixtures.hpp"

namespace data_folder_tests {

using namespace mlforge;
using namespace mlforge::storage;

namespace {

namespace fs = std::filesystem;

Error open_error(const fs::path& path) {
  LmdbLogOptions options;
  options.map_bytes = 16 << 20;
  const auto log = open_lmdb_log(path, options);
  REQUIRE_FALSE(log);
  return log.error();
}

std::vector<std::string> names(const fs::path& path) {
  std::vector<std::string> found;
  for (const auto& entry : fs::directory_iterator(path)) found.push_back(entry.path().filename());
  std::sort(found.begin(), found.end());
  return found;
}

}  // namespace

TEST_CASE("format: is read as it was written, and every flipped bit is refused") {
  FormatHeader header;
  header.log_id = *parse_uuid("0198f0a2-c4f3-7c6e-8a53-f2d1b0c9e8d7");
  const std::string text = format_text(header);
  CHECK(text.starts_with("mlforge-log\nformat: 1\nlog-id: 0198f0a2-c4f3-7c6e-8a53-f2d1b0c9e8d7\n"));
  const auto parsed = parse_format(text);
  REQUIRE(parsed);
  CHECK(parsed->log_id == header.log_id);
  CHECK(parsed->version == kPlainFormatVersion);
  for (std::size_t bit = 0; bit < text.size() * 8; ++bit) {
    std::string damaged = text;
    damaged[bit / 8] ^= static_cast<char>(1 << bit % 8);
    REQUIRE_FALSE(parse_format(damaged));
  }
  for (std::size_t n = 0; n < text.size(); ++n) REQUIRE_FALSE(parse_format(text.substr(0, n)));
  CHECK_FALSE(parse_format(text + "x"));
}

TEST_CASE("folder: a newer format is refused, naming both versions, and left as it is") {
  TemporaryFolder folder;
  FormatHeader header;
  header.version = kFormatVersion + 5;
  header.log_id.bytes.fill(7);
  write_file(folder.path() / "FORMAT", format_text(header));
  const Error error = open_error(folder.path());
  CHECK(error.code == ErrorCode::conflict);
  CHECK(error.message.find("version 7") != std::string::npos);
  CHECK(error.message.find("up to 2") != std::string::npos);
  CHECK(names(folder.path()) == std::vector<std::string>{"FORMAT"});
}

TEST_CASE("folder: one that is open is refused, naming the process") {
  LmdbLogFixture f;
  const Error error = open_error(f.path());
  CHECK(error.code == ErrorCode::conflict);
  CHECK(error.message.find("process id " + std::to_string(::getpid())) != std::string::npos);
  must_append(f.log(), request({event("run/1")}));
  f.reopen();
  CHECK(f.log().head() == 1);
}

TEST_CASE("folder: one with other content is refused and left as it is") {
  TemporaryFolder folder;
  write_file(folder.path() / "thesis.tex", "text");
  const Error error = open_error(folder.path());
  CHECK(error.code == ErrorCode::invalid_argument);
  CHECK(error.message.find("thesis.tex") != std::string::npos);
  CHECK(names(folder.path()) == std::vector<std::string>{"thesis.tex"});
}

TEST_CASE("folder: missing ones are made, the ones above included") {
  TemporaryFolder folder;
  LmdbLogOptions options;
  options.map_bytes = 16 << 20;
  {
    const auto log = open_lmdb_log(folder.path() / "a" / "b", options);
    REQUIRE(log);
    CHECK(names(folder.path() / "a" / "b") ==
          std::vector<std::string>{"FORMAT", "LOCK", "index", "log"});
  }
  // Content of others beside the log is no reason to refuse a folder that is ours.
  write_file(folder.path() / "a" / "b" / "notes.txt", "text");
  CHECK(open_lmdb_log(folder.path() / "a" / "b", options));
}

TEST_CASE("folder: an unfinished creation is made anew, at whatever point it stopped") {
  TemporaryFolder folder;
  const auto make = [&](const std::string& name) { fs::create_directories(folder.path() / name); };
  SECTION("only the lock") { write_file(folder.path() / "LOCK", "1\n"); }
  SECTION("an empty environment folder") { make("log"); }
  SECTION("an empty data file") {
    make("log");
    write_file(folder.path() / "log" / "data.mdb", "");
  }
  SECTION("a data file whose pages never reached the disk") {
    make("log");
    write_file(folder.path() / "log" / "data.mdb", std::string(8192, '\0'));
  }
  SECTION("all but the name of the header") {
    write_file(folder.path() / "FORMAT.tmp", "mlforge-l");
    {
      LmdbLogFixture whole;
      whole.close();
      fs::copy(whole.path() / "log", folder.path() / "log");
    }
  }
  LmdbLogOptions options;
  options.map_bytes = 16 << 20;
  auto log = open_lmdb_log(folder.path(), options);
  INFO((log ? std::string() : log.error().message));
  REQUIRE(log);
  must_append(**log, request({event("run/1")}));
}

TEST_CASE("folder: a log that has lost its header is refused, not made anew") {
  LmdbLogFixture f;
  must_append(f.log(), request({event("run/1")}));
  f.close();
  const std::string header = read_file(f.path() / "FORMAT");
  fs::remove(f.path() / "FORMAT");
  fs::remove_all(f.path() / "index");
  const Error error = open_error(f.path());
  CHECK(error.code == ErrorCode::corrupt);
  CHECK(error.message.find("FORMAT is missing") != std::string::npos);
  write_file(f.path() / "FORMAT", header);
  f.open();
  CHECK(f.log().head() == 1);
}

TEST_CASE("folder: a damaged header is refused") {
  LmdbLogFixture f;
  f.close();
  write_file(f.path() / "FORMAT", "mlforge-log\nformat: 1\n");
  CHECK(open_error(f.path()).code == ErrorCode::corrupt);
  write_file(f.path() / "FORMAT", "something else\n");
  CHECK(open_error(f.path()).code == ErrorCode::corrupt);
}

TEST_CASE("folder: network file systems are known") {
  CHECK(network_file_system(0x6969, "") == "NFS");
  CHECK(network_file_system(0xFF534D42, "") == "CIFS");
  CHECK(network_file_system(0xFE534D42, "") == "SMB");
  CHECK(network_file_system(0x517B, "") == "SMB");
  CHECK(network_file_system(0x65735546, "sshfs") == "sshfs");
  CHECK(network_file_system(0x65735546, "ntfs-3g").empty());
  CHECK(network_file_system(0xEF53, "").empty());      // ext4
  CHECK(network_file_system(0x01021994, "").empty());  // tmpfs
}

TEST_CASE("ids: UUIDv7, ascending whatever the clock does, the same from the same seed") {
  const auto ids = system_ids();
  const auto a = seeded_ids(5), b = seeded_ids(5), c = seeded_ids(6);
  Uuid last;
  for (int i = 0; i < 5000; ++i) {
    const TimeUs now = 1'750'000'000'000'000 + (i % 100 == 0 ? -100'000 : i);
    const Uuid id = ids->next(now);
    REQUIRE(last < id);
    REQUIRE(id.bytes[6] >> 4 == 7);
    REQUIRE(id.bytes[8] >> 6 == 2);
    last = id;
    const Uuid seeded = a->next(now);
    REQUIRE(seeded == b->next(now));
    REQUIRE(seeded != c->next(now));
  }
  std::array<std::uint8_t, 16> first{}, second{};
  ids->salt(first);
  ids->salt(second);
  CHECK(first != second);
}

}  // namespace data_folder_tests
