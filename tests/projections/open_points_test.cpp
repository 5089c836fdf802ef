// The newest points of a run in one row, and what is read over it, against the points in a vector.
#include "projections/open_points.hpp"

#include <bit>
#include <limits>
#include <map>
#include <string>

#include "fixture.hpp"

using namespace mlforge;
using namespace mlforge::projections;
using namespace mlforge::projections::test;
using namespace std::string_literals;

namespace {

struct Named {
  std::string key;
  MetricPoint point;
};

bool alike(const MetricPoint& a, const MetricPoint& b) {
  return a.position == b.position && a.step == b.step && a.timestamp == b.timestamp &&
         std::bit_cast<std::uint64_t>(a.value) == std::bit_cast<std::uint64_t>(b.value);
}

std::int64_t odd_number(std::mt19937_64& random) {
  switch (random() % 4) {
    case 0:
      return std::numeric_limits<std::int64_t>::min() + std::int64_t(random() % 3);
    case 1:
      return std::numeric_limits<std::int64_t>::max() - std::int64_t(random() % 3);
    case 2:
      return std::int64_t(random() % 20) - 10;
    default:
      return std::bit_cast<std::int64_t>(random());
  }
}

RunMetricsLogged random_points(std::mt19937_64& random, std::size_t count,
                               const std::vector<std::string>& keys) {
  RunMetricsLogged e;
  std::int64_t step = odd_number(random), time = odd_number(random);
  for (std::size_t i = 0; i < count; ++i) {
    if (random() % 3 == 0) step = odd_number(random);
    if (random() % 3 == 0) time = odd_number(random);
    e.keys.push_back(keys[random() % keys.size()]);
    e.values.push_back(random() % 9 == 0 ? std::nan("") : double(random() % 1000) / 8);
    e.steps.push_back(step);
    e.timestamps.push_back(time);
  }
  return e;
}

void remember(std::vector<Named>& all, const RunMetricsLogged& e, Position position) {
  for (std::size_t i = 0; i < e.keys.size(); ++i)
    all.push_back({e.keys[i], {position, e.steps[i], e.timestamps[i], e.values[i]}});
}

std::map<std::string, MetricPoint> best_of(const std::vector<Named>& all, Position as_of) {
  std::map<std::string, MetricPoint> best;
  for (const auto& [key, point] : all) {
    if (point.position > as_of) continue;
    const auto [at, is_new] = best.try_emplace(key, point);
    if (!is_new && MetricPoint::better(point, at->second)) at->second = point;
  }
  return best;
}

std::string open_row(std::mt19937_64& random, std::vector<Named>& all) {
  std::string row;
  const std::vector<std::string> keys{"", "a", "loss", std::string(255, 'k'), "b\0c"s};
  Position position = random() % 2 ? 1 : Position{1} << 62;
  for (std::size_t i = 0, n = random() % 12; i < n; ++i, position += 1 + random() % 300) {
    const auto e = random_points(random, 1 + random() % kOpenPoints, keys);
    const LoggedPoints points{position, e.keys, e.values, e.timestamps, e.steps};
    REQUIRE(fits_open(points));
    add_points(row, points);
    remember(all, e, position);
  }
  return row;
}

}  // namespace

TEST_CASE("an open row holds the points that were added, and the best of each name") {
  std::mt19937_64 random(31);
  for (int round = 0; round < 200; ++round) {
    std::vector<Named> all, read;
    const auto row = open_row(random, all);
    const auto names = open_names(row);
    each_open_point(row, [&](std::uint64_t name, const MetricPoint& point) {
      read.push_back({std::string(names.at(name)), point});
    });
    REQUIRE(read.size() == all.size());
    for (std::size_t i = 0; i < all.size(); ++i) {
      REQUIRE(read[i].key == all[i].key);
      REQUIRE(alike(read[i].point, all[i].point));
    }
    const auto best = best_of(all, kLatest);
    REQUIRE(names.size() == best.size());
    for (const auto& [key, point] : best) REQUIRE(alike(open_best(row, key).value(), point));
    REQUIRE_FALSE(open_best(row, "none"));
  }
}

