// A reader that takes its time keeps no old pages of the log: the file grows as if nobody read.
#include <catch2/catch.hpp>

#include "tests/crash/workload.hpp"
#include "tests/projections/fixture.hpp"

using namespace mlforge;
using namespace mlforge::crash;
using projections::test::Folder;
using storage::LmdbLog;

namespace {

constexpr int kAppends = 1500;

storage::AppendRequest small_request(int number) {
  storage::AppendRequest request{.tenant = "acme", .command_id = "c-" + std::to_string(number)};
  NewEvent event;
  event.stream = "run/1";
  event.type = "later.happened";
  event.payload.assign(200, 'x');
  request.events = {event, event};
  return request;
}

std::unique_ptr<LmdbLog> open_log(const std::filesystem::path& folder) {
  auto options = log_options("one", 1);
  options.map_bytes = std::size_t{256} << 20;
  auto log = open_lmdb_log(folder, options);
  REQUIRE(log);
  for (int i = 0; i < 200; ++i) REQUIRE((*log)->append(std::array{small_request(i)})[0]);
  return std::move(*log);
}

void append_more(LmdbLog& log) {
  for (int i = 0; i < kAppends; ++i) REQUIRE(log.append(std::array{small_request(1000 + i)})[0]);
}

// How many bytes the appends take while `read` is inside a visit of its third event.
template <class Read>
std::size_t growth(const Read& read) {
  Folder folder;
  const auto log = open_log(folder.path());
  const std::size_t before = log->used_bytes();
  std::uint64_t visited = 0;
  const auto visit = [&] {
    if (++visited == 3) append_more(*log);
    return true;
  };
  read(*log, visit);
  CHECK(visited == 400);  // all events there were when the read began, and none twice
  CHECK(log->head() == 400 + 2 * kAppends);
  return log->used_bytes() - before;
}

}  // namespace

TEST_CASE("stalled reader: the log grows no faster than without one") {
  const auto alone = growth([](LmdbLog&, const auto& visit) {
    for (int i = 0; i < 400; ++i) visit();
  });
  REQUIRE(alone > std::size_t{2} * kAppends * 200);
  const std::size_t limit = alone + alone / 10;
  const auto reading = growth([](LmdbLog& log, const auto& visit) {
    REQUIRE(log.read(1, ~0ull, [&](const EventView&) { return visit(); }));
  });
  const auto copying = growth([](LmdbLog& log, const auto& visit) {
    REQUIRE(log.read_records(1, ~0ull, [&](Position, storage::Bytes) { return visit(); }));
  });
  const auto folding = growth([](LmdbLog& log, const auto& visit) {
    REQUIRE(
        log.read_stream("acme", "run/1", 1, 400, ~0ull, [&](const EventView&) { return visit(); }));
  });
  CHECK(reading < limit);
  CHECK(copying < limit);
  CHECK(folding < limit);
}
