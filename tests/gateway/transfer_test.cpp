// export and import on folders of their own.
#include <catch2/catch.hpp>

#include "storage/blob_store.hpp"
#include "storage/lmdb_log.hpp"
#include "storage/verify.hpp"
#include "tests/gateway/cli_support.hpp"

namespace transfer_tests {

using namespace mlforge;
using namespace mlforge::gateway;
using namespace mlforge::gateway::test;
namespace fs = std::filesystem;

namespace {

std::string read_file(const fs::path& path) {
  std::ostringstream bytes;
  bytes << std::ifstream(path, std::ios::binary).rdbuf();
  return bytes.str();
}

// Events of JSON, of columns and of bytes that are neither, and one blob that an event names.
storage::Digest fill(const fs::path& folder) {
  storage::LmdbLogOptions options;
  options.map_bytes = std::size_t{1} << 30;
  options.ids = storage::seeded_ids(7);
  auto log = storage::open_lmdb_log(folder, options);
  REQUIRE(log);
  auto blobs = storage::open_local_blobs(folder / "blobs");
  REQUIRE(blobs);
  const auto blob = (*blobs)->put("default", storage::as_bytes("the bytes of a file"));
  REQUIRE(blob);
  const std::string payloads[] = {
      R"({"name":"toy","source":"here"})",
      R"({"path":"a.csv","digest":")" + to_string(blob->digest) + R"(","bytes":19})",
      "{\"not\":\"one\nline\"}", std::string("\x00\xff\x01", 3), ""};
  for (int i = 0; i < 20; ++i) {
    NewEvent event;
    event.stream = i < 2 ? "dataset/toy" : "other/" + std::to_string(i % 4);
    event.type = i == 0 ? "dataset.created" : i == 1 ? "dataset.file_staged" : "other.happened";
    event.payload = payloads[i % 5];
    event.content_type = i > 10 ? ContentType::columns : ContentType::json;
    const storage::AppendRequest request{.tenant = "default",
                                         .actor = i == 3 ? "\xff" : "ann",
                                         .command_id = "c" + std::to_string(i),
                                         .events = {event}};
    REQUIRE((*log)->append(std::span(&request, 1)).front());
  }
  REQUIRE_FALSE((*log)->close());
  return blob->digest;
}

std::string records(const fs::path& folder) {
  storage::LmdbLogOptions options;
  options.map_bytes = std::size_t{1} << 30;
  const auto log = storage::open_lmdb_log(folder, options);
  REQUIRE(log);
  std::string out;
  REQUIRE((*log)->read_records(1, 1000, [&](Position, storage::Bytes record) {
    out += storage::as_text(record);
    return true;
  }));
  return out;
}

std::string log_id(const fs::path& folder) { return read_file(folder / "FORMAT"); }

}  // namespace

TEST_CASE("export and import: the same records, and an export of the import is the same bytes") {
  const TempFolder folder;
  const auto data = (folder.path / "data").string(), copy = (folder.path / "copy").string();
  const auto digest = fill(data);
  const auto lines = (folder.path / "log.jsonl").string(), blobs = (folder.path / "blobs").string();
  const auto exported =
      run({"export", "--data", data, "-o", lines, "--blobs", blobs, "--header", "--json"});
  INFO(exported.err);
  CHECK(exported.code == 0);
  CHECK(has(exported.out, R"({"events":20,"blobs":1,"blob_bytes":19,"missing_blobs":0})"));
  const auto imported = run({"import", lines, "--data", copy, "--blobs", blobs, "--keep-log-id",
                             "--log-map-gib", "1", "--json"});
  INFO(imported.err);
  CHECK(imported.code == 0);
  CHECK(has(imported.out, R"("events":20,)"));
  CHECK(records(copy) == records(data));
  CHECK(log_id(copy) == log_id(data));
  CHECK(run({"verify", "--data", copy}).code == 0);
  CHECK_FALSE((*storage::open_local_blobs(fs::path(copy) / "blobs"))->verify("default", digest));
  const auto again = (folder.path / "again.jsonl").string();
  CHECK(run({"export", "--data", copy, "-o", again, "--header"}).code == 0);
  CHECK(read_file(again) == read_file(lines));
}

TEST_CASE("an import has a log id of its own unless it is told to keep the old one") {
  const TempFolder folder;
  const auto data = (folder.path / "data").string();
  fill(data);
  const auto exported = run({"export", "--data", data});
  CHECK(exported.code == 0);
  CHECK(std::count(exported.out.begin(), exported.out.end(), '\n') == 20);
  const auto a = (folder.path / "a").string(), b = (folder.path / "b").string();
  CHECK(run({"import", "-", "--data", a, "--log-map-gib", "1"}, {}, exported.out).code == 0);
  CHECK(log_id(a) != log_id(data));
  CHECK(records(a) == records(data));
  CHECK(run({"export", "--data", a}).out == exported.out);
  const auto kept = run({"import", "-", "--data", b, "--keep-log-id"}, {}, exported.out);
  CHECK(kept.code == 2);
  CHECK(has(kept.err, "--header"));
  CHECK_FALSE(fs::exists(b));
}

TEST_CASE("filters and bounds of an export") {
  const TempFolder folder;
  const auto data = (folder.path / "data").string();
  fill(data);
  const auto lines = [&](std::vector<std::string> more) {
    std::vector<std::string> args{"export", "--data", data};
    args.insert(args.end(), more.begin(), more.end());
    const auto ran = run(args);
    INFO(ran.err);
    CHECK(ran.code == 0);
    return std::count(ran.out.begin(), ran.out.end(), '\n');
  };
  CHECK(lines({"--from", "5"}) == 16);
  CHECK(lines({"--from", "5", "--to", "7"}) == 3);
  CHECK(lines({"--to", "1999-01-01T00:00:00Z"}) == 0);
  CHECK(lines({"--stream", "dataset/toy"}) == 2);
  CHECK(lines({"--stream", "other/*"}) == 18);
  CHECK(lines({"--type", "dataset.*", "--from", "2"}) == 1);
  CHECK(lines({"--from", "21"}) == 0);
  CHECK(lines({"--from", "1999-01-01T00:00:00Z"}) == 20);
  CHECK(lines({"--from", "2999-01-01T00:00:00Z"}) == 0);
  CHECK(run({"export", "--data", data, "--to", "21"}).code == 2);
  CHECK(run({"export", "--data", (folder.path / "none").string()}).code == 3);
}

TEST_CASE("a failed import names line and field, and leaves nothing") {
  const TempFolder folder;
  const auto data = (folder.path / "data").string(), copy = (folder.path / "copy").string();
  fill(data);
  const auto good = run({"export", "--data", data}).out;
  const auto nth = [&](int line) {
    std::size_t at = 0;
    while (line-- > 1) at = good.find('\n', at) + 1;
    return at;
  };
  const auto fails = [&](const std::string& text, const std::string& words, int code) {
    const auto ran = run({"import", "-", "--data", copy, "--log-map-gib", "1"}, {}, text);
    INFO(ran.err);
    CHECK(ran.code == code);
    CHECK(has(ran.err, words));
    CHECK_FALSE(fs::exists(copy));
    CHECK(std::distance(fs::directory_iterator(folder.path), fs::directory_iterator()) == 1);
  };
  auto text = good;
  text.replace(nth(7) + 12, 1, "6");
  fails(text, "line 7: field 'commitment'", 6);
  text = good;
  text.erase(nth(5), nth(6) - nth(5));
  fails(text, "line 5: field 'position' must be 5, not 6", 2);
  fails(good.substr(nth(2)), "line 1: field 'position' must be 1, not 2", 2);
  fails(good + "{\n", "line 21: ", 2);
  fails(good.substr(0, good.size() - 9), "line 20: ", 2);
  text = good;
  text.insert(nth(3) + 1, "\"colour\":1,");
  fails(text, "line 3: field 'colour'", 2);
  CHECK(run({"import", "-", "--data", data}, {}, good).code == 5);
  CHECK(run({"import", (folder.path / "none").string(), "--data", copy}).code == 3);
}

TEST_CASE("export asks the server where no folder is named") {
  FakeServer server;
  server.on(http::Method::get, "/api/v1/events/export", 200, "{\"position\":1}\n");
  const auto env = server.start();
  const auto ran = run({"export", "--from", "5", "--type", "model.*"}, env);
  CHECK(ran.code == 0);
  CHECK(ran.out == "{\"position\":1}\n");
  CHECK(has(ran.err, "1 events exported"));
  CHECK(server.seen()[0].target == "/api/v1/events/export?from=5&type=model.%2A");
  const auto blobs = run({"export", "--blobs", "somewhere"}, env);
  CHECK(blobs.code == 2);
  CHECK(has(blobs.err, "name it with --data"));
  const TempFolder folder;
  const auto file = (folder.path / "log.jsonl").string();
  CHECK(run({"export", "--server", "http://127.0.0.1:1", "-o", file}).code == 1);
  CHECK_FALSE(fs::exists(file));
}

}  // namespace transfer_tests
