// What runs/search and metric histories cost in process, without HTTP, on a folder of bench_runs.
//
//   bench_gateway FOLDER [TIMES]      the read models go to FOLDER/views, as the server's do
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>

#include "gateway/mlflow/metric_points.hpp"
#include "gateway/mlflow/run_subject.hpp"
#include "gateway/mlflow/search_index.hpp"
#include "projections/open_views.hpp"

namespace {

using namespace mlforge;
using namespace mlforge::gateway;
using namespace mlforge::gateway::mlflow;
using Clock = std::chrono::steady_clock;

double ms_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

template <class T>
T need(Expected<T> value) {
  if (value) return *std::move(value);
  std::fprintf(stderr, "%s\n", value.error().message.c_str());
  std::exit(1);
}

struct Views {
  projections::ViewStore& store;
  projections::RunIndex& index;
  int times;

  void measure(const char* what, const std::function<std::size_t(const QueryContext&)>& work) {
    std::vector<double> took;
    std::size_t bytes = 0;
    for (int i = 0; i <= times; ++i) {
      const auto start = Clock::now();
      auto reader = need(store.reader());
      bytes = work(QueryContext{reader, projections::kLatest, 0});
      took.push_back(ms_since(start));
      if (reader.status()) {
        std::fprintf(stderr, "%s\n", reader.status()->message.c_str());
        std::exit(1);
      }
    }
    const double first = took.front();
    took.erase(took.begin());
    std::sort(took.begin(), took.end());
    const auto at = [&](double share) {
      return took[std::min(took.size() - 1, static_cast<std::size_t>(share * double(took.size())))];
    };
    std::printf("%-70s first %9.3f  p50 %8.3f  p99 %8.3f ms  %zu bytes\n", what, first, at(0.5),
                at(0.99), bytes);
    std::fflush(stdout);
  }

  void search(const char* what, const char* filter, std::vector<std::string> order,
              bool rows = false) {
    RunSearch search;
    search.experiments = {"1"};
    search.filter = need(Filter::parse(filter, run_dialect()));
    search.orders = need(parse_order(order, run_dialect()));
    search.most = 100;
    measure(what, [&](const QueryContext& q) {
      index.listen();
      return need(rows ? search_rows(q, search) : search_index(index, q, search)).size();
    });
  }

  void history(const char* what, const char* key, std::uint64_t points) {
    measure(what, [&](const QueryContext& q) {
      projections::MetricHistory history(q.reader, {kTenant, "long", key},
                                         projections::HistoryOrder::time);
      std::string out;
      PointWriter(key, "").append(
          out, history.slice(history.size() / 2 < points ? 0 : history.size() / 2,
                             history.size() / 2 + points));
      return out.size();
    });
  }
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: bench_gateway FOLDER [TIMES]\n");
    return 2;
  }
  const std::filesystem::path folder = argv[1];
  auto log = need(storage::open_lmdb_log(folder, {}));
  const auto start = Clock::now();
  auto views = need(projections::open_views(*log, folder / "views"));
  std::printf("read models of %llu events opened or built in %.1f s\n",
              static_cast<unsigned long long>(log->head()), ms_since(start) / 1000);
  projections::RunIndex index(kTenant, read_cell);
  views.engine->observe(&index);
  Views v{*views.store, index, argc > 2 ? std::atoi(argv[2]) : 100};
  v.search("100 runs ordered by a metric", "", {"metrics.metric_0 DESC"});
  v.search("filter on a param and a metric, ordered by a metric",
           "params.param_1 = '7' and metrics.metric_1 > 0.5", {"metrics.metric_0 DESC"});
  v.search("filter LIKE on a param, ordered by a name", "params.param_1 LIKE '%7%'", {"run_name"});
  v.search("no order", "", {});
  std::printf("the index holds %.1f MB\n", static_cast<double>(index.footprint()) / 1e6);
  v.history("a page of 10,000 points", "ten_thousand", 10'000);
  v.history("a page of 25,000 points in the middle of the long series", "loss", 25'000);
  v.measure("320 points of the long series", [](const QueryContext& q) {
    std::string out;
    PointWriter("loss", "long")
        .append(out, sample_by_step(q.reader, {kTenant, "long", "loss"}, {}, {}, 320));
    return out.size();
  });
  v.times = std::min(v.times, 3);
  v.search("the first search again, from the rows", "", {"metrics.metric_0 DESC"}, true);
  views.engine.reset();
  if (const auto bad = views.store->close()) std::fprintf(stderr, "%s\n", bad->message.c_str());
  return 0;
}
