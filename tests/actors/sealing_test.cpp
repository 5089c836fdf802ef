// Commands about a subject: nothing of what they bring is stored in the clear.
#include "actors/sealing.hpp"

#include <cmath>

#include "tests/actors/manager_support.hpp"
#include "tests/storage/log_fixtures.hpp"

namespace mlforge::actors::test {
namespace {

const std::string kSecret = "4711-very-secret";

struct WithKeys {
  storage::TemporaryFolder folder;
  std::unique_ptr<storage::SubjectKeys> keys = open();
  SteppedSystem system{keys.get()};

  std::unique_ptr<storage::SubjectKeys> open() {
    auto opened = storage::SubjectKeys::open(storage::subject_keys_file(folder.path()),
                                             std::make_shared<FixedClock>());
    REQUIRE(opened);
    return *std::move(opened);
  }
  WithKeys() {
    system.done(CreateExperiment{"adult"});
    system.done(StartRun{.run_id = "r1", .experiment_id = "1"});
  }
  CommandMeta about(const std::string& subject, const std::string& command_id = "") {
    return {.command_id = command_id, .subject = subject};
  }
  std::string stored() const {
    std::string out;
    for (const auto& e : test::read_all(system.log)) out += e.command_id + e.payload;
    return out;
  }
  template <class E>
  E last() const {
    return get<E>(*decode_event(test::read_all(system.log).back().view()));
  }
};

PredictionsLogged two_rows() {
  return {.request_ids = {"a", kSecret},
          .probabilities = {0.25, 0.75},
          .versions = {1, 2},
          .challenger = {0, 1},
          .times = {10, 20},
          .numeric_names = {"age", "hours"},
          .numeric_values = {30, 41.5, std::nan(""), std::nan("")},
          .categorical_names = {"job"},
          .categorical_values = {"nurse", kSecret + "-job"}};
}

}  // namespace

TEST_CASE("sealing: personal fields of a run are stored encrypted, and shown while the key lives") {
  WithKeys f;
  const auto started = f.system.done(StartRun{.run_id = "r2",
                                              .experiment_id = "1",
                                              .name = kSecret,
                                              .params = {{"p", kSecret + "1"}},
                                              .tags = {{"user", kSecret + "2"}}},
                                     f.about("ann"));
  CHECK(started.events.size() == 3);
  f.system.done(SetRunTags{"r2", {{"more", kSecret + "3"}, {"empty", ""}}}, f.about("ann"));
  CHECK(f.stored().find(kSecret) == std::string::npos);
  CHECK(f.stored().find("ann") == std::string::npos);
  const auto tags = f.last<RunTagsSet>().tags;
  CHECK(tags.at("empty").empty());
  const auto context = storage::seal_context("default", "run/r2", "tags.more");
  CHECK(f.keys->open_text("default", tags.at("more"), &context) == kSecret + "3");
  const auto ids = f.keys->find("default", "ann");
  REQUIRE(ids.size() == 1);
  REQUIRE(f.keys->shred(ids[0]->id));
  CHECK_FALSE(f.keys->open_text("default", tags.at("more")));
}

TEST_CASE(
    "sealing: the same again changes nothing, another value is what it is without a subject") {
  WithKeys f;
  f.system.done(LogParams{"r1", {{"p", kSecret}}}, f.about("ann"));
  const auto head = f.system.log.head();
  CHECK(f.system.done(LogParams{"r1", {{"p", kSecret}}}, f.about("ann")).events.empty());
  CHECK(f.system.log.head() == head);
  const auto other = f.system.track(LogParams{"r1", {{"p", "another"}}}, f.about("ann"));
  f.system.run();
  const auto error = error_of(other);
  CHECK(error.code == ErrorCode::conflict);
  CHECK(error.message.find(kSealedPrefix) == std::string::npos);
}

TEST_CASE("sealing: long values are measured as they were sent") {
  WithKeys f;
  CHECK_FALSE(f.system.done(SetRunTags{"r1", {{"t", std::string(8000, 'x')}}}, f.about("ann"))
                  .events.empty());
  const auto longer =
      f.system.track(SetRunTags{"r1", {{"t", std::string(8001, 'x')}}}, f.about("ann"));
  f.system.run();
  CHECK(error_of(longer).field == "tags.t");
}

TEST_CASE("sealing: a command without personal fields does not take a subject") {
  WithKeys f;
  const auto head = f.system.log.head();
  const auto answer = f.system.track(LogMetrics{"r1", {{"auc", 0.5}}}, f.about("ann"));
  f.system.run();
  const auto error = error_of(answer);
  CHECK(error.code == ErrorCode::invalid_argument);
  CHECK(error.field == "X-Mlforge-Subject");
  CHECK(f.system.log.head() == head);
  CHECK(f.keys->list("default").empty());
}

TEST_CASE("sealing: without keys nothing that is personal is written") {
  SteppedSystem system;
  system.done(CreateExperiment{"adult"});
  system.done(StartRun{.run_id = "r1", .experiment_id = "1"});
  const auto answer =
      system.track(SetRunTags{"r1", {{"t", kSecret}}}, CommandMeta{.subject = "ann"});
  system.run();
  CHECK(error_of(answer).code == ErrorCode::unavailable);
  CHECK(system.log.head() == 2);
}

TEST_CASE("sealing: a repeated command is known, and its fingerprint is not the request's") {
  WithKeys f;
  const std::string id = "key-1#0123456789abcdef";
  const auto first = f.system.done(SetRunTags{"r1", {{"t", kSecret}}}, f.about("ann", id));
  const auto again = f.system.done(SetRunTags{"r1", {{"t", kSecret}}}, f.about("ann", id));
  CHECK(again.duplicate);
  CHECK(again.position == first.position);
  CHECK(f.stored().find("0123456789abcdef") == std::string::npos);
  const auto other =
      f.system.track(SetRunTags{"r1", {{"t", "b"}}}, f.about("ann", "key-1#fedcba9876543210"));
  f.system.run();
  CHECK(error_of(other).code == ErrorCode::conflict);
}

TEST_CASE("sealing: an encrypted text from outside is refused") {
  WithKeys f;
  f.system.done(SetRunTags{"r1", {{"t", kSecret}}}, f.about("ann"));
  const auto token = f.last<RunTagsSet>().tags.at("t");
  const auto refused = [&](const Answer& answer) {
    f.system.run();
    CHECK(error_of(answer).code == ErrorCode::invalid_argument);
  };
  refused(f.system.track(SetRunTags{"r1", {{"u", token}}}));
  refused(f.system.track(SetRunTags{"r1", {{"u", "say " + token + "!"}}}));
  refused(f.system.track(SetRunTags{"r1", {{token, "x"}}}, f.about("bob")));
  refused(f.system.track(CreateExperiment{token}));
  // Inside of what is encrypted once more it stays a text.
  f.system.done(SetRunTags{"r1", {{"u", token}}}, f.about("bob"));
  CHECK(f.keys->open_text("default", f.last<RunTagsSet>().tags.at("u")) == token);
}

TEST_CASE("sealing: rows of predictions are encrypted each under its own key") {
  WithKeys f;
  f.system.send<DeploymentBody>(f.system.managers.deployments, {},
                                RecordPredictions{"score", two_rows(), {"", "ann"}});
  f.system.run();
  auto batch = f.last<PredictionsLogged>();
  CHECK(f.stored().find(kSecret) == std::string::npos);
  CHECK(batch.request_ids == std::vector<std::string>{"a", ""});
  CHECK(std::isnan(batch.probabilities[1]));
  CHECK(std::isnan(batch.numeric_values[1]));
  CHECK(batch.numeric_values[0] == 30);
  CHECK(batch.versions == std::vector<std::int64_t>{1, 2});
  CHECK(batch.challenger == std::vector<std::int64_t>{0, 1});
  CHECK(batch.sealed.at(0).empty());
  CHECK(f.keys->open_text("default", batch.sealed.at(1)));

  auto open = batch;
  open_rows(f.keys.get(), "default", "predictions/score", open);
  const auto before = two_rows();
  CHECK(open.request_ids == before.request_ids);
  CHECK(open.probabilities == before.probabilities);
  CHECK(open.numeric_values[1] == 41.5);
  CHECK(std::isnan(open.numeric_values[3]));
  CHECK(open.categorical_values == before.categorical_values);

  for (const bool shredded : {false, true}) {
    if (shredded) REQUIRE(f.keys->shred(f.keys->find("default", "ann")[0]->id));
    auto erased = batch;
    // In another stream the row does not belong.
    open_rows(f.keys.get(), "default", shredded ? "predictions/score" : "predictions/x", erased);
    CHECK(erased.request_ids == std::vector<std::string>{"a"});
    CHECK(erased.probabilities == std::vector<double>{0.25});
    CHECK(erased.versions == std::vector<std::int64_t>{1});
    CHECK(erased.numeric_values.size() == 2);
    CHECK(erased.numeric_values[0] == 30);
    CHECK(erased.categorical_values == std::vector<std::string>{"nurse"});
  }
}

TEST_CASE("sealing: batches without subjects stay as they are") {
  WithKeys f;
  f.system.send<DeploymentBody>(f.system.managers.deployments, {},
                                RecordPredictions{"score", two_rows(), {}});
  f.system.run();
  auto batch = f.last<PredictionsLogged>();
  CHECK(batch.sealed.empty());
  open_rows(nullptr, "default", "predictions/score", batch);
  CHECK(batch.request_ids == two_rows().request_ids);
  CHECK(f.keys->list("default").empty());
}

}  // namespace mlforge::actors::test
