#include <unistd.h>

#include "fixture.hpp"

namespace view_store_tests {

using namespace mlforge;
using namespace mlforge::projections;
using namespace mlforge::projections::test;

namespace {

// A store that is written without an engine.
struct Store {
  Folder folder;
  std::unique_ptr<ViewStore> store = open_store(folder.path());
  ViewWriter writer{store->tables()};

  template <class F>
  Status batch(F&& write) {
    storage::Txn txn;
    REQUIRE(txn.begin(store->env(), 0) == 0);
    writer.begin(txn.get());
    write(writer);
    if (auto bad = writer.flush()) return bad;
    REQUIRE(txn.commit() == 0);
    return {};
  }
  ViewReader reader() {
    auto reader = store->reader();
    REQUIRE(reader);
    return std::move(*reader);
  }
};

using Rows = std::vector<std::pair<std::string, std::string>>;

Rows scan(ViewReader& view, const std::string& prefix, const std::string& after, Position as_of,
          std::size_t limit = 100, bool reverse = false) {
  Rows rows;
  view.scan(
      prefix, after, as_of, limit,
      [&](std::string_view key, std::string_view value) {
        rows.emplace_back(key.substr(prefix.size()), value);
        return true;
      },
      reverse);
  return rows;
}

}  // namespace

TEST_CASE("a row is answered as it stood at every position") {
  Store s;
  const auto key = view_key("p", "t", "row", "a");
  REQUIRE_FALSE(s.batch([&](ViewWriter& w) {
    w.put(key, "one", 3);
    w.put(key, "two", 5);
    w.put(key, "two", 6);  // the same again is no version
  }));
  REQUIRE_FALSE(s.batch([&](ViewWriter& w) {
    REQUIRE(w.get(key) == "two");
    w.erase(key, 8);
    REQUIRE_FALSE(w.get(key));
  }));
  s.writer.discard();
  REQUIRE_FALSE(s.batch([&](ViewWriter& w) {
    REQUIRE_FALSE(w.get(key));
    w.put(key, "draft", 9);
    w.put(key, "three", 9);  // by the same event: one version
  }));
  auto view = s.reader();
  const std::vector<std::optional<std::string_view>> expected{
      {}, {}, {}, "one", "one", "two", "two", "two", {}, "three", "three"};
  for (Position p = 0; p < expected.size(); ++p) REQUIRE(view.get(key, p) == expected[p]);
  REQUIRE(view.get(key) == "three");
  REQUIRE_FALSE(view.get(view_key("p", "t", "row", "b")));
  REQUIRE_FALSE(view.get(view_key("p", "t", "row")));
  REQUIRE_FALSE(view.status());
}

TEST_CASE(
    "a large row that changes often takes the room of its changes, and each version is exact") {
  // The same changes in other batches must leave the same bytes.
  std::string digests[2];
  for (const std::uint64_t batch_size : {1, 7}) {
    Store s;
    const auto key = view_key("p", "t", "row", "a");
    std::mt19937_64 draw(3);
    std::vector<std::string> versions{""};
    std::map<std::string, std::string> tags;
    for (Position p = 1; p <= 700;) {
      if (p % 50 == 0) s.writer.discard();
      REQUIRE_FALSE(s.batch([&](ViewWriter& w) {
        for (std::uint64_t i = 0; i < batch_size && p <= 700; ++i, ++p) {
          const auto kind = draw() % 300;
          if (kind == 0) {
            versions.emplace_back();
            w.erase(key, p);
            tags.clear();
            continue;
          }
          if (kind == 1) tags.clear();
          for (std::uint64_t n = kind == 1 ? 60 : 1; n > 0; --n)
            tags["tag" + std::to_string(draw() % 500)] = std::to_string(draw());
          std::string value;
          for (const auto& [name, text] : tags) value += name + "=" + text + ";";
          if (kind % 3 == 0) w.put(key, value + "draft", p);  // by the same event
          w.put(key, value, p);
          versions.push_back(value);
        }
      }));
    }
    auto view = s.reader();
    for (Position p = 0; p < versions.size(); ++p) {
      const auto then = view.get(key, p);
      REQUIRE(std::string(then.value_or("")) == versions[p]);
    }
    REQUIRE_FALSE(view.status());
    digests[batch_size == 7] = view.digest("p");
    std::size_t whole = 0;
    for (const auto& each : versions) whole += each.size();
    storage::Txn txn;
    MDB_stat stat{};
    REQUIRE(txn.begin(s.store->env(), MDB_RDONLY) == 0);
    REQUIRE(mdb_stat(txn.get(), s.store->tables().history, &stat) == 0);
    const auto pages = stat.ms_branch_pages + stat.ms_leaf_pages + stat.ms_overflow_pages;
    CHECK(pages * stat.ms_psize < whole / 2);
  }
  CHECK(digests[0] == digests[1]);
}

TEST_CASE("a scan sees the rows of its prefix, both ways, as of a position, page by page") {
  Store s;
  REQUIRE_FALSE(s.batch([&](ViewWriter& w) {
    Position p = 0;
    for (const char* id : {"b", "a", "d", "c"}) w.put(view_key("p", "t", "row", id), id, ++p);
    w.put(view_key("p", "t", "row2", "x"), "x", 5);
    w.put(view_key("p", "t", "rov", "x"), "x", 5);
    w.erase(view_key("p", "t", "row", "a"), 6);
  }));
  auto view = s.reader();
  const auto prefix = view_prefix("p", "t", "row");
  REQUIRE(scan(view, prefix, "", kLatest) == Rows{{"b", "b"}, {"c", "c"}, {"d", "d"}});
  REQUIRE(scan(view, prefix, "", 5) == Rows{{"a", "a"}, {"b", "b"}, {"c", "c"}, {"d", "d"}});
  REQUIRE(scan(view, prefix, "", 2) == Rows{{"a", "a"}, {"b", "b"}});
  REQUIRE(scan(view, prefix, prefix + "b", 5, 1) == Rows{{"c", "c"}});
  REQUIRE(scan(view, prefix, prefix + "bb", 5, 1) == Rows{{"c", "c"}});
  REQUIRE(scan(view, prefix, "", 5, 2, true) == Rows{{"d", "d"}, {"c", "c"}});
  REQUIRE(scan(view, prefix, prefix + "c", 5, 9, true) == Rows{{"b", "b"}, {"a", "a"}});
  REQUIRE(scan(view, prefix, prefix + "a", 5, 9, true).empty());
  REQUIRE(scan(view, view_prefix("zz"), "", 5, 9, true).empty());
  REQUIRE(scan(view, prefix, "", kLatest, 0).empty());
}

TEST_CASE("plain rows are changed in memory and written once a batch") {
  Store s;
  const auto key = view_key("p", "t", "hot", "a");
  for (int batch = 0; batch < 3; ++batch)
    REQUIRE_FALSE(s.batch([&](ViewWriter& w) {
      for (int i = 0; i < 10; ++i) w.plain(key) += 'x';
    }));
  REQUIRE(s.reader().get_plain(key)->size() == 30);
  s.writer.discard();
  REQUIRE_FALSE(s.batch([&](ViewWriter& w) { w.plain(key) += 'y'; }));
  REQUIRE(s.reader().get_plain(key)->size() == 31);
  REQUIRE_FALSE(s.batch([&](ViewWriter& w) { w.put_plain(key, "new"); }));
  REQUIRE(s.reader().get_plain(key) == "new");
}

TEST_CASE("a row that is kept parsed follows its text") {
  Store s;
  const auto key = view_key("p", "t", "row", "a");
  std::size_t parses = 0;
  const auto parse = [&](std::string_view text) {
    ++parses;
    return std::string(text);
  };
  const auto append = [&](ViewWriter& w, const char* what, Position position) {
    w.update<std::string>(
        key, position, parse, [&](std::string& row) { row += what; },
        [](std::string& out, std::string_view, const std::string& row) { out += row; });
  };
  REQUIRE_FALSE(s.batch([&](ViewWriter& w) {
    append(w, "nothing to append to", 1);
    w.put(key, "a", 2);
    append(w, "b", 3);
    append(w, "c", 4);
    CHECK(parses == 1);
    CHECK(*w.parsed<std::string>(key, parse) == "abc");
    w.put(key, "A", 5);
    append(w, "B", 6);
    CHECK(parses == 2);
    w.erase(key, 7);
    append(w, "nothing again", 8);
    CHECK(w.parsed<std::string>(key, parse) == nullptr);
  }));
  auto view = s.reader();
  const std::vector<std::optional<std::string_view>> expected{{},  {},   "a", "ab", "abc",
                                                              "A", "AB", {},  {}};
  for (Position p = 0; p < expected.size(); ++p) CHECK(view.get(key, p) == expected[p]);
}

TEST_CASE("rows that are only added are there after the batch, with the rest") {
  Store s;
  const auto row = [](const char* name) { return view_key("p", "t", "row", name); };
  REQUIRE_FALSE(s.batch([&](ViewWriter& w) {
    w.add_plain(row("c"), "3");
    w.add_plain(row("a"), "1");
    w.plain(row("b")) = "2";
    CHECK(w.pending_bytes() > 3 * row("a").size());
  }));
  CHECK(s.writer.pending_bytes() == 0);
  auto view = s.reader();
  std::string all;
  view.scan_plain(view_prefix("p", "t", "row"), {}, 10, [&](auto, std::string_view value) {
    all += value;
    return true;
  });
  CHECK(all == "123");
}

TEST_CASE("more rows than are kept in memory stay right") {
  Store s;
  for (Position batch = 1; batch <= 3; ++batch)
    REQUIRE_FALSE(s.batch([&](ViewWriter& w) {
      for (int i = 0; i < 5000; ++i)
        w.put(view_key("p", "t", "row", std::to_string(i)), std::to_string(batch), batch);
    }));
  auto view = s.reader();
  REQUIRE(scan(view, view_prefix("p", "t", "row"), "", 2, 9999).size() == 5000);
  REQUIRE(view.get(view_key("p", "t", "row", "4999"), 1) == "1");
  REQUIRE(view.get(view_key("p", "t", "row", "4999"), 2) == "2");
}

TEST_CASE("parts cannot pose as others, however long or odd they are") {
  REQUIRE(view_key("p", "a", "b") != view_key("p", std::string("a\0b", 3)));
  REQUIRE(view_key("p", "\1\1") != view_key("p", std::string(1, '\0')));
  const std::string many(5000, 'x');
  REQUIRE(view_key("p", many + "a") != view_key("p", many + "b"));
  REQUIRE(view_key("p", many + "a") == view_key("p", many + "a"));
  REQUIRE(view_key("p", many, "row").starts_with(view_prefix("p", many)));
  REQUIRE(view_key("projection", many, "table", many, many, ascending(1)).size() <= kMaxKeyBytes);
  REQUIRE(ascending(9) < ascending(10));
  REQUIRE(descending(9) > descending(10));
  REQUIRE(parse_ascending(ascending(77)) == 77u);
  REQUIRE_FALSE(parse_ascending("xyz"));
}

TEST_CASE("a key is its parts with zeros between them, whatever is odd in one of them") {
  const std::string zero(1, '\0');
  REQUIRE(view_key("p", "t", "row", "a") == "p" + zero + "t" + zero + "row" + zero + "a");
  REQUIRE(view_key("p", "", "") == "p" + zero + zero);
  REQUIRE(view_prefix("p", "t") == "p" + zero + "t" + zero);
  const std::string every[] = {"",
                               "a",
                               "12345678",
                               std::string("\1") + "23456789",
                               "1234567\2",
                               zero,
                               std::string(120, 'l'),
                               std::string(121, 'm')};
  for (const auto& first : every)
    for (const auto& second : every)
      for (const auto& third : every) {
        std::string expected;
        append_part(expected, first);
        append_part(expected += '\0', second);
        append_part(expected += '\0', third);
        REQUIRE(view_key(first, second, third) == expected);
        REQUIRE(view_prefix(first, second, third) == expected + zero);
      }
}

TEST_CASE("a key that is too long is refused, not written") {
  Store s;
  const auto bad = s.batch([&](ViewWriter& w) { w.put(std::string(600, 'k'), "v", 1); });
  REQUIRE(bad);
  REQUIRE(bad->message.find("502 bytes") != std::string::npos);
  s.writer.discard();
  REQUIRE_FALSE(s.batch([&](ViewWriter& w) { w.put("k", "v", 1); }));
}

TEST_CASE("a file that memory cannot hold is read page by page, without what lies beside") {
  Folder folder;
  const auto reads_ahead = [&] {
    auto store = ViewStore::open(folder.path());
    REQUIRE(store);
    unsigned flags = 0;
    REQUIRE(mdb_env_get_flags((*store)->env(), &flags) == 0);
    REQUIRE_FALSE((*store)->close());
    return (flags & MDB_NORDAHEAD) == 0;
  };
  CHECK(reads_ahead());
  CHECK(reads_ahead());  // a file that is there, and small
  const auto memory = static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES)) *
                      static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  std::filesystem::resize_file(folder.path() / "data.mdb", memory);  // sparse
  CHECK_FALSE(reads_ahead());
}

TEST_CASE("many readers at once, and a full table of readers is an error") {
  Folder folder;
  auto store = ViewStore::open(folder.path(), {.map_bytes = 1 << 20, .readers = 8});
  REQUIRE(store);
  std::vector<ViewReader> readers;
  for (int i = 0; i < 8; ++i) {
    auto reader = (*store)->reader();
    REQUIRE(reader);
    readers.push_back(std::move(*reader));
  }
  const auto one_more = (*store)->reader();
  REQUIRE_FALSE(one_more);
  REQUIRE(one_more.error().code == ErrorCode::unavailable);
}

}  // namespace view_store_tests
