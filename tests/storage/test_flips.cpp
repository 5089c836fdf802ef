// Every flip of a bit that changes an answer is reported by verify; the others change nothing.
// MLFORGE_FLIPS=<n> makes a long run of it.
#include <grp.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <iostream>

#include "storage/prover.hpp"
#include "storage/verify.hpp"
#include "tests/storage/flips.hpp"
#include "tests/storage/log_fixtures.hpp"

namespace flips_tests {

using namespace mlforge;
using namespace mlforge::storage;

namespace {

// A sanitized child takes tens of times longer to start: there a few show that the check is sound.
std::uint64_t flips(std::uint64_t usual) {
#ifdef __SANITIZE_ADDRESS__
  usual /= 25;
#endif
  const char* asked = std::getenv("MLFORGE_FLIPS");
  return asked ? std::strtoull(asked, nullptr, 10) : usual;
}

void check_flips(const std::filesystem::path& file, std::uint64_t count, std::uint64_t seed) {
  const TemporaryFolder folder;
  make_small_log(folder.path() / "log-folder");
  const auto tally = flip_bits(folder.path() / "log-folder", file, count, seed);
  std::cout << file.string() << ": " << tally.flips << " flips, " << tally.reported << " reported, "
            << tally.harmless << " without effect\n";
  INFO(tally.missed);
  CHECK(tally.missed.empty());
  CHECK(tally.flips == count);
  // Both kinds are there, or the test would compare nothing.
  CHECK(tally.reported > count / 50);
  CHECK(tally.harmless > 0);
}

}  // namespace

TEST_CASE("flips: bits of the log's own file") { check_flips("log/data.mdb", flips(2500), 1); }

TEST_CASE("flips: bits of the index") { check_flips("index/data.mdb", flips(500), 2); }

TEST_CASE("flips: bits of the Merkle tree") { check_flips("merkle/data.mdb", flips(250), 3); }

TEST_CASE("flips: bits of a log whose bodies are in segments") {
  const TemporaryFolder folder;
  const auto data = folder.path() / "log-folder";
  make_small_log(data);
  std::string file;
  {
    LmdbLogOptions options{.map_bytes = 16 << 20};
    options.segments = {.frame_bytes = 8000, .segment_bytes = 40'000};
    auto log = open_lmdb_log(data, options);
    REQUIRE(log);
    archive_all(**log);
    file = "segments/" + segment_name((*log)->segments().list()->at(1));
    REQUIRE_FALSE((*log)->close());
  }
  // Every byte of a segment is under its SHA-256.
  const auto segment = flip_bits(data, file, flips(300), 4);
  INFO(segment.missed);
  CHECK(segment.missed.empty());
  CHECK(segment.reported == segment.flips);
  const auto hashes = flip_bits(data, "log/data.mdb", flips(500), 5);
  INFO(hashes.missed);
  CHECK(hashes.missed.empty());
  CHECK(hashes.reported > hashes.flips / 50);
}

TEST_CASE("verify: a flip in a segment is reported with the first position that is wrong") {
  const TemporaryFolder folder;
  const auto data = folder.path() / "log-folder";
  make_small_log(data);
  auto log = open_lmdb_log(data, {.map_bytes = 16 << 20});
  REQUIRE(log);
  archive_all(**log);
  const auto path = (*log)->segments().path(1);
  REQUIRE_FALSE((*log)->close());
  log->reset();
  auto bytes = read_file(path);
  bytes[bytes.size() / 3] = static_cast<char>(bytes[bytes.size() / 3] ^ 1);
  write_file(path, bytes);
  const auto report = verify_log(data);
  REQUIRE(report);
  CHECK(report->first_bad_position >= 1);
  CHECK(report->first_bad_position == report->events + 1);
}

TEST_CASE("verify: what was signed for must be there") {
  const TemporaryFolder folder;
  const auto data = folder.path() / "log-folder";
  make_small_log(data);
  const auto sound = verify_log(data);
  REQUIRE(sound);
  CHECK(sound->what.empty());
  CHECK(sound->tree_checked);
  CHECK(sound->index_checked);
  CHECK(sound->checkpoint_size == 301);
  CHECK(sound->signed_by.size() == 8);
  CHECK_FALSE(sound->pinned);
  const auto note = parse_note(read_file(data / kCheckpointFile));
  REQUIRE(note);
  auto checkpoint = parse_checkpoint(note->text);
  REQUIRE(checkpoint);
  CHECK(sound->root == to_string(checkpoint->root));
  // Another key, another text under the signature, a damaged file.
  const auto stranger = SigningKey::from_secret(std::vector<std::uint8_t>(32, 9));
  REQUIRE(stranger);
  const VerifierKey other{checkpoint->origin, stranger->public_key()};
  CHECK_FALSE(verify_log(data, {}, other)->what.empty());
  Note forged{.text = note->text};
  forged.sign(other, *stranger);
  write_file(data / kCheckpointFile, forged.encode());
  CHECK_THAT(verify_log(data)->what, Catch::Matchers::Contains("not signed by a key"));
  ++checkpoint->size;
  write_file(data / kCheckpointFile, Note{checkpoint->text(), note->signatures}.encode());
  CHECK(verify_log(data)->first_bad_position == 302);
  checkpoint->size = 300;
  write_file(data / kCheckpointFile, Note{checkpoint->text(), note->signatures}.encode());
  CHECK(verify_log(data)->first_bad_position == 300);
  write_file(data / kCheckpointFile, "no checkpoint");
  CHECK_THAT(verify_log(data)->what, Catch::Matchers::Contains("checkpoint is damaged"));
}

TEST_CASE("verify: a file that crashes its reader is a finding") {
  const TemporaryFolder folder;
  const auto data = folder.path() / "log-folder";
  make_small_log(data);
  // Pages that are not there any more: reading them is SIGBUS.
  std::filesystem::resize_file(data / "log" / "data.mdb", 3 * 4096);
  const auto report = verify_log(data);
  REQUIRE(report);
  CHECK(report->first_bad_position > 0);
  CHECK_THAT(report->what, Catch::Matchers::Contains("damaged"));
}

TEST_CASE("verify: a folder that can only be read") {
  const TemporaryFolder folder;
  const auto path = folder.path() / "log-to-read";
  make_small_log(path);
  std::filesystem::permissions(
      folder.path(), std::filesystem::perms::others_exec | std::filesystem::perms::others_read,
      std::filesystem::perm_options::add);
  using std::filesystem::perms;
  const auto set = [&](perms all, perms of_folder) {
    std::filesystem::permissions(path, all | of_folder);
    for (const auto& each : std::filesystem::recursive_directory_iterator(path))
      std::filesystem::permissions(each.path(), each.is_directory() ? all | of_folder : all);
  };
  set(perms::owner_read | perms::group_read | perms::others_read,
      perms::owner_exec | perms::group_exec | perms::others_exec);
  const bool without_lock_file = GENERATE(false, true);
  if (without_lock_file) {
    std::filesystem::permissions(path, perms::owner_all | perms::others_read | perms::others_exec);
    std::filesystem::remove(path / "LOCK");
    std::filesystem::permissions(
        path, perms::owner_read | perms::owner_exec | perms::others_read | perms::others_exec);
  }
  const pid_t child = ::fork();
  if (child == 0) {
    constexpr uid_t kNobody = 65534;  // root may write everywhere
    if (::geteuid() == 0 &&
        (::setgroups(0, nullptr) != 0 || ::setresgid(kNobody, kNobody, kNobody) != 0 ||
         ::setresuid(kNobody, kNobody, kNobody) != 0))
      ::_exit(3);
    const auto report = verify_log(path);
    ::_exit(!report ? 2 : report->what.empty() && report->events > 100 ? 0 : 1);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  set(perms::owner_all, perms::none);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
}

TEST_CASE("verify: a tile that is not of the records is named by its position") {
  const TemporaryFolder folder;
  const auto data = folder.path() / "log-folder";
  make_small_log(data);
  {
    auto log = open_lmdb_log(data, {.map_bytes = 16 << 20});
    REQUIRE(log);
    auto store = TileStore::open(data / "merkle", (*log)->log_id(), 16 << 20, false);
    REQUIRE(store);
    auto tile = store->tile({0, 0});
    REQUIRE((tile && *tile));
    (**tile)[41].bytes[0] ^= 1;
    const auto reached = store->reached();
    REQUIRE(reached);
    REQUIRE_FALSE(store->write({{{0, 0}, &**tile}}, {}, *reached));
  }
  const auto report = verify_log(data);
  REQUIRE(report);
  CHECK(report->first_bad_position == 42);
}

}  // namespace flips_tests
