#include <cmath>
#include <limits>

#include "fixture.hpp"

namespace tracking_tests {

using namespace mlforge;
using namespace mlforge::projections;
using namespace mlforge::projections::test;

namespace {

RunMetricsLogged metrics(std::vector<std::string> keys, std::vector<double> values,
                         std::vector<std::int64_t> timestamps, std::vector<std::int64_t> steps) {
  return {std::move(keys), std::move(values), std::move(timestamps), std::move(steps)};
}

void start_run(World& w, const std::string& id, const std::string& experiment = "1") {
  w.append(
      "run/" + id,
      RunStarted{
          .run_id = id, .experiment_id = experiment, .name = "try " + id, .start_time = kStart});
}

}  // namespace

TEST_CASE("experiments and runs") {
  World w;
  const Position first =
      w.append("experiments/all", ExperimentCreated{.experiment_id = "1", .name = "adult"});
  w.append("experiments/all", ExperimentCreated{.experiment_id = "2", .name = "other"});
  start_run(w, "a");
  start_run(w, "b", "2");
  start_run(w, "c");
  const Position before = w.log->head();
  w.append("run/a", RunParamsLogged{.params = {{"depth", "6"}}});
  w.append("run/a", RunTagsSet{.tags = {{"team", "risk"}}});
  w.append("run/a", RunArtifactLogged{.path = "z.txt", .digest = "d1", .bytes = 1});
  w.append("run/a", RunArtifactLogged{.path = "a.txt", .digest = "d2", .bytes = 2});
  w.append("run/a", RunArtifactLogged{.path = "z.txt", .digest = "d3", .bytes = 3});
  w.append("run/a", RunInputLogged{.dataset = "adult", .version = 4, .digest = "dd"});
  w.append("run/a", RunEnded{.status = "finished", .end_time = kStart + 1'500'000});
  auto v = w.reader();

  const auto run = get_run(v, kTenant, "a");
  REQUIRE(run);
  REQUIRE(run->status == "finished");
  REQUIRE(run->name == "try a");
  REQUIRE(run->start_time == format_time(kStart));
  REQUIRE(run->end_time == format_time(kStart + 1'500'000));
  REQUIRE(run->params == Texts{{"depth", "6"}});
  REQUIRE(run->tags == Texts{{"team", "risk"}});
  REQUIRE(run->artifacts == std::vector<FileRef>{{"a.txt", "d2", 2}, {"z.txt", "d3", 3}});
  REQUIRE(run->inputs.size() == 1);
  REQUIRE(run->inputs[0].version == 4);
  REQUIRE(run->actor == "ann");

  const auto then = get_run(v, kTenant, "a", before);
  REQUIRE(then);
  REQUIRE(then->status == "running");
  REQUIRE(then->end_time.empty());
  REQUIRE(then->params.empty());
  const auto not_yet = get_run(v, kTenant, "a", first);
  REQUIRE_FALSE(not_yet);
  REQUIRE(not_yet.error().code == ErrorCode::not_found);
  REQUIRE(not_yet.error().message == "there is no run 'a'");
  REQUIRE_FALSE(get_run(v, "stranger", "a"));

  REQUIRE(find_experiment(v, kTenant, "adult")->experiment_id == "1");
  REQUIRE_FALSE(find_experiment(v, kTenant, "other", first));
  const auto experiments = list_experiments(v, kTenant, {});
  REQUIRE(experiments->items.size() == 2);
  REQUIRE(experiments->items[0].name == "other");
}

TEST_CASE("runs are listed newest first, page by page") {
  World w;
  w.append("experiments/all", ExperimentCreated{.experiment_id = "1", .name = "adult"});
  for (int i = 0; i < 7; ++i) start_run(w, std::to_string(i), i % 2 ? "2" : "1");
  auto v = w.reader();
  const auto ids = [](const Page<RunRow>& page) {
    std::string out;
    for (const auto& run : page.items) out += run.run_id;
    return out;
  };
  const auto first = list_runs(v, kTenant, "", {.limit = 3});
  REQUIRE(ids(*first) == "654");
  const auto second = list_runs(v, kTenant, "", {.limit = 3, .page_token = first->next_page_token});
  REQUIRE(ids(*second) == "321");
  const auto third = list_runs(v, kTenant, "", {.limit = 3, .page_token = second->next_page_token});
  REQUIRE(ids(*third) == "0");
  REQUIRE(third->next_page_token.empty());
  REQUIRE(ids(*list_runs(v, kTenant, "1", {})) == "6420");
  REQUIRE(ids(*list_runs(v, kTenant, "", {.as_of = 4})) == "210");
  REQUIRE(list_runs(v, kTenant, "9", {}).error().code == ErrorCode::not_found);
  REQUIRE(list_runs(v, kTenant, "", {.page_token = "??"}).error().field == "page_token");
}

TEST_CASE("the latest metric follows MLflow's rule: step, timestamp, value") {
  const double nan = std::nan(""), inf = std::numeric_limits<double>::infinity();
  World w;
  start_run(w, "a");
  w.append("run/a", metrics({"loss", "loss", "auc"}, {5, 4, 0.5}, {10, 10, 10}, {2, 1, 0}));
  w.append("run/a", metrics({"loss"}, {9}, {9}, {2}));    // same step, earlier
  w.append("run/a", metrics({"loss"}, {4}, {10}, {2}));   // same step and time, smaller
  w.append("run/a", metrics({"loss"}, {6}, {10}, {2}));   // the same, larger
  w.append("run/a", metrics({"auc"}, {nan}, {10}, {0}));  // NaN counts as 0
  w.append("run/a", metrics({"nan"}, {nan}, {1}, {0}));
  w.append("run/a", metrics({"nan"}, {-inf}, {1}, {0}));
  auto v = w.reader();
  const auto latest = latest_metrics(v, kTenant, "a");
  REQUIRE(latest->size() == 3);
  REQUIRE((*latest)[0].key == "auc");
  REQUIRE((*latest)[0].value == 0.5);
  REQUIRE((*latest)[1].key == "loss");
  REQUIRE((*latest)[1].value == 6);
  REQUIRE((*latest)[1].step == 2);
  REQUIRE(std::isnan((*latest)[2].value));
  REQUIRE((*latest_metrics(v, kTenant, "a", 2))[1].value == 5);
  REQUIRE(latest_metrics(v, kTenant, "a", 1)->empty());
  REQUIRE(latest_metrics(v, kTenant, "b").error().code == ErrorCode::not_found);
}

TEST_CASE("long series: sealed rows, as of, and down-sampling that keeps the extremes") {
  World w;
  start_run(w, "a");
  constexpr std::int64_t kCount = 1000;
  for (std::int64_t i = 0; i < kCount; ++i) {
    const double value = i == 333 ? -100 : i == 777 ? 100 : i % 10;
    w.append("run/a", metrics({"loss"}, {value}, {i}, {i}));
  }
  auto v = w.reader();
  const auto all = get_metric_series(v, kTenant, "a", "loss");
  REQUIRE(all->total == kCount);
  REQUIRE(all->steps.size() == kCount);
  for (std::int64_t i = 0; i < kCount; ++i) REQUIRE(all->steps[std::size_t(i)] == i);
  for (const std::int64_t n : {1, 127, 128, 129, 500, 999}) {
    const auto part = get_metric_series(v, kTenant, "a", "loss", Position(1 + n));
    REQUIRE(part->total == std::uint64_t(n));
    REQUIRE(part->steps.back() == n - 1);
    REQUIRE(latest_metrics(v, kTenant, "a", Position(1 + n))->at(0).step == n - 1);
  }
  const auto few = get_metric_series(v, kTenant, "a", "loss", kLatest, 20);
  REQUIRE(few->total == kCount);
  REQUIRE(few->steps.size() <= 20);
  REQUIRE(few->steps.size() >= 18);
  REQUIRE(few->steps.front() == 0);
  REQUIRE(few->steps.back() == kCount - 1);
  REQUIRE(std::is_sorted(few->steps.begin(), few->steps.end()));
  REQUIRE(std::count(few->values.begin(), few->values.end(), -100.0) == 1);
  REQUIRE(std::count(few->values.begin(), few->values.end(), 100.0) == 1);
  REQUIRE(get_metric_series(v, kTenant, "a", "auc").error().message ==
          "there is no metric of run 'a' 'auc'");
  REQUIRE_FALSE(get_metric_series(v, kTenant, "a", "loss", 1));
}

TEST_CASE("one event with thousands of points of one key stays in one row") {
  World w;
  start_run(w, "a");
  RunMetricsLogged big;
  for (std::int64_t i = 0; i < 5000; ++i) {
    big.keys.push_back("loss");
    big.values.push_back(double(i));
    big.timestamps.push_back(i);
    big.steps.push_back(4999 - i);
  }
  w.append("run/a", big);
  w.append("run/a", metrics({"loss"}, {7}, {1}, {5000}));
  auto v = w.reader();
  const auto all = get_metric_series(v, kTenant, "a", "loss");
  REQUIRE(all->total == 5001);
  REQUIRE(std::is_sorted(all->steps.begin(), all->steps.end()));
  REQUIRE(get_metric_series(v, kTenant, "a", "loss", 2)->total == 5000);
  REQUIRE(latest_metrics(v, kTenant, "a", 2)->at(0).value == 0);
}

TEST_CASE("a run of very many params and tags is the same run, now and as of before") {
  World w;
  w.append("experiments/all", ExperimentCreated{.experiment_id = "1", .name = "adult"});
  start_run(w, "r");
  start_run(w, "r2");
  Texts params, tags{{"team", "risk"}, {"", "no key"}};
  for (int i = 0; i < 900; ++i)
    params[std::string(i % 3 ? 10 : 240, 'k') + std::to_string(i)] = "v";
  for (int i = 0; i < 200; ++i) tags["t" + std::to_string(i)] = std::string(i, '\x01');
  const auto few = w.append("run/r", RunParamsLogged{.params = params});
  const auto many = w.append("run/r", RunTagsSet{.tags = tags});
  w.append("run/r", RunTagsSet{.tags = {{"team", "fraud"}}});
  w.append("run/r", RunTagRemoved{.key = "t7"});
  w.append("run/r", RunParamsLogged{.params = {{"late", "1"}}});
  w.append("run/r", RunEnded{.status = "finished", .end_time = kStart + 1});
  w.append("run/r2", RunTagsSet{.tags = {{"other", "run"}}});
  auto v = w.reader();
  CHECK(get_run(v, kTenant, "r", few)->params == params);
  CHECK(get_run(v, kTenant, "r", few)->tags.empty());
  CHECK(get_run(v, kTenant, "r", many)->params == params);
  CHECK(get_run(v, kTenant, "r", many)->tags == tags);
  params["late"] = "1";
  tags["team"] = "fraud";
  tags.erase("t7");
  const auto now = get_run(v, kTenant, "r");
  REQUIRE(now);
  CHECK(now->params == params);
  CHECK(now->tags == tags);
  CHECK(now->status == "finished");
  CHECK(list_runs(v, kTenant, "1", {})->items.back().params == params);
  CHECK(get_run(v, kTenant, "r2")->tags == Texts{{"other", "run"}});
}

TEST_CASE("names too long for a key are still told apart") {
  World w;
  const std::string run(200, 'r'), key(249, 'k');
  start_run(w, run);
  w.append("run/" + run, metrics({key + "a", key + "b"}, {1, 2}, {1, 1}, {1, 1}));
  auto v = w.reader();
  REQUIRE(get_run(v, kTenant, run)->run_id == run);
  REQUIRE(get_metric_series(v, kTenant, run, key + "b")->values == std::vector<double>{2});
  const auto latest = latest_metrics(v, kTenant, run);
  REQUIRE(latest->size() == 2);
  REQUIRE(latest->at(0).key == key + "a");
}

TEST_CASE("the best run of an experiment") {
  World w;
  w.append("experiments/all", ExperimentCreated{.experiment_id = "1", .name = "adult"});
  for (const char* id : {"a", "b", "c", "d"}) start_run(w, id);
  w.append("run/a", metrics({"auc"}, {0.8}, {1}, {1}));
  w.append("run/b", metrics({"auc"}, {0.9}, {1}, {1}));
  w.append("run/c", metrics({"auc"}, {std::nan("")}, {1}, {1}));
  const Position before = w.log->head();
  w.append("run/d", metrics({"auc"}, {0.9}, {1}, {1}));
  w.append("run/a", metrics({"auc"}, {0.95}, {1}, {2}));
  auto v = w.reader();
  REQUIRE(best_run(v, kTenant, "1", "auc", "max")->run.run_id == "a");
  const auto then = best_run(v, kTenant, "1", "auc", "max", before);
  REQUIRE(then->run.run_id == "b");
  REQUIRE(then->metric.value == 0.9);
  REQUIRE(best_run(v, kTenant, "1", "auc", "min")->run.run_id == "b");
  REQUIRE(best_run(v, kTenant, "1", "auc", "best").error().field == "mode");
  REQUIRE(best_run(v, kTenant, "1", "f1", "max").error().code == ErrorCode::not_found);
}

}  // namespace tracking_tests