TEST_CASE("a damaged open row is read without leaving its bytes") {
  std::mt19937_64 random(32);
  for (int round = 0; round < 300; ++round) {
    std::vector<Named> all;
    const auto whole = open_row(random, all);
    if (whole.empty()) continue;
    // A copy of its own size, so that a sanitizer sees the first byte beyond.
    std::vector<char> bytes(whole.begin(), whole.end());
    if (round % 2) bytes.resize(1 + random() % bytes.size());
    for (int flips = 0; flips < 5; ++flips)
      bytes[random() % bytes.size()] ^= char(1 + random() % 255);
    const std::string_view row(bytes.data(), bytes.size());
    std::size_t points = 0;
    each_open_point(row, [&](std::uint64_t, const MetricPoint&) { ++points; });
    REQUIRE(points <= row.size());
    REQUIRE(open_names(row).size() <= row.size());
    (void)open_best(row, "loss");
  }
}

TEST_CASE("events of many points or long names go past the open row") {
  const std::vector<std::string> many(kOpenPoints + 1, "a"), few(kOpenPoints, "a");
  REQUIRE_FALSE(fits_open({.keys = many}));
  REQUIRE(fits_open({.keys = few}));
  const std::vector<std::string> name{std::string(255, 'n')}, longer{std::string(256, 'n')};
  REQUIRE(fits_open({.keys = name}));
  REQUIRE_FALSE(fits_open({.keys = longer}));
}

TEST_CASE("all series of a run, whichever rows they lie in, as of any position") {
  std::mt19937_64 random(33);
  std::vector<std::string> keys{"loss", "auc", std::string(300, 'n'), std::string(300, 'n') + "m"};
  for (int i = 0; i < 30; ++i) keys.push_back("metric " + std::to_string(i));
  for (const std::size_t most : {3u, 40u, 150u}) {
    World w;
    w.append("run/a", RunStarted{.run_id = "a", .experiment_id = "1"});
    std::vector<Named> all;
    for (int i = 0; i < 250; ++i) {
      const auto e = random_points(random, 1 + random() % most, keys);
      remember(all, e, w.append("run/a", e));
      if (random() % 20 == 0) (void)w.engine->catch_up();
    }
    auto view = w.reader();
    for (int i = 0; i < 40; ++i) {
      const Position as_of = i == 0 ? kLatest : 2 + random() % w.log->head();
      INFO("up to " << most << " points an event, as of " << as_of);
      const auto best = best_of(all, as_of);
      const auto rows = latest_metrics(view, kTenant, "a", as_of);
      REQUIRE(rows);
      REQUIRE(rows->size() == best.size());
      std::size_t row = 0;
      for (const auto& [key, point] : best) {
        REQUIRE(rows->at(row++).key == key);
        REQUIRE(alike(latest_metric(view, kTenant, "a", key, as_of).value(), point));
      }
      const auto& key = keys[random() % keys.size()];
      const auto series = get_metric_series(view, kTenant, "a", key, as_of, 0);
      const auto logged = std::count_if(all.begin(), all.end(), [&](const Named& each) {
        return each.key == key && each.point.position <= as_of;
      });
      REQUIRE((series ? series->total : 0) == std::uint64_t(logged));
      if (!series) continue;
      std::vector<std::uint64_t> there, wanted;
      for (const auto value : series->values) there.push_back(std::bit_cast<std::uint64_t>(value));
      for (const auto& each : all)
        if (each.key == key && each.point.position <= as_of)
          wanted.push_back(std::bit_cast<std::uint64_t>(each.point.value));
      std::sort(there.begin(), there.end());
      std::sort(wanted.begin(), wanted.end());
      REQUIRE(there == wanted);
    }
    REQUIRE_FALSE(view.status());
    const auto built = w.engine->digest("metrics");
    Folder folder;
    auto store = open_store(folder.path());
    auto engine = open_engine(*w.log, *store, 7);
    REQUIRE(engine->catch_up());
    REQUIRE(*engine->digest("metrics") == *built);
  }
}
