// The cursors of those who follow the log, and the secrets that others share with us.
#include <functional>
#include <random>

#include "storage/cursor_store.hpp"
#include "storage/line_checksum.hpp"
#include "storage/secret_file.hpp"
#include "tests/storage/log_fixtures.hpp"

namespace mlforge::storage {
namespace {

using Kept = std::map<std::string, std::string>;

const Uuid kLog = *parse_uuid("01890a5d-ac96-774b-bcce-000000000001");
const Uuid kOther = *parse_uuid("01890a5d-ac96-774b-bcce-000000000002");

std::unique_ptr<CursorStore> open_store(const std::filesystem::path& folder, const Uuid& log) {
  auto store = CursorStore::open(folder, log);
  if (!store) FAIL(store.error().message);
  return *std::move(store);
}

Kept kept(const CursorStore& store) {
  auto rows = store.load();
  if (!rows) FAIL(rows.error().message);
  return *std::move(rows);
}

}  // namespace

TEST_CASE("cursors: what is saved is there after the next start") {
  const TemporaryFolder folder;
  const auto path = folder.path() / "a";
  auto store = open_store(path, kLog);
  CHECK(kept(*store).empty());
  REQUIRE_FALSE(store->save({{"one", "1"}, {"two", "2"}}));
  REQUIRE_FALSE(store->save({{"one", std::nullopt}, {"none", std::nullopt}, {"three", "3"}}));
  store.reset();
  store = open_store(path, kLog);
  CHECK(kept(*store) == Kept{{"two", "2"}, {"three", "3"}});
  REQUIRE_FALSE(store->copy(folder.path() / "b"));
  CHECK(kept(*open_store(folder.path() / "b", kLog)) == kept(*store));
}

TEST_CASE("cursors: those of another log are dropped, and damaged ones are made anew") {
  const TemporaryFolder folder;
  const auto path = folder.path() / "a";
  REQUIRE_FALSE(open_store(path, kLog)->save({{"one", "1"}}));
  CHECK(kept(*open_store(path, kOther)).empty());
  CHECK(kept(*open_store(path, kLog)).empty());
  CHECK(open_store(path, kLog)->mended().empty());
  write_file(path / "data.mdb", std::string(40'000, 'x'));
  for (int i = 0; i < 2; ++i) {
    const auto store = open_store(path, kLog);
    CHECK(kept(*store) == Kept{{kCursorsMended, store->mended()}});
    CHECK(store->mended().find("a.damaged-1") != std::string::npos);
  }
}

namespace {

// What a store with three rows, one of them on pages of its own, looks like after `damage` was done
// to its file: no row may be another than it was, and what is missing must be said.
void check_damaged(const std::filesystem::path& origin, const std::filesystem::path& path,
                   const Kept& rows, const std::function<void(std::string&)>& damage) {
  std::filesystem::remove_all(path);
  std::filesystem::create_directories(path);
  auto bytes = read_file(origin / "data.mdb");
  damage(bytes);
  write_file(path / "data.mdb", bytes);
  const auto said = verify_cursors(path, kLog);
  REQUIRE(said);
  const auto store = open_store(path, kLog);
  const auto found = kept(*store);
  CHECK(said->empty() == store->mended().empty());
  if (store->mended().empty()) {
    CHECK(found == rows);
  } else {
    CHECK(read_file(path.string() + ".damaged-1/data.mdb") == bytes);
    for (const auto& [key, text] : found)
      CHECK((key == kCursorsMended ? store->mended() : rows.at(key)) == text);
    // Said until somebody has made good what is missing.
    REQUIRE_FALSE(store->save({{kCursorsMended, std::nullopt}}));
  }
  // It can be written, and is whole from then on.
  REQUIRE_FALSE(store->save({{"new", "1"}}));
  CHECK(verify_cursors(path, kLog).value().empty());
  std::filesystem::remove_all(path.string() + ".damaged-1");
}

}  // namespace

TEST_CASE("cursors: whatever bits are damaged, none is wrong and none is missing silently") {
  const TemporaryFolder folder;
  const auto origin = folder.path() / "a", path = folder.path() / "b";
  Kept rows{{"one", "1"}, {"two", std::string(9000, '2')}, {"three", std::string(900, '3')}};
  {
    auto store = open_store(origin, kLog);
    for (const auto& [key, text] : rows) REQUIRE_FALSE(store->save({{key, text}}));
    REQUIRE_FALSE(store->save({{"gone", "x"}}));
    REQUIRE_FALSE(store->save({{"gone", std::nullopt}}));
  }
  const auto size = read_file(origin / "data.mdb").size();
  std::mt19937_64 random(7);
  for (int i = 0; i < 150; ++i) {
    const auto bit = random() % (size * 8);
    INFO("bit " << bit);
    // A flip in the newer meta page may bring back the older commit: no row is wrong there.
    if (bit / 8 < 8192) continue;
    check_damaged(origin, path, rows,
                  [&](std::string& bytes) { bytes[bit / 8] ^= static_cast<char>(1 << bit % 8); });
  }
  check_damaged(origin, path, rows, [](std::string& bytes) {
    for (std::size_t page = 8192; page < bytes.size(); page += 4096) {
      bytes[page + 12] = '\x10';
      bytes[page + 13] = '\xf0';
    }
  });
  check_damaged(origin, path, rows, [](std::string& bytes) { bytes.resize(bytes.size() / 2); });
  check_damaged(origin, path, rows,
                [](std::string& bytes) { std::fill(bytes.begin() + 8192, bytes.end(), '\0'); });
}

TEST_CASE("cursors: a table from before there were checksums is taken over") {
  const TemporaryFolder folder;
  const auto path = folder.path() / "a";
  std::filesystem::create_directories(path);
  {
    auto env = Env::open(path.string(), {.map_bytes = 1 << 20, .databases = 1});
    REQUIRE(env);
    Txn txn;
    MDB_dbi table = 0;
    REQUIRE(txn.begin(env->get(), 0) == 0);
    REQUIRE(mdb_dbi_open(txn.get(), "cursors", MDB_CREATE, &table) == 0);
    for (const auto& [name, text] : Kept{{"log", to_string(kLog)}, {"=one", "1"}, {"=two", "2"}}) {
      MDB_val key{name.size(), const_cast<char*>(name.data())};
      MDB_val value{text.size(), const_cast<char*>(text.data())};
      REQUIRE(mdb_put(txn.get(), table, &key, &value, 0) == 0);
    }
    REQUIRE(txn.commit() == 0);
  }
  CHECK(verify_cursors(path, kLog).value().empty());
  for (int i = 0; i < 2; ++i) {
    const auto store = open_store(path, kLog);
    CHECK(store->mended().empty());
    CHECK(kept(*store) == Kept{{"one", "1"}, {"two", "2"}});
  }
  CHECK(read_cursors(path, kLog)->state == CursorsFound::State::whole);
}

TEST_CASE("cursors: a file that the system does not give is not taken for a damaged one") {
  const TemporaryFolder folder;
  const auto path = folder.path() / "a";
  REQUIRE_FALSE(open_store(path, kLog)->save({{"one", "1"}}));
  // Root may read everything, but no folder as a file.
  const auto file = path / "data.mdb", kept_file = path / "kept";
  std::filesystem::rename(file, kept_file);
  std::filesystem::create_directory(file);
  CHECK_FALSE(read_cursors(path, kLog));
  CHECK_FALSE(CursorStore::open(path, kLog));
  std::filesystem::remove(file);
  std::filesystem::rename(kept_file, file);
  CHECK(kept(*open_store(path, kLog)) == Kept{{"one", "1"}});
  CHECK_FALSE(std::filesystem::exists(folder.path() / "a.damaged-1"));
}

TEST_CASE("cursors: a table without a row is no new one") {
  const TemporaryFolder folder;
  const auto path = folder.path() / "a";
  REQUIRE_FALSE(open_store(path, kLog)->save({{"one", "1"}}));
  {
    auto env = Env::open(path.string(), {.map_bytes = 1 << 30, .databases = 1});
    REQUIRE(env);
    Txn txn;
    MDB_dbi table = 0;
    REQUIRE(txn.begin(env->get(), 0) == 0);
    REQUIRE(mdb_dbi_open(txn.get(), "cursors", 0, &table) == 0);
    REQUIRE(mdb_drop(txn.get(), table, GENERATE(0, 1)) == 0);
    REQUIRE(txn.commit() == 0);
  }
  CHECK_FALSE(verify_cursors(path, kLog).value().empty());
  CHECK_FALSE(open_store(path, kLog)->mended().empty());
}

TEST_CASE(
    "cursors: a copy of a damaged folder says what is missing, and the folder stays as it is") {
  const TemporaryFolder folder;
  const auto path = folder.path() / "a";
  REQUIRE_FALSE(open_store(path, kLog)->save({{"one", "1"}}));
  REQUIRE_FALSE(copy_cursors(path, folder.path() / "b", kLog));
  CHECK(kept(*open_store(folder.path() / "b", kLog)) == Kept{{"one", "1"}});
  auto bytes = read_file(path / "data.mdb");
  bytes.resize(5000);
  write_file(path / "data.mdb", bytes);
  REQUIRE_FALSE(copy_cursors(path, folder.path() / "c", kLog));
  CHECK_FALSE(open_store(folder.path() / "c", kLog)->mended().empty());
  CHECK(read_file(path / "data.mdb") == bytes);
}

TEST_CASE("cursors: written anew after a crash, whatever was half done") {
  const TemporaryFolder folder;
  const auto path = folder.path() / "a", fresh = folder.path() / "a.new";
  REQUIRE_FALSE(open_store(path, kLog)->save({{"one", "1"}}));
  CHECK(kept(*CursorStore::open(path, kLog, true).value()) == Kept{{"one", "1"}});
  // The folder was put aside, and the new one had no name yet.
  std::filesystem::rename(path, fresh);
  CHECK(kept(*open_store(path, kLog)) == Kept{{"one", "1"}});
  // The new one was not whole yet.
  std::filesystem::create_directories(fresh);
  write_file(fresh / "data.mdb", "half");
  CHECK(kept(*open_store(path, kLog)) == Kept{{"one", "1"}});
  CHECK(open_store(path, kLog)->mended().empty());
  CHECK(std::distance(std::filesystem::directory_iterator(folder.path()),
                      std::filesystem::directory_iterator()) == 1);
}

TEST_CASE("cursors: a line of text with its checksum") {
  const std::string line = "01890a5d-ac96-774b-bcce-000000000001 1200";
  const auto whole = line + " " + line_checksum(line) + "\n";
  CHECK(checked_line(whole) == line);
  CHECK(checked_line(line + "\n") == line);  // from before there were checksums
  CHECK(checked_line("") == "");
  for (std::size_t bit = 0; bit + 8 < whole.size() * 8; ++bit) {
    auto damaged = whole;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ 1 << bit % 8);
    const auto found = checked_line(damaged);
    INFO(damaged);
    // Nothing, or a text with something behind its two words.
    CHECK((!found || std::count(found->begin(), found->end(), ' ') != 1 || found->size() > 50));
  }
}

TEST_CASE("secrets: kept apart, by a fingerprint that tells nothing") {
  const TemporaryFolder folder;
  const auto path = folder.path() / "secrets";
  const auto one = keep_secret(path, "swordfish").value();
  const auto two = keep_secret(path, "swordfish").value();
  CHECK(one.size() == 16);
  CHECK(one != two);
  CHECK(keep_secret(path, "swordfish", one).value() == one);
  CHECK(keep_secret(path, "other", one).value() != one);
  CHECK(read_secret(path, one).value() == "swordfish");
  const auto mode = std::filesystem::status(path / one).permissions();
  CHECK(mode == (std::filesystem::perms::owner_read | std::filesystem::perms::owner_write));
  for (const auto* name : {"", "0123456789abcdef", "../FORMAT", "0123456789ABCDEF"})
    CHECK(read_secret(path, name).error().code == ErrorCode::not_found);
  write_file(path / two, std::string(50, 'x'));
  CHECK(read_secret(path, two).error().code == ErrorCode::corrupt);
  forget_secret(path, one);
  CHECK_FALSE(read_secret(path, one));
}

}  // namespace mlforge::storage
