// verify, rebuild and doctor on folders of their own.
#include <catch2/catch.hpp>

#include "projections/view_store.hpp"
#include "storage/blob_store.hpp"
#include "storage/lmdb_log.hpp"
#include "storage/subject_keys.hpp"
#include "tests/gateway/cli_support.hpp"

namespace cli_folder_tests {

using namespace mlforge;
using namespace mlforge::gateway;
using namespace mlforge::gateway::test;

namespace {

const std::string kMark = "a-text-to-find-in-the-file";

// A log of twenty events of a dataset and of a type that nobody knows.
void fill(const std::filesystem::path& folder) {
  storage::LmdbLogOptions options;
  options.map_bytes = std::size_t{1} << 30;
  options.ids = storage::seeded_ids(7);
  auto log = storage::open_lmdb_log(folder, options);
  REQUIRE(log);
  for (int i = 0; i < 20; ++i) {
    NewEvent event;
    event.stream = i == 0 ? "dataset/toy" : "other/" + std::to_string(i);
    event.type = i == 0 ? "dataset.created" : "other.happened";
    event.payload = i == 0 ? R"({"name":"toy","source":"here"})"
                           : "{\"text\":\"" + kMark + std::to_string(i) + "\"}";
    const storage::AppendRequest request{.tenant = "default", .actor = "ann", .events = {event}};
    const auto done = (*log)->append(std::span(&request, 1));
    REQUIRE(done.front());
  }
  REQUIRE_FALSE((*log)->close());
}

void damage(const std::filesystem::path& file) {
  std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
  std::ostringstream bytes;
  bytes << stream.rdbuf();
  const auto at = bytes.str().find(kMark);
  REQUIRE(at != std::string::npos);
  stream.clear();
  for (auto each = at; each != std::string::npos; each = bytes.str().find(kMark, each + 1)) {
    stream.seekp(static_cast<std::streamoff>(each));
    stream.put('X');
  }
}

}  // namespace

TEST_CASE("verify: 0 for a whole log, 6 for a damaged one, 3 where there is none") {
  const TempFolder folder;
  const auto data = (folder.path / "data").string();
  CHECK(run({"verify", "--data", data}).code == 3);
  fill(data);
  const auto whole = run({"verify", "--data", data, "--json"});
  CHECK(whole.code == 0);
  CHECK(has(whole.out, "{\"ok\":true,\"events\":20,\"first_bad_position\":0,"));
  CHECK(has(run({"verify"}, {{"MLFORGE_DATA_DIR", data}}).out, "result:   ok\n"));
  damage(folder.path / "data" / "log" / "data.mdb");
  const auto damaged = run({"verify", "--data", data});
  CHECK(damaged.code == 6);
  CHECK(has(damaged.out, "damaged\n"));
  CHECK(has(run({"verify", "--data", data, "--json"}).out, "\"ok\":false"));
}

TEST_CASE("verify and rebuild keep off a folder that is open: code 5") {
  const TempFolder folder;
  const auto data = (folder.path / "data").string();
  fill(data);
  storage::LmdbLogOptions options;
  options.map_bytes = std::size_t{1} << 30;
  const auto open = storage::open_lmdb_log(data, options);
  REQUIRE(open);
  CHECK(run({"verify", "--data", data}).code == 5);
  CHECK(run({"rebuild", "--data", data}).code == 5);
}

TEST_CASE("rebuild makes each projection anew and compares") {
  const TempFolder folder;
  const auto data = (folder.path / "data").string();
  CHECK(run({"rebuild", "--data", data}).code == 3);
  CHECK_FALSE(std::filesystem::exists(data));
  fill(data);
  const auto all = run({"rebuild", "--data", data, "--json", "--log-map-gib", "1"});
  CHECK(all.code == 0);
  CHECK(all.out.starts_with("{\"events\":20,\"seconds\":"));
  CHECK(has(all.out, "\"name\":\"audit\",\"events\":20,"));
  CHECK(has(all.out, "\"equal\":true"));
  CHECK_FALSE(has(all.out, "\"equal\":false"));
  const auto one = run({"rebuild", "--data", data, "--projection", "datasets"});
  CHECK(one.code == 0);
  CHECK(has(one.out, "\ndatasets "));
  CHECK_FALSE(has(one.out, "audit"));
  const auto none = run({"rebuild", "--data", data, "--projection", "nothing"});
  CHECK(none.code == 3);
  CHECK(has(none.err, "no projection named 'nothing'; there are runs, "));
}

TEST_CASE("verify reads the blobs too") {
  const TempFolder folder;
  const auto data = (folder.path / "data").string();
  fill(data);
  auto blobs = storage::open_local_blobs(folder.path / "data" / "blobs");
  REQUIRE(blobs);
  const auto stored = (*blobs)->put("default", storage::as_bytes("the bytes of a file"));
  REQUIRE(stored);
  const auto whole = run({"verify", "--data", data, "--json"});
  CHECK(whole.code == 0);
  CHECK(has(whole.out, "\"blobs\":1,\"blob_bytes\":19,\"damaged_blobs\":[]"));
  const auto hex = storage::to_string(stored->digest);
  const auto name = hex.substr(0, 2) + "/" + hex.substr(2);
  std::ofstream(folder.path / "data" / "blobs" / "t-default" / name) << "the bytes of a lie!";
  const auto damaged = run({"verify", "--data", data, "--json"});
  CHECK(damaged.code == 6);
  CHECK(has(damaged.out, "\"damaged_blobs\":[\"t-default/" + name + "\"]"));
  CHECK(has(run({"verify", "--data", data}).out, name));
}

TEST_CASE("verify counts files that events name and that are not there") {
  const TempFolder folder;
  const auto data = (folder.path / "data").string();
  fill(data);
  {
    storage::LmdbLogOptions options;
    options.map_bytes = std::size_t{1} << 30;
    auto log = storage::open_lmdb_log(data, options);
    REQUIRE(log);
    auto blobs = storage::open_local_blobs(folder.path / "data" / "blobs");
    REQUIRE(blobs);
    const auto there = (*blobs)->put("default", storage::as_bytes("the bytes of a file"));
    REQUIRE(there);
    NewEvent event;
    event.stream = "dataset/toy";
    event.type = "dataset.file_staged";
    storage::AppendRequest request{.tenant = "default", .actor = "ann"};
    for (const auto& digest : {storage::to_string(there->digest), std::string(64, '7')}) {
      event.payload = "{\"path\":\"a\",\"digest\":\"" + digest + "\",\"bytes\":19}";
      request.events.push_back(event);
    }
    REQUIRE((*log)->append(std::span(&request, 1)).front());
    REQUIRE_FALSE((*log)->close());
  }
  const auto report = run({"verify", "--data", data, "--json"});
  CHECK(report.code == 0);  // as in a copy of the log alone
  CHECK(has(report.out, "\"missing_blobs\":1,"));
  CHECK(
      has(run({"verify", "--data", data}).out, "1 files that events name are not in this folder"));
}

TEST_CASE("verify reads the keys of subjects too") {
  const TempFolder folder;
  const auto data = (folder.path / "data").string();
  fill(data);
  const auto file = storage::subject_keys_file(data);
  {
    auto keys = storage::SubjectKeys::open(file, storage::system_clock());
    REQUIRE(keys);
    REQUIRE((*keys)->key_of("default", "person/ann"));
  }
  CHECK(run({"verify", "--data", data}).code == 0);
  std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
  stream.seekp(512 + 50);
  stream << "other";
  stream.close();
  const auto damaged = run({"verify", "--data", data, "--json"});
  CHECK(damaged.code == 6);
  CHECK(has(damaged.out, "\"damaged_keys\":1,"));
  CHECK(has(damaged.out, "keys/subjects.keys"));
}

TEST_CASE("rebuild mends damaged read models, and a damaged log costs none") {
  const TempFolder folder;
  const auto data = (folder.path / "data").string();
  const auto views = folder.path / "data" / "views";
  fill(data);
  REQUIRE(run({"rebuild", "--data", data}).code == 0);
  std::filesystem::resize_file(views / "data.mdb", 5000);
  CHECK(run({"rebuild", "--data", data}).code == 0);
  damage(folder.path / "data" / "log" / "data.mdb");
  for (const std::vector<std::string>& more :
       {std::vector<std::string>{}, {"--projection", "audit"}}) {
    std::vector<std::string> args{"rebuild", "--data", data};
    args.insert(args.end(), more.begin(), more.end());
    const auto failed = run(args);
    CHECK(failed.code == 6);
    CHECK(has(failed.err, "position 2 is damaged"));
  }
  CHECK_FALSE(std::filesystem::exists(folder.path / "data" / "views.new"));
  CHECK_FALSE(std::filesystem::exists(folder.path / "data" / "views.old"));
  const auto store = projections::ViewStore::open(views);
  REQUIRE(store);
  CHECK_FALSE((*store)->discarded());
  auto reader = (*store)->reader();
  REQUIRE(reader);
  CHECK(reader->position("audit") == 20);
}

TEST_CASE("verify --read-models compares them with the log and names the projection") {
  const TempFolder folder;
  const auto data = (folder.path / "data").string();
  const auto views = folder.path / "data" / "views" / "data.mdb";
  fill(data);
  const auto verified = [&] { return run({"verify", "--data", data, "--read-models", "--json"}); };
  CHECK(has(verified().out, "\"views_checked\":false"));
  REQUIRE(run({"rebuild", "--data", data}).code == 0);
  const auto whole = verified();
  CHECK(whole.code == 0);
  CHECK(has(whole.out, "\"views_checked\":true,\"damaged_views\":[]"));
  std::string bytes;
  {
    std::ifstream in(views, std::ios::binary);
    bytes.assign(std::istreambuf_iterator<char>(in), {});
  }
  const auto write = [&](const std::string& text) {
    std::ofstream(views, std::ios::binary) << text;
  };
  auto wrong = bytes;
  bool found = false;
  for (auto at = wrong.find("toy"); at != wrong.npos; at = wrong.find("toy", at + 3)) {
    wrong.replace(at, 3, "tox");
    found = true;
  }
  REQUIRE(found);
  write(wrong);
  const auto damaged = verified();
  CHECK(damaged.code == 6);
  CHECK(has(damaged.out, "\"damaged_views\":[\""));
  CHECK(has(damaged.out, "datasets"));
  CHECK(has(run({"verify", "--data", data, "--read-models"}).out, "mlforge rebuild"));
  CHECK(run({"verify", "--data", data}).code == 0);
  // Pages that say that they hold more than they can crash who reads them.
  wrong = bytes;
  for (std::size_t page = 8192; page < wrong.size(); page += 4096)
    wrong.replace(page + 12, 2, "\x10\xf0");
  write(wrong);
  const auto wild = verified();
  CHECK(wild.code == 6);
  CHECK(has(wild.out, "The read models are"));
  // It changes nothing.
  std::ifstream in(views, std::ios::binary);
  CHECK(std::string(std::istreambuf_iterator<char>(in), {}) == wrong);
  write(bytes);
  CHECK(verified().code == 0);
}

TEST_CASE("doctor: a folder of a newer format, and one without FORMAT, are findings") {
  const TempFolder folder;
  const auto data = (folder.path / "data").string();
  fill(data);
  const auto format = folder.path / "data" / "FORMAT";
  std::filesystem::remove(format);
  const auto headless = run({"doctor", "--data", data, "--nats", "off", "--json"});
  CHECK(headless.code == 6);
  CHECK(
      has(headless.out, R"({"check":"data folder","result":"finding","detail":"The file FORMAT)"));
  CHECK(has(headless.out, "the log holds records"));
  std::ofstream(format) << storage::format_text({storage::kFormatVersion + 1, Uuid{}});
  const auto newer = run({"doctor", "--data", data, "--nats", "off", "--json"});
  CHECK(newer.code == 6);
  CHECK(
      has(newer.out, R"({"check":"data folder","result":"finding","detail":"The data folder has)"));
}

TEST_CASE("doctor: a row a check, and code 6 where something should be put right") {
  const TempFolder folder;
  const auto data = (folder.path / "data").string();
  FakeServer server;
  server.on(http::Method::get, "/readyz", 503,
            R"({"ready":false,"reason":"the disk is full","position":0,"projections":[],)"
            R"("nats":{"state":"off"}})");
  server.on(http::Method::get, "/api/v1/info", 200, R"({"version":"0.0.1"})");
  const auto env = server.start();
  const auto found = run({"doctor", "--data", data, "--nats", "off", "--json"}, env);
  CHECK(found.code == 6);
  CHECK(found.out.starts_with("{\"ok\":false,\"checks\":["));
  CHECK(has(found.out,
            R"({"check":"server","result":"finding","detail":"not ready: the disk is full"})"));
  CHECK(has(found.out, R"({"check":"server version","result":"finding","detail":"0.0.1; )"));
  CHECK(has(found.out, R"({"check":"data folder","result":"note",)"));
  CHECK(has(found.out, "synced appends of 4 KiB a second"));
  CHECK(has(found.out, "\"check\":\"open files\""));
  CHECK(has(found.out, "\"versions\":{"));
}

TEST_CASE("dataset add sends files and whole folders under their paths") {
  const TempFolder folder;
  std::filesystem::create_directories(folder.path / "in" / "deep");
  const auto one = folder.write("one.csv", "a\n1\n");
  folder.write("in/b.csv", "b\n");
  folder.write("in/deep/a c.csv", "c\n");
  FakeServer server;
  server.on(http::Method::put, "/api/v1/datasets/{name}/files/{path*}", 201,
            R"({"path":"p","digest":"0123456789abcdef0123","bytes":4,"stored":true,"position":1})");
  const auto env = server.start();
  const auto added =
      run({"dataset", "add", "toy", one, (folder.path / "in").string(), "--source", "a test"}, env);
  CHECK(added.code == 0);
  CHECK(has(added.out, "p       4 B  0123456789abcdef  yes\n"));
  const auto seen = server.seen();
  REQUIRE(seen.size() == 3);
  CHECK(seen[0].target == "/api/v1/datasets/toy/files/one.csv?source=a%20test");
  CHECK(seen[0].body == "a\n1\n");
  CHECK(seen[1].target == "/api/v1/datasets/toy/files/b.csv?source=a%20test");
  CHECK(seen[2].target == "/api/v1/datasets/toy/files/deep/a%20c.csv?source=a%20test");
  CHECK(run({"dataset", "add", "toy", one, "--path", "other.csv"}, env).code == 0);
  CHECK(server.seen()[3].target == "/api/v1/datasets/toy/files/other.csv");
  CHECK(run({"dataset", "add", "toy", (folder.path / "none").string()}, env).code == 3);
  CHECK(run({"dataset", "add", "toy", one, one, "--path", "x"}, env).code == 2);
}

}  // namespace cli_folder_tests
