// Views whose files are damaged: they are made anew from the log.
#include <fstream>

#include "fixture.hpp"
#include "projections/open_views.hpp"
#include "projections/view_damage.hpp"

namespace damage_tests {

using namespace mlforge;
using namespace mlforge::projections;
using namespace mlforge::projections::test;

namespace {

namespace fs = std::filesystem;

const ViewStoreOptions kOptions{.map_bytes = 1ull << 30, .boot_id = "boot-1"};

// A log in memory that cannot be read from `bad` on, as if the record there were damaged.
class DamagedLog final : public storage::Log {
 public:
  DamagedLog(const storage::Log& whole, Position bad) : whole_(whole), bad_(bad) {}
  std::vector<Expected<storage::Appended>> append(
      std::span<const storage::AppendRequest>) override {
    return {};
  }
  Position head() const override { return whole_.head(); }
  Expected<Position> read(Position from, std::uint64_t limit,
                          const storage::Visitor& visit) const override {
    if (from >= bad_) return Error{ErrorCode::corrupt, "The record is damaged.", ""};
    const auto sound = std::min<std::uint64_t>(limit, bad_ - from);
    const auto read = whole_.read(from, sound, visit);
    if (read && sound < limit) return Error{ErrorCode::corrupt, "The record is damaged.", ""};
    return read;
  }
  Expected<Position> read_records(Position from, std::uint64_t limit,
                                  const storage::RecordVisitor& visit) const override {
    return whole_.read_records(from, limit, visit);
  }
  Expected<std::uint64_t> read_stream(std::string_view tenant, std::string_view stream,
                                      std::uint64_t from, std::uint64_t limit, Position as_of,
                                      const storage::Visitor& visit) const override {
    return whole_.read_stream(tenant, stream, from, limit, as_of, visit);
  }
  Expected<std::uint64_t> stream_version(std::string_view tenant,
                                         std::string_view stream) const override {
    return whole_.stream_version(tenant, stream);
  }
  std::optional<storage::Appended> find_command(std::string_view tenant,
                                                std::string_view id) const override {
    return whole_.find_command(tenant, id);
  }
  Position position_at(TimeUs time) const override { return whole_.position_at(time); }
  Status writable() const override { return {}; }
  Uuid log_id() const override { return whole_.log_id(); }

 private:
  const storage::Log& whole_;
  Position bad_;
};

struct Views {
  Folder folder;
  std::unique_ptr<storage::MemoryLog> log = make_log();
  fs::path path = folder.path() / "views", file = path / "data.mdb";
  std::string digest;

  explicit Views(int experiments = 300) {
    for (int i = 0; i < experiments; ++i)
      append(*log, {"experiment/" + std::to_string(i),
                    ExperimentCreated{.experiment_id = std::to_string(i),
                                      .name = "e" + std::to_string(i)}});
    auto views = open_views(*log, path, kOptions);
    REQUIRE(views);
    REQUIRE_FALSE(views->behind);
    digest = *views->engine->digest("runs");
    views->engine.reset();
    REQUIRE_FALSE(views->store->close());
  }

  void overwrite(std::uint64_t from, std::uint64_t bytes, char with) {
    std::fstream out(file, std::ios::in | std::ios::out | std::ios::binary);
    out.seekp(static_cast<std::streamoff>(from));
    out << std::string(bytes, with);
    REQUIRE(out.good());
  }

