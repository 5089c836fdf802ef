// The cursors of those who follow the log, and the secrets that others share with us.
#include "storage/cursor_store.hpp"
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
  write_file(path / "data.mdb", std::string(40'000, 'x'));
  CHECK(kept(*open_store(path, kLog)).empty());
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
