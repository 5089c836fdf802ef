// Payloads that were dropped: what stays, what reads, what proves, and what says that it was to be.
#include "events/event_codec.hpp"
#include "events/retention.hpp"
#include "storage/log_builder.hpp"
#include "storage/log_keys.hpp"
#include "storage/prover.hpp"
#include "storage/record_json.hpp"
#include "storage/verify.hpp"
#include "tests/storage/log_fixtures.hpp"

namespace retention_tests {

using namespace mlforge;
using namespace mlforge::storage;

namespace {

constexpr const char* kSecret = "a-very-secret-request";

PredictionsLogged batch(int i) {
  PredictionsLogged p;
  p.request_ids = {std::string(kSecret) + std::to_string(i), "b", "c"};
  p.probabilities = {0.25, 0.5, 0.75};
  p.versions = {7, 8, 7};
  p.challenger = {0, 1, 0};
  p.times = {1, 2, 3};
  p.numeric_names = {"age"};
  p.numeric_values = {31, 32, 33};
  return p;
}

LmdbLogOptions small(const LmdbLogFixture& f) {
  auto options = f.options();
  options.segments = small_segments();
  return options;
}

// Every second event is of predictions; 40 of them.
void fill(LmdbLog& log) {
  for (int i = 0; i < 20; ++i)
    must_append(log, request({event("run/1", "{\"i\":" + std::to_string(i) + "}"),
                              encode_event(batch(i), "predictions/adult")},
                             "c" + std::to_string(i)));
}

void allow(LmdbLog& log, Position up_to) {
  auto r = request({encode_retention({.kind = "predictions", .keep = "30d", .up_to = up_to})});
  r.tenant = kLogTenant;
  must_append(log, r);
}

std::uint64_t drop(LmdbLog& log, Position up_to) {
  archive_all(log, up_to);
  std::uint64_t events = 0;
  const auto segments = log.segments().list().value();
  for (const Position first : segments) {
    const auto report = log.expire_segment(first, {{"predictions", up_to}});
    INFO((report ? std::string() : report.error().message));
    REQUIRE(report);
    events += report->events;
  }
  return events;
}

// Whether a text is in any frame of any segment.
bool holds(const LmdbLog& log, const std::string& text) {
  const auto segments = log.segments().list().value();
  for (const Position first : segments) {
    const auto segment = Segment::open(log.segments().path(first), log.log_id(), first);
    REQUIRE(segment);
    for (std::uint32_t i = 0; i < (*segment)->frames(); ++i) {
      const auto frame = (*segment)->read(i);
      REQUIRE(frame);
      if (as_text((*frame)->bytes).find(text) != std::string_view::npos) return true;
    }
  }
  return false;
}

}  // namespace

TEST_CASE("retention: a kind, a duration, and what is refused") {
  CHECK(stream_kind("predictions/adult") == "predictions");
  CHECK(parse_duration("90s") == 90'000'000);
  CHECK(parse_duration("30d") == TimeUs{30} * 86'400 * 1'000'000);
  CHECK(parse_duration("1y") == TimeUs{365} * 86'400 * 1'000'000);
  for (const auto* wrong : {"", "d", "0d", "-1d", "1.5d", "10", "10x", "99999999999d", " 1d"})
    CHECK_FALSE(parse_duration(wrong));
  CHECK_FALSE(check_retention_kind("predictions"));
  for (const auto* kind : {"model", "run", "log", "drift", ""}) {
    const auto bad = check_retention_kind(kind);
    REQUIRE(bad);
    CHECK(bad->code == ErrorCode::refused);
    CHECK_THAT(bad->message, Catch::Matchers::Contains("predictions"));
  }
  RetentionState state;
  const ApplyRetention plan{
      .kind = "predictions", .keep = "30d", .before = 5, .up_to = 10, .events = 3};
  const auto applied = decide(state, plan);
  REQUIRE(applied);
  REQUIRE(*applied);
  CHECK((*applied)->up_to == 10);
  const auto stored = encode_retention(**applied);
  const auto back = retention_applied(stored.type, stored.payload);
  REQUIRE(back);
  CHECK(back->kind == "predictions");
  CHECK(back->events == 3);
  evolve(state, *back);
  CHECK(state.up_to.at("predictions") == 10);
  CHECK_FALSE(decide(state, plan).value());
  CHECK(decide(state, {.kind = "model", .keep = "30d"}).error().code == ErrorCode::refused);
  CHECK(decide(state, {.kind = "predictions", .keep = "soon"}).error().field == "keep");
}

TEST_CASE("retention: what is dropped is gone from the folder, the rest reads as before") {
  LmdbLogFixture f{false};
  f.open(small(f));
  fill(f.lmdb());
  allow(f.lmdb(), 30);
  const auto before = read_all(f.log());
  CHECK(drop(f.lmdb(), 30) == 15);
  CHECK(drop(f.lmdb(), 30) == 0);
  const auto after = read_all(f.log());
  REQUIRE(after.size() == before.size());
  for (std::size_t i = 0; i < after.size(); ++i) {
    const bool gone = i < 30 && i % 2 == 1;
    CHECK(after[i].expired == gone);
    CHECK(after[i].position == before[i].position);
    CHECK(after[i].stream == before[i].stream);
    CHECK(after[i].version == before[i].version);
    CHECK(after[i].type == before[i].type);
    CHECK(after[i].time == before[i].time);
    CHECK(after[i].actor == before[i].actor);
    CHECK(after[i].command_id == before[i].command_id);
    CHECK(after[i].id == before[i].id);
    if (!gone) CHECK(after[i].payload == before[i].payload);
  }
  CHECK(read_stream(f.log(), "predictions/adult").size() == 20);
  std::string json;
  append_event_json(json, after[1].view());
  CHECK_THAT(json, Catch::Matchers::EndsWith("\"expired\":true,\"payload\":null}"));
  // What is left: how many answers each version and route gave.
  const auto left = decode_event(after[1].type, 1, after[1].content_type, after[1].payload);
  REQUIRE(left);
  const auto& p = get<PredictionsLogged>(*left);
  CHECK(p.versions == std::vector<std::int64_t>{7, 7, 8});
  CHECK(p.challenger == std::vector<std::int64_t>{0, 0, 1});
  CHECK((p.request_ids.empty() && p.probabilities.empty() && p.times.empty()));
  CHECK((p.numeric_names.empty() && p.numeric_values.empty()));
  f.close();
  const auto report = verify_log(f.path());
  REQUIRE(report);
  CHECK(report->what == "");
  CHECK(report->expired == 15);
  f.open(small(f));
  CHECK(read_all(f.log()).at(1).expired);
}

TEST_CASE("retention: a dropped text is nowhere in the segments") {
  LmdbLogFixture f{false};
  f.open(small(f));
  fill(f.lmdb());
  archive_all(f.lmdb(), 38);
  REQUIRE(holds(f.lmdb(), kSecret));
  drop(f.lmdb(), 38);
  CHECK_FALSE(holds(f.lmdb(), kSecret));
  CHECK(holds(f.lmdb(), "prediction.logged"));
}

TEST_CASE("retention: verify asks for the event that says so") {
  LmdbLogFixture f{false};
  f.open(small(f));
  fill(f.lmdb());
  allow(f.lmdb(), 10);
  drop(f.lmdb(), 20);
  f.close();
  const auto report = verify_log(f.path());
  REQUIRE(report);
  CHECK_THAT(report->what, Catch::Matchers::Contains("no event of the log says"));
  CHECK(report->first_bad_position == 20);
  f.open(small(f));
  allow(f.lmdb(), 20);
  f.close();
  CHECK(verify_log(f.path())->what == "");
}

TEST_CASE("retention: proofs hold, and claim nothing of what is gone") {
  LmdbLogFixture f{false};
  f.open(small(f));
  auto prover = Prover::open(f.path(), f.log(), {.map_bytes = 64 << 20});
  REQUIRE(prover);
  REQUIRE_FALSE((*prover)->record_key(f.log()));
  fill(f.lmdb());
  allow(f.lmdb(), 21);
  const auto root = (*prover)->checkpoint();
  REQUIRE(root);
  const auto earlier = (*prover)->prove_event(3);
  drop(f.lmdb(), 21);
  const auto key = (*prover)->verifier();
  CHECK((*prover)->checkpoint().value() == *root);
  const auto proof = (*prover)->prove_event(3);
  REQUIRE(proof);
  const auto checked = verify_proof(to_json(*proof), key);
  REQUIRE(checked);
  CHECK(checked->what == "");
  CHECK_THAT(checked->claim, Catch::Matchers::Contains("dropped by retention"));
  CHECK_THAT(checked->claim, !Catch::Matchers::Contains("prediction"));
  // Who kept a proof of the whole event still has it.
  CHECK(verify_proof(to_json(*earlier), key)->what == "");
  const auto stream = (*prover)->prove_stream("acme", "predictions/adult");
  REQUIRE(stream);
  const auto all = verify_proof(to_json(*stream), key);
  REQUIRE(all);
  CHECK(all->what == "");
  CHECK_THAT(all->claim, Catch::Matchers::Contains("10 of them were dropped"));
}

TEST_CASE("retention: expired records pass through lines and copies") {
  LmdbLogFixture f{false};
  f.open(small(f));
  fill(f.lmdb());
  allow(f.lmdb(), 30);
  drop(f.lmdb(), 30);
  std::vector<std::string> records;
  std::string lines;
  REQUIRE(f.log().read_records(1, ~0ull, [&](Position, Bytes record) {
    records.emplace_back(as_text(record));
    append_record_json(lines, record);
    return true;
  }));
  std::istringstream in(lines);
  RecordJsonReader reader;
  std::size_t i = 0;
  for (std::string line; std::getline(in, line); ++i) {
    std::vector<std::uint8_t> record;
    const auto bad = reader.append(line, record);
    INFO((bad ? bad->message : std::string()));
    REQUIRE_FALSE(bad);
    CHECK(as_text(Bytes(record)) == records.at(i));
  }
  CHECK(i == records.size());
  const TemporaryFolder to;
  auto builder = LogBuilder::create(to.path() / "copy", 64 << 20);
  REQUIRE(builder);
  REQUIRE_FALSE(copy_records(f.log(), f.log().head(), **builder));
  REQUIRE_FALSE((*builder)->finish(f.log().log_id()));
  CHECK(verify_log(to.path() / "copy")->what == "");
  auto copy = open_lmdb_log(to.path() / "copy", small(f));
  REQUIRE(copy);
  archive_all(**copy);  // what came as expired is archived as it is
  CHECK(read_all(**copy).at(1).expired);
  CHECK((*copy)->expire_segment(1, {{"predictions", 30}})->events == 0);
}

}  // namespace retention_tests
