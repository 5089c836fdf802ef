#include "actors/prediction_log.hpp"

#include <atomic>
#include <cmath>
#include <set>
#include <thread>

#include "events/columns.hpp"
#include "storage/log.hpp"
#include "tests/actors/serving_support.hpp"

namespace prediction_log_tests {

using namespace mlforge;
using namespace mlforge::actors;
using namespace mlforge::actors::test::serving;

namespace {

using ModelPtr = std::shared_ptr<const ServedModel>;

// "age", "workclass", "hours-per-week": two numeric features around a categorical one.
const ModelPtr& three_features() {
  static const ModelPtr model =
      served(1, train_model(7, {"age", "workclass", "hours-per-week"}, 60).bundle);
  return model;
}
// The same features, another version; and fewer features.
const ModelPtr& three_features_again() {
  static const ModelPtr model =
      served(2, train_model(8, {"age", "workclass", "hours-per-week"}, 60).bundle);
  return model;
}
const ModelPtr& two_features() {
  static const ModelPtr model = served(3, train_model(7, {"age", "workclass"}, 60).bundle);
  return model;
}

PredictionRow row_of(const ModelPtr& model, std::string id, double age = 40,
                     std::string workclass = "Private") {
  PredictionRow row;
  row.request_id = std::move(id);
  row.prediction = {1, 0.75, model->version(), false};
  row.time = 1000;
  row.model = model;
  row.numeric.assign(model->numeric_names().size(), 20);
  row.numeric[0] = age;
  row.categorical = {std::move(workclass)};
  return row;
}

std::vector<std::string> ids(const std::optional<PredictionLog::Batch>& batch) {
  REQUIRE(batch);
  return batch->columns.request_ids;
}

using Ids = std::vector<std::string>;

}  // namespace

TEST_CASE("prediction log: rows become columns, value by feature") {
  PredictionLog log;
  CHECK(log.empty());
  CHECK_FALSE(log.take());
  auto first = row_of(three_features(), "a", 30, "Private");
  first.prediction.probability = 0.25;
  auto second = row_of(three_features(), "b", std::nan(""), "");
  second.prediction.challenger = true;
  second.prediction.version = 9;
  second.time = 1001;
  auto third = row_of(three_features(), "c", 50, "State-gov");
  third.numeric[1] = 60;
  for (auto* row : {&first, &second, &third}) REQUIRE_FALSE(log.add("income", std::move(*row)));
  CHECK_FALSE(log.empty());

  const auto batch = log.take();
  REQUIRE(batch);
  CHECK(batch->endpoint == "income");
  const auto& c = batch->columns;
  CHECK(c.request_ids == Ids{"a", "b", "c"});
  CHECK(c.probabilities == std::vector<double>{0.25, 0.75, 0.75});
  CHECK(c.versions == std::vector<std::int64_t>{1, 9, 1});
  CHECK(c.challenger == std::vector<std::int64_t>{0, 1, 0});
  CHECK(c.times == std::vector<std::int64_t>{1000, 1001, 1000});
  CHECK(c.numeric_names == std::vector<std::string>{"age", "hours-per-week"});
  CHECK(c.categorical_names == std::vector<std::string>{"workclass"});
  REQUIRE(c.numeric_values.size() == 6);  // age of a, b, c, then hours of a, b, c
  CHECK(c.numeric_values[0] == 30);
  CHECK(std::isnan(c.numeric_values[1]));
  CHECK(c.numeric_values[2] == 50);
  CHECK(c.numeric_values[3] == 20);
  CHECK(c.numeric_values[5] == 60);
  CHECK(c.categorical_values == std::vector<std::string>{"Private", "", "State-gov"});
  CHECK(log.empty());
  CHECK(log.bytes() == 0);
  CHECK_FALSE(log.take());
}

TEST_CASE("prediction log: what predict() answered is what is logged, through the event's bytes") {
  Endpoint endpoint{{"income", "census", "e", 0, "request_id"}, three_features(), nullptr};
  PredictionLog log;
  PredictRequest request(R"({"age": 33.5, "workclass": null, "hours-per-week": null})");
  PredictionRow row;
  row.request_id = "r-1";
  row.time = 77;
  const auto answer = must(predict(endpoint, request.object, row));
  REQUIRE_FALSE(log.add("income", std::move(row)));
  const auto batch = log.take();
  REQUIRE(batch);
  const auto back = must(columns::decode<PredictionsLogged>(columns::encode(batch->columns)));
  CHECK(back.request_ids == Ids{"r-1"});
  CHECK(back.probabilities == std::vector<double>{answer.probability});
  CHECK(back.versions == std::vector<std::int64_t>{1});
  CHECK(back.times == std::vector<std::int64_t>{77});
  CHECK(back.numeric_values.at(0) == 33.5);
  CHECK(std::isnan(back.numeric_values.at(1)));
  CHECK(back.categorical_values == std::vector<std::string>{""});
}

TEST_CASE("prediction log: whom rows are about goes along, and costs room") {
  PredictionLog log;
  auto plain = row_of(two_features(), "a"), about = row_of(two_features(), "b");
  about.subject = "ann";
  REQUIRE_FALSE(log.add("income", std::move(plain)));
  const auto small = log.bytes();
  CHECK(log.take()->subjects.empty());
  REQUIRE_FALSE(log.add("income", std::move(about)));
  CHECK(log.bytes() > small + 500);
  REQUIRE_FALSE(log.add("income", row_of(two_features(), "c")));
  CHECK(log.take()->subjects == std::vector<std::string>{"ann", ""});
}

TEST_CASE("prediction log: a mark is passed when all that was added before it is finished") {
  PredictionLog log(64 << 20, 1);
  CHECK(log.passed(log.mark()));
  REQUIRE_FALSE(log.add("x", row_of(two_features(), "1")));
  REQUIRE_FALSE(log.add("y", row_of(two_features(), "2")));
  const auto mark = log.mark();
  REQUIRE_FALSE(log.add("x", row_of(two_features(), "3")));
  const auto first = log.take(), second = log.take();
  CHECK_FALSE(log.passed(mark));
  log.finished(*first);
  CHECK_FALSE(log.passed(mark));
  log.finished(*second);
  CHECK(log.passed(mark));
  CHECK_FALSE(log.passed(log.mark()));
}

TEST_CASE("prediction log: a full buffer refuses, and takes again once it was drained") {
  PredictionLog log(4000);
  std::size_t accepted = 0;
  Status refused;
  while (!refused && accepted < 1000) {
    refused = log.add("income", row_of(two_features(), std::to_string(accepted)));
    accepted += !refused;
    REQUIRE(log.bytes() <= 4000);
  }
  REQUIRE(refused);
  CHECK(refused->code == ErrorCode::too_many_requests);
  CHECK(accepted > 5);
  const auto batch = log.take();
  CHECK(ids(batch).size() == accepted);  // nothing of the refused one
  CHECK(log.bytes() == 0);
  CHECK_FALSE(log.add("income", row_of(two_features(), "again")));
}

TEST_CASE("prediction log: long texts count") {
  PredictionLog log(10000);
  CHECK_FALSE(log.add("income", row_of(two_features(), "a", 1, std::string(9000, 'x'))));
  const auto refused = log.add("income", row_of(two_features(), "b", 1, std::string(900, 'x')));
  REQUIRE(refused);
  CHECK(refused->code == ErrorCode::too_many_requests);
}

TEST_CASE("prediction log: a row that no event can hold is refused for good") {
  PredictionLog log;
  const std::string huge(PredictionLog::kMaxBatchBytes, 'x');
  const auto refused = log.add("income", row_of(two_features(), "a", 1, huge));
  REQUIRE(refused);
  CHECK(refused->code == ErrorCode::payload_too_large);
  CHECK(log.empty());
}

TEST_CASE("prediction log: a batch has at most so many rows, in the order of their adding") {
  PredictionLog log(1 << 20, 3);
  for (int i = 0; i < 7; ++i)
    REQUIRE_FALSE(log.add("income", row_of(two_features(), std::to_string(i))));
  CHECK(ids(log.take()) == Ids{"0", "1", "2"});
  REQUIRE_FALSE(log.add("income", row_of(two_features(), "7")));
  CHECK(ids(log.take()) == Ids{"3", "4", "5"});
  CHECK(ids(log.take()) == Ids{"6", "7"});
  CHECK_FALSE(log.take());
}

TEST_CASE("prediction log: every batch fits into an event") {
  PredictionLog log;
  const std::string text(4096, 'x');
  constexpr int kRows = 3000;  // 12 MiB of text
  for (int i = 0; i < kRows; ++i)
    REQUIRE_FALSE(log.add("income", row_of(two_features(), std::to_string(i), i, text)));
  int rows = 0, batches = 0;
  while (const auto batch = log.take()) {
    ++batches;
    REQUIRE(columns::encode(batch->columns).size() <= storage::Log::max_event_bytes());
    for (const auto& id : batch->columns.request_ids) REQUIRE(id == std::to_string(rows++));
  }
  CHECK(rows == kRows);
  CHECK(batches >= 3);
  CHECK(batches <= 6);
  CHECK(log.bytes() == 0);
}

TEST_CASE("prediction log: a batch ends where the features change, not where the version does") {
  PredictionLog log;
  const std::pair<const char*, const ModelPtr*> rows[] = {
      {"a", &three_features()}, {"b", &three_features_again()}, {"c", &two_features()},
      {"d", &two_features()},   {"e", &three_features()},
  };
  for (const auto& [id, model] : rows) REQUIRE_FALSE(log.add("income", row_of(*model, id)));
  const auto first = log.take(), second = log.take(), third = log.take();
  CHECK(ids(first) == Ids{"a", "b"});
  CHECK(first->columns.versions == std::vector<std::int64_t>{1, 2});
  CHECK(first->columns.numeric_values.size() == 4);
  CHECK(ids(second) == Ids{"c", "d"});
  CHECK(second->columns.numeric_names == std::vector<std::string>{"age"});
  CHECK(second->columns.numeric_values.size() == 2);
  CHECK(ids(third) == Ids{"e"});
  CHECK(log.empty());
}

TEST_CASE("prediction log: endpoints do not mix, and a busy one does not starve the others") {
  PredictionLog log(1 << 20, 2);
  for (int i = 0; i < 6; ++i)
    REQUIRE_FALSE(log.add("busy", row_of(two_features(), "x" + std::to_string(i))));
  REQUIRE_FALSE(log.add("quiet", row_of(two_features(), "y0")));
  REQUIRE_FALSE(log.add("another", row_of(two_features(), "z0")));
  std::vector<std::string> order;
  while (const auto batch = log.take()) {
    order.push_back(batch->endpoint);
    REQUIRE_FALSE(order.size() > 8);
    for (const auto& id : batch->columns.request_ids)
      REQUIRE(id[0] == (batch->endpoint == "busy" ? 'x' : batch->endpoint == "quiet" ? 'y' : 'z'));
  }
  CHECK(order == std::vector<std::string>{"another", "busy", "quiet", "busy", "busy"});
}

TEST_CASE("prediction log: many threads add while one takes: nothing lost, nothing twice") {
  PredictionLog log(64 << 20, 50);
  const auto model = two_features();
  constexpr int kThreads = 4, kEach = 1000;
  std::atomic<int> running = kThreads, refused = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i)
        refused += log.add("income", row_of(model, std::to_string(t * kEach + i))).has_value();
      --running;
    });
  std::set<std::string> seen;
  std::size_t taken = 0;
  for (;;) {
    const bool done = running == 0;  // before the take: what was added by then is in it
    const auto batch = log.take();
    if (batch) {
      taken += batch->columns.request_ids.size();
      seen.insert(batch->columns.request_ids.begin(), batch->columns.request_ids.end());
    } else if (done) {
      break;
    } else {
      std::this_thread::yield();
    }
  }
  for (auto& thread : threads) thread.join();
  CHECK(refused == 0);
  CHECK(taken == kThreads * kEach);
  CHECK(seen.size() == taken);
  CHECK(log.bytes() == 0);
}

}  // namespace prediction_log_tests
