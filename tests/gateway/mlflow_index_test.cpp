// Searches by the columns of the index against searches of the rows: the same text, over seeded
// histories of everything that can happen to a run.
#include "../projections/fixture.hpp"
#include "gateway/mlflow/run_subject.hpp"
#include "gateway/mlflow/search_index.hpp"

namespace mlforge::gateway::mlflow {
namespace {

using projections::RunIndex;
using projections::RunIndexOptions;

// A history of experiments and runs, going on.
class History {
 public:
  explicit History(std::uint64_t seed) : random_(seed) {
    for (const char* id : {"1", "2", "3"})
      append("experiments/all", ExperimentCreated{.experiment_id = id, .name = id});
  }
  const storage::Log& log() const { return *log_; }
  std::uint64_t number(std::uint64_t below) { return random_() % below; }
  std::string one_of(std::initializer_list<const char*> all) {
    return *(all.begin() + number(all.size()));
  }

  void go_on() {
    if (runs_.empty() || number(6) == 0) return start();
    const auto run = "run/" + runs_[number(runs_.size())];
    switch (number(10)) {
      case 0:
        return append(run, RunParamsLogged{.params = {{key(), text()}}});
      case 1:
        return append(run, RunTagsSet{.tags = {{key(), text()}}});
      case 2:
        return append(run, RunTagRemoved{.key = key()});
      case 3:
        return append(run, RunRenamed{.name = text()});
      case 4:
        return append(run, RunEnded{.status = one_of({"finished", "failed"}), .end_time = time()});
      case 5:
        return append(run, RunDeleted{.generation = number(2)});
      case 6:
        return append(run, RunRestored{.generation = number(2)});
      case 7:
        return append(run, RunDatasetsLogged{.datasets = {dataset()}});
      case 8:
        return change_experiment();
      default:
        return log_metrics(run);
    }
  }

 private:
  void append(const std::string& stream, Event event) {
    projections::test::append(*log_, {stream, std::move(event), kTenant});
  }
  std::string key() { return one_of({"a", "b", "mlflow.runName"}); }
  std::string text() { return one_of({"x", "y", "Xy", "x%", "longer than fifteen bytes", ""}); }
  TimeUs time() { return projections::test::kStart + static_cast<TimeUs>(number(5)) * 1500; }
  DatasetUse dataset() {
    return {.name = one_of({"iris", "wine"}),
            .digest = text(),
            .source_type = "s",
            .source = "s",
            .tags = {{"mlflow.data.context", one_of({"train", "test"})}}};
  }
  void start() {
    runs_.push_back("r" + std::to_string(runs_.size()));
    append("run/" + runs_.back(), RunStarted{.run_id = runs_.back(),
                                             .experiment_id = one_of({"1", "2", "3"}),
                                             .name = text(),
                                             .start_time = time(),
                                             .user_id = one_of({"ann", "bob"})});
  }
  void change_experiment() {
    const auto id = one_of({"2", "3"});
    if (number(2) == 0)
      append("experiments/all", ExperimentDeleted{.experiment_id = id});
    else
      append("experiments/all", ExperimentRestored{.experiment_id = id});
  }
  void log_metrics(const std::string& run) {
    RunMetricsLogged e;
    for (std::uint64_t i = 0; i <= number(3); ++i) {
      e.keys.push_back(one_of({"auc", "loss"}));
      e.values.push_back(number(8) == 0 ? std::nan("") : static_cast<double>(number(6)));
      e.timestamps.push_back(static_cast<std::int64_t>(number(4)));
      e.steps.push_back(static_cast<std::int64_t>(number(4)));
    }
    append(run, e);
  }

