#include "actors/prediction_spool.hpp"

#include <cmath>
#include <fstream>

#include "actors/prediction_log.hpp"
#include "events/event_codec.hpp"
#include "storage/memory_log.hpp"
#include "tests/actors/serving_support.hpp"

namespace prediction_spool_tests {

using namespace mlforge;
using namespace mlforge::actors;
using namespace mlforge::actors::test::serving;

namespace {

namespace fs = std::filesystem;

SpooledRow row_of(const std::string& endpoint, const std::string& id, TimeUs time,
                  const std::string& subject = "") {
  SpooledRow out{endpoint, subject, {}};
  out.row.request_ids = {id};
  out.row.probabilities = {0.25};
  out.row.versions = {3};
  out.row.challenger = {0};
  out.row.times = {time};
  out.row.numeric_names = {"age"};
  out.row.numeric_values = {std::nan("")};
  out.row.categorical_names = {"workclass"};
  out.row.categorical_values = {"Private"};
  return out;
}

struct Fixture {
  ScratchFolder scratch;
  fs::path folder = scratch.path() / "predictions";
  storage::MemoryLog log{storage::system_clock(), storage::seeded_ids(1)};
  PredictionSpool spool = must(PredictionSpool::start(folder));

  void add(const SpooledRow& row) {
    REQUIRE_FALSE(spool.add(row.endpoint, PredictionSpool::encode(row), !row.subject.empty()));
  }
  std::vector<SpooledRow> left() { return must(read_spool(folder, log, kTenant)); }
  std::size_t files() const {
    return static_cast<std::size_t>(
        std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
  }
  void log_rows(const std::vector<SpooledRow>& rows) {
    for (auto& batch : to_batches(rows)) {
      const auto stream = "predictions/" + batch.endpoint;
      storage::AppendRequest request;
      request.tenant = kTenant;
      request.events.push_back(encode_event(batch.batch, stream));
      must(log.append({&request, 1}).front());
    }
  }
};

std::vector<std::string> ids(const std::vector<SpooledRow>& rows) {
  std::vector<std::string> out;
  for (const auto& each : rows) out.push_back(each.row.request_ids[0]);
  return out;
}

using Ids = std::vector<std::string>;

}  // namespace

TEST_CASE("spool: what is not in the log is found again, in its order") {
  Fixture f;
  CHECK(f.left().empty());
  const std::vector<SpooledRow> rows{row_of("a", "1", 10), row_of("b", "2", 11),
                                     row_of("a", "3", 12), row_of("a", "3", 12),
                                     row_of("a", "4", 13, "person/7")};
  for (const auto& each : rows) f.add(each);
  auto left = f.left();
  CHECK(ids(left) == Ids{"1", "3", "3", "4", "2"});
  CHECK(left[3].subject == "person/7");
  CHECK(std::isnan(left[0].row.numeric_values[0]));
  CHECK(left[0].row.categorical_values == Ids{"Private"});
  f.log_rows({rows[0], rows[2]});
  CHECK(ids(f.left()) == Ids{"3", "4", "2"});
  auto sealed = rows[4];
  sealed.row.request_ids = {""};
  sealed.row.sealed = {"ciphertext"};
  storage::AppendRequest request;
  request.tenant = kTenant;
  request.events.push_back(encode_event(sealed.row, "predictions/a"));
  must(f.log.append({&request, 1}).front());
  CHECK(ids(f.left()) == Ids{"3", "2"});
}

TEST_CASE("spool: a row that was not written whole is not there, and those before it are") {
  Fixture f;
  f.add(row_of("a", "1", 10));
  f.add(row_of("a", "2", 11));
  const auto path = fs::directory_iterator(f.folder)->path();
  const auto whole = fs::file_size(path);
  for (const auto cut : {std::uintmax_t{1}, whole / 2 - 1}) {
    fs::resize_file(path, whole - cut);
    CHECK(ids(f.left()) == Ids{"1"});
  }
  fs::resize_file(path, whole);  // zeros where the row stood
  CHECK(ids(f.left()) == Ids{"1"});
  fs::resize_file(path, 3);
  CHECK(f.left().empty());
}

TEST_CASE("spool: files go when all their rows are finished") {
  Fixture f;
  const auto one = row_of("a", "1", 10), other = row_of("b", "2", 11);
  f.add(one);
  f.add(other);
  f.spool.finished("a", 1);
  f.spool.rotate();
  CHECK(f.files() == 2);  // b's row is open
  f.add(one);
  f.spool.finished("b", 1);
  CHECK(f.files() == 1);
  f.spool.finished("a", 1);
  CHECK(ids(f.left()) == Ids{"1"});
  f.add(row_of("a", "5", 15, "person/7"));
  f.spool.finished("a", 1);  // what is about somebody does not wait
  CHECK(f.files() == 1);
  CHECK(f.left().empty());
  // Many rows take several files, of which only the last stays.
  const auto long_row = row_of("a", std::string(100000, 'x'), 12);
  for (int i = 0; i < 40; ++i) f.add(long_row);
  CHECK(f.files() > 2);
  f.spool.finished("a", 40);
  CHECK(f.files() == 1);
}

TEST_CASE("spool: a start deletes what was before") {
  Fixture f;
  f.add(row_of("a", "1", 10));
  auto next = must(PredictionSpool::start(f.folder));
  CHECK(f.left().empty());
}

TEST_CASE("spool: batches hold 500 rows of one endpoint and one list of features") {
  std::vector<SpooledRow> rows;
  for (int i = 0; i < 501; ++i) rows.push_back(row_of("a", std::to_string(i), i));
  rows.push_back(row_of("b", "b", 1));
  rows.push_back(row_of("b", "c", 2, "person/7"));
  rows.back().row.numeric_values = {5};
  rows.push_back(row_of("b", "d", 3));
  rows.back().row.numeric_names = {"hours"};
  const auto batches = to_batches(rows);
  REQUIRE(batches.size() == 4);
  CHECK(batches[0].batch.request_ids.size() == 500);
  CHECK(batches[0].subjects.empty());
  CHECK(batches[1].batch.request_ids == Ids{"500"});
  CHECK(batches[2].batch.request_ids == Ids{"b", "c"});
  CHECK(batches[2].batch.numeric_values[1] == 5);
  CHECK(batches[2].subjects == Ids{"", "person/7"});
  CHECK(batches[3].batch.numeric_names == Ids{"hours"});
}

TEST_CASE("spool: the prediction log keeps rows there until they are finished") {
  Fixture f;
  const auto model = served(1, train_model(7, {"age", "workclass"}, 60).bundle);
  PredictionLog predictions;
  predictions.keep_in(must(PredictionSpool::start(f.folder)));
  PredictionRow row;
  row.request_id = "r";
  row.prediction = {1, 0.75, 1, true};
  row.time = 1000;
  row.model = model;
  row.numeric = {40};
  row.categorical = {"Private"};
  REQUIRE_FALSE(predictions.add("income", row));
  REQUIRE_FALSE(predictions.add("income", row));
  auto left = f.left();
  REQUIRE(left.size() == 2);
  CHECK(left[0].row.numeric_values == std::vector<double>{40});
  CHECK(left[0].row.challenger == std::vector<std::int64_t>{1});
  const auto batch = predictions.take();
  REQUIRE(batch);
  CHECK(batch->columns.request_ids == Ids{"r", "r"});
  predictions.finished(*batch);
  predictions.drop_finished();
  CHECK(f.left().empty());
}

}  // namespace prediction_spool_tests