  void check_made_anew() {
    auto views = open_views(*log, path, kOptions);
    REQUIRE(views);
    CHECK_FALSE(views->behind);
    CHECK(views->engine->position() == log->head());
    CHECK(*views->engine->digest("runs") == digest);
  }
};

}  // namespace

TEST_CASE("damage: sound meta pages are told from others") {
  Views v;
  CHECK(has_sound_meta(v.file));
  CHECK(has_sound_meta(v.path / "nothing"));
  SECTION("one of them is not LMDB's") { v.overwrite(16, 4, 'X'); }
  SECTION("a page size that cannot be") { v.overwrite(40, 4, 'X'); }
  SECTION("another layout's version") { v.overwrite(4096 + 20, 4, 'X'); }
  SECTION("the file was cut short") { fs::resize_file(v.file, fs::file_size(v.file) / 2); }
  SECTION("the file was cut inside its first page") { fs::resize_file(v.file, 100); }
  CHECK_FALSE(has_sound_meta(v.file));
  v.check_made_anew();
}

TEST_CASE("damage: what LMDB finds while the views catch up has them made anew") {
  Views v;
  const auto size = fs::file_size(v.file);
  v.overwrite(2 * 4096, size - 2 * 4096, '\0');  // all pages but the two meta pages
  REQUIRE(has_sound_meta(v.file));
  v.check_made_anew();
}

TEST_CASE("damage: what a query finds is remembered, and the next open throws the views away") {
  Views v;
  const auto mark = v.path / kDamagedMark;
  {
    auto store = ViewStore::open(v.path, kOptions);
    REQUIRE(store);
    auto reader = (*store)->reader();
    REQUIRE(reader);
    CHECK_FALSE(get_experiment(*reader, kTenant, "no such"));
    CHECK_FALSE(fs::exists(mark));
    v.overwrite(2 * 4096, fs::file_size(v.file) - 2 * 4096, '\0');
    auto later = (*store)->reader();
    REQUIRE(later);
    CHECK_FALSE(get_experiment(*later, kTenant, "7"));
    REQUIRE(later->status());
    CHECK(is_view_damage(*later->status()));
    CHECK(fs::exists(mark));
  }
  auto store = ViewStore::open(v.path, kOptions);
  REQUIRE(store);
  CHECK((*store)->discarded());
  CHECK_FALSE(fs::exists(mark));
  store->reset();
  v.check_made_anew();
}

TEST_CASE("damage: a log that cannot be read on leaves the views where they are") {
  Views v(50);
  for (int i = 50; i < 80; ++i)
    append(*v.log,
           {"experiment/" + std::to_string(i), ExperimentCreated{.experiment_id = std::to_string(i),
                                                                 .name = "e" + std::to_string(i)}});
  const DamagedLog damaged(*v.log, 70);
  auto views = open_views(damaged, v.path, kOptions);
  REQUIRE(views);
  REQUIRE(views->behind);
  CHECK(views->behind->code == ErrorCode::corrupt);
  CHECK_FALSE(is_view_damage(*views->behind));
  CHECK(views->engine->position() == 69);
  auto reader = views->store->reader();
  REQUIRE(reader);
  CHECK(get_experiment(*reader, kTenant, "68"));
}

TEST_CASE("damage: a store is copied, and put in the place of another") {
  Views v(20);
  const auto fresh = fresh_views_folder(v.path);
  {
    auto views = open_views(*v.log, v.path, kOptions);
    REQUIRE(views);
    REQUIRE_FALSE(copy_views(*views->store, fresh));
    append(*v.log, {"experiment/x", ExperimentCreated{.experiment_id = "x", .name = "x"}});
    REQUIRE(views->engine->catch_up());
    views->engine.reset();
    REQUIRE_FALSE(views->store->close());
  }
  REQUIRE_FALSE(replace_views(v.path, fresh));
  CHECK_FALSE(fs::exists(fresh));
  auto store = ViewStore::open(v.path, kOptions);
  REQUIRE(store);
  CHECK_FALSE((*store)->discarded());
  auto reader = (*store)->reader();
  REQUIRE(reader);
  CHECK(reader->position("runs") == 20);
}

TEST_CASE("open_views: a request to stop ends the building between two batches") {
  Views v;
  REQUIRE_FALSE(discard_views(v.path));
  int asked = 0;
  {
    const auto stopped =
        open_views(*v.log, v.path, kOptions, {}, [&asked] { return ++asked == 1; });
    REQUIRE(stopped);
    CHECK(asked == 1);
    CHECK_FALSE(stopped->behind);
    CHECK(stopped->engine->position() == 0);
  }
  v.check_made_anew();
}

TEST_CASE("damage: the audit trail says which records are damaged, and goes on behind them") {
  Views v(20);
  auto views = open_views(*v.log, v.path, kOptions);
  REQUIRE(views);
  auto reader = views->store->reader();
  REQUIRE(reader);
  const DamagedLog damaged(*v.log, 15);
  const auto first = list_audit(*reader, damaged, kTenant, {.actor = "ann"}, {.limit = 7});
  REQUIRE(first);
  REQUIRE(first->items.size() == 7);
  for (std::size_t i = 0; i < 7; ++i) {
    CHECK(first->items[i].position == 20 - i);
    CHECK((first->items[i].summary == "The record is damaged.") == (i < 6));
  }
  const auto second = list_audit(*reader, damaged, kTenant, {},
                                 {.limit = 100, .page_token = first->next_page_token});
  REQUIRE(second);
  CHECK(second->items.size() == 13);
  CHECK(second->next_page_token.empty());
}

}  // namespace damage_tests