  std::mt19937_64 random_;
  std::unique_ptr<storage::MemoryLog> log_ = projections::test::make_log();
  std::vector<std::string> runs_;
};

std::string random_clause(History& h) {
  const auto number =
      " " + h.one_of({"=", "!=", "<", "<=", ">", ">="}) + " " + std::to_string(h.number(6));
  const auto text = " " + h.one_of({"=", "!=", "LIKE", "ILIKE"}) + " '" +
                    h.one_of({"x", "X%", "%y", "nobody", "_", "FINISHED", "longer than%"}) + "'";
  switch (h.number(7)) {
    case 0:
      return "metrics." + h.one_of({"auc", "loss", "none"}) + number;
    case 1:
      return "params." + h.one_of({"a", "none"}) + text;
    case 2:
      return "tags." + h.one_of({"b", "`mlflow.runName`"}) + text;
    case 3:
      return h.one_of({"params.a", "tags.b"}) + h.one_of({" IS NULL", " IS NOT NULL"});
    case 4:
      return "datasets." + h.one_of({"name", "context"}) +
             h.one_of({" = 'iris'", " != 'train'", " LIKE 't%'", " IN ('wine', 'test')"});
    case 5:
      return h.one_of({"start_time", "end_time"}) + h.one_of({" > ", " <= ", " != "}) +
             std::to_string(projections::test::kStart / 1000 + 2);
    default:
      return h.one_of({"status", "run_name", "user_id", "artifact_uri"}) + text;
  }
}

std::string random_filter(History& h) {
  std::string out;
  for (std::uint64_t i = h.number(4); i > 0; --i) {
    if (!out.empty()) out += h.one_of({" AND ", " OR "});
    out += random_clause(h);
  }
  return h.number(3) == 0 && !out.empty() ? "(" + out + ") AND " + random_clause(h) : out;
}

RunSearch random_search(History& h) {
  RunSearch search;
  for (const char* id : {"1", "2", "3", "9"})
    if (h.number(3) > 0) search.experiments.push_back(id);
  const auto text = random_filter(h);
  auto filter = Filter::parse(text, run_dialect());
  INFO(text);
  REQUIRE(filter);
  search.filter = *std::move(filter);
  std::vector<std::string> orders;
  for (const char* key : {"metrics.auc", "params.a", "tags.b", "start_time", "end_time", "run_name",
                          "experiment_id", "attributes.lifecycle_stage"})
    if (h.number(5) == 0) orders.push_back(key + h.one_of({"", " ASC", " DESC"}));
  std::shuffle(orders.begin(), orders.end(), std::mt19937(static_cast<unsigned>(h.number(1000))));
  auto parsed = parse_order(orders, run_dialect());
  REQUIRE(parsed);
  search.orders = *std::move(parsed);
  search.view = h.number(2) == 0 ? View{} : View{h.number(2) == 0, true};
  search.most = 1 + h.number(20);
  search.offset = h.number(3) == 0 ? h.number(30) : 0;
  return search;
}

struct Searched {
  projections::test::Folder folder;
  std::unique_ptr<projections::ViewStore> store = projections::test::open_store(folder.path());
  std::unique_ptr<projections::ProjectionEngine> engine;
  RunIndex index;

  Searched(const storage::Log& log, RunIndexOptions options)
      : engine(projections::test::open_engine(log, *store, 50)),
        index(kTenant, read_cell, options) {
    engine->observe(&index);
  }

  // The two answers; the index is asked twice, the second time of what it kept.
  void compare(History& h, const RunSearch& search) {
    index.listen();
    REQUIRE(engine->catch_up());
    auto reader = store->reader();
    REQUIRE(reader);
    const QueryContext q{*reader, projections::kLatest, h.log().head()};
    const auto wanted = search_rows(q, search);
    REQUIRE(wanted);
    for (int i = 0; i < 2; ++i) {
      const auto found = search_index(index, q, search);
      REQUIRE(found);
      REQUIRE(*found == *wanted);
    }
    const QueryContext then{*reader, h.log().head(), h.log().head()};
    REQUIRE(*search_rows(then, search) == *wanted);
  }
};

void compare_all(std::uint64_t seed, RunIndexOptions options) {
  History h(seed);
  Searched s(h.log(), options);
  for (int i = 0; i < 120; ++i) {
    INFO("seed " << seed << ", search " << i);
    for (std::uint64_t n = h.number(12); n > 0; --n) {
      h.go_on();
      if (h.number(4) == 0) REQUIRE(s.engine->catch_up(1 + h.number(4)));
    }
    s.compare(h, random_search(h));
  }
}

}  // namespace

TEST_CASE("mlflow: a search by the index answers what a search of the rows answers") {
  for (const std::uint64_t seed : {1u, 2u, 3u}) compare_all(seed, {});
}

TEST_CASE("mlflow: the index may forget columns, answers and what has changed") {
  compare_all(4, {.column_bytes = 0});
  compare_all(5, {.rendered_bytes = 5000});
  compare_all(6, {.touched_runs = 2});
}

TEST_CASE("mlflow: after a rebuild the index reads the rows anew") {
  History h(7);
  Searched s(h.log(), {});
  for (int i = 0; i < 80; ++i) h.go_on();
  const auto search = random_search(h);
  s.compare(h, search);
  REQUIRE_FALSE(s.engine->rebuild("runs", {}));
  s.compare(h, search);
}

}  // namespace mlforge::gateway::mlflow
