// A log that is only looked at answers what the log itself does, and changes nothing.
#include "storage/read_only_log.hpp"

#include <random>

#include "tests/storage/log_fixtures.hpp"

namespace mlforge::storage {
namespace {

std::string text_of(const std::vector<Envelope>& events) {
  std::string out;
  for (const auto& e : events)
    out += std::to_string(e.position) + " " + e.tenant + " " + e.stream + " " +
           std::to_string(e.version) + " " + std::to_string(e.time) + " " + e.payload + "\n";
  return out;
}

// The files of a log's folder but those that locks live in.
std::map<std::string, std::string> files_of(const std::filesystem::path& folder) {
  std::map<std::string, std::string> out;
  for (const auto& each : std::filesystem::recursive_directory_iterator(folder))
    if (each.is_regular_file() && each.path().filename() != "LOCK" &&
        each.path().filename() != "lock.mdb")
      out[each.path().string()] = read_file(each.path());
  return out;
}

}  // namespace

TEST_CASE("read-only log: the same answers, of records and of segments, and nothing changes") {
  LmdbLogFixture f;
  std::mt19937_64 random(3);
  for (int i = 0; i < 400; ++i) {
    f.clock->time += static_cast<TimeUs>(random() % 3);
    must_append(
        f.log(),
        request({event("run/" + std::to_string(random() % 7), std::string(random() % 50, 'x'))}));
  }
  const bool archived = GENERATE(false, true);
  if (archived) REQUIRE(f.lmdb().archive_some(250));
  struct Question {
    std::string stream;
    std::uint64_t from, limit;
    Position as_of;
  };
  std::vector<Question> questions{{"run/0", 1, ~0ull, ~0ull},
                                  {"run/9", 1, 5, ~0ull},
                                  {"run/1", 1, 0, ~0ull},
                                  {"run/1", 1000, 5, ~0ull},
                                  {"run/2", 0, ~0ull, 0}};
  for (int i = 0; i < 40; ++i)
    questions.push_back(
        {"run/" + std::to_string(random() % 8), random() % 70, random() % 70, random() % 450});
  std::vector<std::string> answers{text_of(read_all(f.log())), text_of(read_all(f.log(), 240, 20))};
  for (const auto& q : questions)
    answers.push_back(text_of(read_stream(f.log(), q.stream, q.from, q.limit, q.as_of)));
  const auto begin = read_all(f.log(), 1, 1).front().time;
  std::vector<Position> positions;
  for (TimeUs t = begin - 1; t < f.clock->time + 2; t += 7)
    positions.push_back(f.log().position_at(t));
  const auto version = f.log().stream_version("acme", "run/3").value();
  const auto id = f.log().log_id();
  f.close();
  const auto before = files_of(f.path());

  {
    auto opened = ReadOnlyLog::open(f.path(), 1 << 20);
    REQUIRE(opened);
    const ReadOnlyLog& log = **opened;
    CHECK(log.head() == 400);
    CHECK(log.log_id() == id);
    std::vector<std::string> same{text_of(read_all(log)), text_of(read_all(log, 240, 20))};
    for (const auto& q : questions)
      same.push_back(text_of(read_stream(log, q.stream, q.from, q.limit, q.as_of)));
    CHECK(same == answers);
    std::vector<Position> same_positions;
    for (TimeUs t = begin - 1; t < f.clock->time + 2; t += 7)
      same_positions.push_back(log.position_at(t));
    CHECK(same_positions == positions);
    CHECK(log.stream_version("acme", "run/3").value() == version);
    CHECK(log.stream_version("acme", "none").value() == 0);
    CHECK(append(**opened, request({event("run/1")})).error().code == ErrorCode::read_only);
    // Nobody else may write meanwhile.
    CHECK(open_lmdb_log(f.path(), f.options()).error().code == ErrorCode::conflict);
  }
  CHECK(files_of(f.path()) == before);
}

TEST_CASE("read-only log: where there is none, and where it ends before what was signed") {
  const TemporaryFolder folder;
  CHECK(ReadOnlyLog::open(folder.path() / "none", 1 << 20).error().code == ErrorCode::not_found);
  CHECK_FALSE(std::filesystem::exists(folder.path() / "none"));
  LmdbLogFixture f;
  must_append(f.log(), request({event("run/1")}));
  f.close();
  const auto hash = std::string(43, 'A') + "=";
  write_file(f.path() / "checkpoint", "mlforge/x\n9\n" + hash + "\n\n\u2014 mlforge/x AAAAAAAA\n");
  const auto opened = ReadOnlyLog::open(f.path(), 1 << 20);
  const auto real = open_lmdb_log(f.path(), f.options());
  REQUIRE_FALSE(real);
  REQUIRE_FALSE(opened);
  CHECK(opened.error().code == real.error().code);
  CHECK_THAT(opened.error().message, Catch::Matchers::Contains("signed for 9 events"));
}

}  // namespace mlforge::storage
