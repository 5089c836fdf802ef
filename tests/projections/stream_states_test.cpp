// States as of any position, through snapshots, are those that folding the whole stream gives.
#include "projections/stream_states.hpp"

#include <fstream>
#include <sstream>

#include "fixture.hpp"

namespace stream_states_tests {

using namespace mlforge;
using namespace mlforge::projections;
using namespace mlforge::projections::test;

namespace {

// A state as text, to compare by.
template <class State>
std::string text_of(const State& state) {
  return encode_snapshot(compact(state));
}

template <class State>
StateAt<State> folded(const storage::Log& log, const std::string& tenant, const std::string& stream,
                      Position as_of) {
  StateAt<State> out;
  REQUIRE(log.read_stream(tenant, stream, 1, UINT64_MAX, as_of, [&](const EventView& e) {
    fold(out.state, *decode_event(e));
    out.version = e.version;
    out.position = e.position;
    return true;
  }));
  return out;
}

template <class State>
void check_everywhere(const storage::Log& log, const StreamStates& states,
                      const std::string& stream) {
  for (Position at = 0; at <= log.head(); at += 1 + at % 7) {
    const auto expected = folded<State>(log, kTenant, stream, at);
    const auto found = states.at<State>(kTenant, stream, at);
    REQUIRE(found);
    INFO(stream << " at " << at);
    REQUIRE(found->version == expected.version);
    REQUIRE(found->position == expected.position);
    REQUIRE(text_of(found->state) == text_of(expected.state));
    REQUIRE(text_of(restore<State>(compact(expected.state))) == text_of(expected.state));
  }
}

std::string read_file(const std::filesystem::path& path) {
  std::ostringstream bytes;
  bytes << std::ifstream(path, std::ios::binary).rdbuf();
  return bytes.str();
}

void write_file(const std::filesystem::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

std::uint64_t rows(const std::filesystem::path& folder) {
  auto env = storage::Env::open(folder.string(), {.map_bytes = 1 << 26, .flags = MDB_RDONLY});
  REQUIRE(env);
  MDB_stat stat{};
  mdb_env_stat(env->get(), &stat);
  return stat.ms_entries;
}

}  // namespace

TEST_CASE("every kind of state is the same through snapshots") {
  const auto log = make_log();
  for (const auto& happened : random_history(5, 3000)) append(*log, happened);
  const Folder folder;
  const auto states = StreamStates::open(folder.path(), *log, {.map_bytes = 1 << 26, .every = 8});
  REQUIRE(states);
  check_everywhere<DatasetState>(*log, **states, "dataset/data1");
  check_everywhere<RunState>(*log, **states, "run/run1");
  check_everywhere<ModelState>(*log, **states, "model/model1");
  check_everywhere<PipelineState>(*log, **states, "pipeline/pipe1");
  check_everywhere<PipelineRunState>(*log, **states, "pipeline_run/prun1");
  check_everywhere<EnvironmentState>(*log, **states, "environment/env1");
  check_everywhere<EndpointState>(*log, **states, "deployment/end1");
  check_everywhere<PredictionsState>(*log, **states, "predictions/end1");
  check_everywhere<RunState>(*log, **states, "run/nothing");
}

TEST_CASE("states of valid histories: experiments and drift") {
  const auto log = make_log();
  ExperimentsState experiments;
  DriftState drift;
  const auto add = [&](auto& state, const std::string& stream, const auto& command) {
    const auto events = decide(state, command);
    REQUIRE(events);
    for (const auto& each : *events) {
      fold(state, each);
      append(*log, {stream, each});
    }
  };
  for (std::uint64_t i = 0; i < 60; ++i) {
    add(experiments, "experiments/all", CreateExperiment{"e" + std::to_string(i)});
    const auto id = "r" + std::to_string(i);
    DriftReported report{.report_id = id,
                         .model_version = i / 10,
                         .first_position = 2 * i + 1,
                         .last_position = 2 * i + 2,
                         .severity = i % 3 ? "alert" : "stable",
                         .triggered = i % 3 != 0,
                         .features = {{.feature = "age", .psi = 0.5}}};
    add(drift, "drift/end", RecordDriftReport{"end", report});
    if (!report.triggered) continue;
    add(drift, "drift/end", RaiseDriftAlert{"end", id});
    if (i % 2) add(drift, "drift/end", TriggerRetraining{"end", id, "pipe", "p" + id});
  }
  const Folder folder;
  const auto states = StreamStates::open(folder.path(), *log, {.map_bytes = 1 << 26, .every = 4});
  REQUIRE(states);
  check_everywhere<ExperimentsState>(*log, **states, "experiments/all");
  check_everywhere<DriftState>(*log, **states, "drift/end");
}

TEST_CASE("snapshots are kept, outgrow no bound, and those of another history are not used") {
  const Folder folder;
  const auto options = StreamStatesOptions{.map_bytes = 1 << 26, .every = 16};
  const auto fill = [](storage::Log& log, const std::string& value, int n) {
    for (int i = 0; i < n; ++i)
      append(log, {"run/a", RunTagsSet{.tags = {{"t" + std::to_string(i % 5), value}}}});
  };
  const auto log = make_log(1);
  fill(*log, "first", 1000);
  {
    const auto states = StreamStates::open(folder.path(), *log, options);
    REQUIRE(states);
    REQUIRE((*states)->at<RunState>(kTenant, "run/a", 500));
  }
  const auto kept = rows(folder.path());
  CHECK(kept > 1000 / 16 / 2);
  CHECK(kept <= 1000 / 16 + 2);
  {
    const auto states = StreamStates::open(folder.path(), *log, options);
    const auto at = (*states)->at<RunState>(kTenant, "run/a", 999);
    REQUIRE(at);
    CHECK(at->state.tags.at("t0") == "first");
    CHECK(rows(folder.path()) == kept);
  }
  // The same log id, as after a restore, but other events.
  const auto other = make_log(1);
  REQUIRE(other->log_id() == log->log_id());
  append(*other, {"run/b", RunTagsSet{}});
  fill(*other, "second", 999);
  {
    const auto states = StreamStates::open(folder.path(), *other, options);
    const auto at = (*states)->at<RunState>(kTenant, "run/a", 999);
    REQUIRE(at);
    CHECK(at->state.tags.at("t0") == "second");
    CHECK(at->version == 998);
  }
  const auto third = make_log(2);
  const auto states = StreamStates::open(folder.path(), *third, options);
  REQUIRE(states);
  CHECK(rows(folder.path()) == 1);
}

TEST_CASE("damaged snapshots are thrown away or passed over") {
  const Folder folder;
  const auto file = folder.path() / "data.mdb";
  const auto options = StreamStatesOptions{.map_bytes = 1 << 26, .every = 16};
  const auto log = make_log(1);
  for (int i = 0; i < 300; ++i)
    append(*log, {"run/a", RunTagsSet{.tags = {{"t" + std::to_string(i % 5), "the value"}}}});
  const auto answers = [&] {
    const auto states = StreamStates::open(folder.path(), *log, options);
    REQUIRE(states);
    const auto at = (*states)->at<RunState>(kTenant, "run/a", 250);
    REQUIRE(at);
    CHECK(at->version == 250);
    CHECK(at->state.tags.at("t0") == "the value");
  };
  answers();
  REQUIRE(rows(folder.path()) > 10);
  SECTION("cut short") { std::filesystem::resize_file(file, 5000); }
  SECTION("other bytes, the first pages too") {
    write_file(file, std::string(std::filesystem::file_size(file), 'x'));
  }
  SECTION("pages of zeros behind the first two") {
    auto bytes = read_file(file);
    std::fill(bytes.begin() + 8192, bytes.end(), '\0');
    write_file(file, bytes);
  }
  SECTION("values that were changed") {
    auto bytes = read_file(file);
    for (auto at = bytes.find("the value"); at != bytes.npos; at = bytes.find("the value", at + 1))
      bytes[at] = 'T';
    write_file(file, bytes);
  }
  answers();
  answers();
}

}  // namespace stream_states_tests
