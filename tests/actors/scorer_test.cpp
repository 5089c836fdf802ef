#include "actors/scorer.hpp"

#include <atomic>
#include <cmath>
#include <numeric>
#include <thread>

#include "events/codec.hpp"
#include "ml/routing.hpp"
#include "tests/actors/serving_support.hpp"

namespace scorer_tests {

using namespace mlforge;
using namespace mlforge::actors;
using namespace mlforge::actors::test::serving;

namespace {

const std::string kText = "Private", kTwoFeatures = R"({"age": 40, "workclass": "Private"})";

// A model of two features: requests to it are short.
const TrainedModel& small_model() {
  static const TrainedModel model = train_model(7, {"age", "workclass"});
  return model;
}

Endpoint endpoint_of(std::uint32_t canary_bp, std::string unit = "request_id") {
  Endpoint out;
  out.settings = {"income", "census", "experiment-1", canary_bp, std::move(unit)};
  out.champion = served(1, small_model().bundle);
  out.challenger = served(2, small_model().bundle);
  return out;
}

Error error_of(const std::string& json) {
  static const auto model = served(1, small_model().bundle);
  PredictRequest request(json);
  PredictionRow row;
  const auto bad = model->score(request.object, row);
  if (!bad) FAIL("scored: " << json);
  return *bad;
}

}  // namespace

TEST_CASE("scorer: answers what the batch prediction answers, bit for bit") {
  const auto& trained = census_model();
  const auto table = census(300, 99);  // rows it has not seen
  std::vector<std::uint32_t> rows(table.rows());
  std::iota(rows.begin(), rows.end(), 0u);
  const auto batch = must(
      ml::predict(trained.bundle.model, must(trained.bundle.preprocessor.transform(table, rows))));
  const auto model = served(3, trained.bundle);
  std::size_t nulls = 0, positives = 0;
  for (const auto i : rows) {
    const auto json = features_json(table, i, trained.bundle.manifest.features);
    nulls += json.find("null") != std::string::npos;
    PredictRequest request(json);
    PredictionRow row;
    REQUIRE_FALSE(model->score(request.object, row));
    REQUIRE(row.prediction.probability == static_cast<double>(batch[i]));
    REQUIRE(row.prediction.label == (batch[i] >= 0.5f ? 1 : 0));
    REQUIRE(row.prediction.version == 3);
    positives += static_cast<std::size_t>(row.prediction.label);
  }
  CHECK(nulls > 0);
  CHECK(positives > 0);
  CHECK(positives < rows.size());
}

TEST_CASE("scorer: the threshold is the manifest's") {
  auto bundle = small_model().bundle;
  const auto label_at = [&](double threshold) {
    bundle.manifest.threshold = threshold;
    PredictRequest request(kTwoFeatures);
    PredictionRow row;
    REQUIRE_FALSE(served(1, bundle)->score(request.object, row));
    return row.prediction;
  };
  const double p = label_at(0.5).probability;
  REQUIRE(p > 0);
  CHECK(label_at(p).label == 1);
  CHECK(label_at(std::nextafter(p, 1)).label == 0);
}

TEST_CASE("scorer: the row for the log has the features as they were sent, in any order") {
  const auto model = served(5, small_model().bundle);
  CHECK(model->numeric_names() == std::vector<std::string>{"age"});
  CHECK(model->categorical_names() == std::vector<std::string>{"workclass"});
  PredictionRow row, swapped, missing;
  PredictRequest a(kTwoFeatures), b(R"({"workclass": "Private", "age": 40.0})");
  PredictRequest c(R"({"workclass": null, "age": null})");
  REQUIRE_FALSE(model->score(a.object, row));
  REQUIRE_FALSE(model->score(b.object, swapped));
  REQUIRE_FALSE(model->score(c.object, missing));
  CHECK(row.numeric == std::vector<double>{40});
  CHECK(row.categorical == std::vector<std::string>{kText});
  CHECK(swapped.prediction.probability == row.prediction.probability);
  CHECK(swapped.categorical == row.categorical);
  CHECK(std::isnan(missing.numeric.at(0)));
  CHECK(missing.categorical == std::vector<std::string>{""});
}

TEST_CASE("scorer: a row that is used again keeps nothing of the last request") {
  const auto model = served(5, small_model().bundle);
  PredictionRow row, fresh;
  PredictRequest first(R"({"age": 90, "workclass": "Self-emp-inc"})"), second(kTwoFeatures);
  REQUIRE_FALSE(model->score(first.object, row));
  REQUIRE_FALSE(model->score(second.object, row));
  REQUIRE_FALSE(model->score(second.object, fresh));
  CHECK(row.numeric == fresh.numeric);
  CHECK(row.categorical == fresh.categorical);
  CHECK(row.prediction.probability == fresh.prediction.probability);
}

TEST_CASE("scorer: a category that training never saw is answered") {
  const auto model = served(5, small_model().bundle);
  PredictionRow row;
  PredictRequest request(R"({"age": 40, "workclass": "Astronaut \u0041\u00e9"})");
  REQUIRE_FALSE(model->score(request.object, row));
  CHECK(row.categorical == std::vector<std::string>{"Astronaut A\u00e9"});
}

TEST_CASE("scorer: null is the category that a missing cell was trained as") {
  auto bundle = small_model().bundle;
  const auto row_of = [&](const std::string& json) {
    PredictRequest request(json);
    PredictionRow row;
    REQUIRE_FALSE(served(1, bundle)->score(request.object, row));
    return row;
  };
  const std::string null = R"({"age": 40, "workclass": null})";
  const auto plain = row_of(null);
  CHECK(plain.categorical == std::vector<std::string>{""});
  REQUIRE(plain.prediction.probability != row_of(kTwoFeatures).prediction.probability);
  bundle.manifest.missing_category = kText;
  const auto marked = row_of(null);
  CHECK(marked.prediction.probability == row_of(kTwoFeatures).prediction.probability);
  CHECK(marked.categorical == std::vector<std::string>{kText});
  const auto manifest = to_json(bundle.manifest);
  CHECK(must(from_json<Manifest>(manifest, Unknown::skip)).missing_category == kText);
  bundle.manifest.missing_category.reset();
  CHECK(to_json(bundle.manifest).find("missing_category") == std::string::npos);
}

TEST_CASE("scorer: bad requests are refused by the name of the feature") {
  struct Case {
    std::string json, field, says;
    ErrorCode code = ErrorCode::invalid_argument;
  };
  const std::string huge(4097, 'x');
  const std::vector<Case> cases{
      {R"({"age": 40, "workclass": "a", "wage": 1})", "features.wage", "it has age, workclass",
       ErrorCode::unknown_field},
      {R"({"age": 40, "workclass": "a", "Age": 1})", "features.Age", "no feature",
       ErrorCode::unknown_field},
      {R"({"age": 40, "workclass": "a", "": 1})", "features.", "no feature",
       ErrorCode::unknown_field},
      {R"({})", "features.age", "send null"},
      {R"({"age": 40})", "features.workclass", "is missing"},
      {R"({"workclass": "a"})", "features.age", "is missing"},
      {R"({"age": 40, "workclass": "a", "age": 41})", "features.age", "given twice"},
      {R"({"age": null, "workclass": "a", "age": null})", "features.age", "given twice"},
      {R"({"age": "40", "workclass": "a"})", "features.age", "a number or null"},
      {R"({"age": true, "workclass": "a"})", "features.age", "a number or null"},
      {R"({"age": [40], "workclass": "a"})", "features.age", "a number or null"},
      {R"({"age": {"a": 1}, "workclass": "a"})", "features.age", "a number or null"},
      {R"({"age": 40, "workclass": 3})", "features.workclass", "a string or null"},
      {R"({"age": 40, "workclass": false})", "features.workclass", "a string or null"},
      {R"({"age": 40, "workclass": []})", "features.workclass", "a string or null"},
      {R"({"age": 1e300, "workclass": "a"})", "features.age", "too large"},
      {R"({"age": -1.7e308, "workclass": "a"})", "features.age", "too large"},
      {R"({"age": 40, "workclass": ")" + huge + "\"}", "features.workclass", "at most 4096 bytes"},
  };
  for (const auto& each : cases) {
    INFO(each.json.substr(0, 80));
    const auto error = error_of(each.json);
    CHECK(error.code == each.code);
    CHECK(error.field == each.field);
    INFO(error.message);
    CHECK(error.message.find(each.says) != std::string::npos);
    CHECK(error.message.size() < 300);
  }
}

TEST_CASE("scorer: large numbers and long texts within the bounds are answered") {
  const auto model = served(1, small_model().bundle);
  PredictionRow row;
  PredictRequest big(R"({"age": 18446744073709551615, "workclass": ")" + std::string(4096, 'x') +
                     "\"}");
  REQUIRE_FALSE(model->score(big.object, row));
  CHECK(row.numeric.at(0) == 18446744073709551615.0);
  CHECK(row.categorical.at(0).size() == 4096);
}

TEST_CASE("scorer: a model that does not fit its preprocessor is not served") {
  auto bundle = small_model().bundle;
  bundle.model = census_model().bundle.model;  // of all features
  const auto wide = ServedModel::load(1, std::make_shared<const Bundle>(bundle));
  REQUIRE_FALSE(wide);
  CHECK(wide.error().code == ErrorCode::invalid_argument);
  CHECK(wide.error().message.find("features, the preprocessor gives") != std::string::npos);
  bundle.model = "no model";
  const auto broken = ServedModel::load(1, std::make_shared<const Bundle>(bundle));
  REQUIRE_FALSE(broken);
  CHECK(broken.error().code == ErrorCode::corrupt);
}

TEST_CASE("scorer: a model of as many features, but named otherwise, is not served") {
  const ml::Matrix x{4, 2, {0, 1, 1, 0, 2, 1, 3, 0}};
  const std::vector<float> y{0, 0, 1, 1};
  const auto load = [&](std::vector<std::string> names) {
    ml::TrainOptions options;
    options.rounds = 1;
    options.feature_names = std::move(names);
    auto bundle = train_model(3, {"age", "hours-per-week"}, 50).bundle;
    bundle.model = must(ml::train(x, y, options)).bytes;
    return ServedModel::load(1, std::make_shared<const Bundle>(bundle));
  };
  CHECK(load({"age", "hours-per-week"}));
  CHECK(load({}));  // without names there is nothing to compare
  const auto swapped = load({"hours-per-week", "age"});
  REQUIRE_FALSE(swapped);
  CHECK(swapped.error().code == ErrorCode::invalid_argument);
}

TEST_CASE("scorer: the canary's share of 100,000 request ids") {
  const auto endpoint = endpoint_of(1000);  // 10 %
  PredictRequest request(kTwoFeatures);
  std::size_t challengers = 0;
  for (int i = 0; i < 100000; ++i) {
    PredictionRow row;
    row.request_id = "request-" + std::to_string(i);
    const auto prediction = predict(endpoint, request.object, row);
    REQUIRE(prediction);
    const bool expected = ml::routes_to_challenger(
        ml::canary_bucket("experiment-1", row.request_id), endpoint.settings.canary_bp);
    REQUIRE(prediction->challenger == expected);
    REQUIRE(prediction->version == (expected ? 2u : 1u));
    challengers += expected;
  }
  // Binomial: 10,000 expected, standard deviation 95; five of them.
  CHECK(challengers > 9525);
  CHECK(challengers < 10475);
}

TEST_CASE("scorer: the ends of the canary's share, and a route without a model") {
  PredictRequest request(kTwoFeatures);
  const auto version_of = [&](const Endpoint& endpoint, int i) {
    PredictionRow row;
    row.request_id = std::to_string(i);
    row.prediction.challenger = true;  // left from another request
    const auto prediction = must(predict(endpoint, request.object, row));
    CHECK(row.model == (prediction.challenger ? endpoint.challenger : endpoint.champion));
    return prediction.version;
  };
  auto endpoint = endpoint_of(0);
  for (int i = 0; i < 100; ++i) REQUIRE(version_of(endpoint, i) == 1);
  endpoint.settings.canary_bp = 10000;
  for (int i = 0; i < 100; ++i) REQUIRE(version_of(endpoint, i) == 2);
  endpoint.challenger = nullptr;
  for (int i = 0; i < 100; ++i) REQUIRE(version_of(endpoint, i) == 1);
  endpoint.champion = nullptr;
  PredictionRow row;
  const auto none = predict(endpoint, request.object, row);
  REQUIRE_FALSE(none);
  CHECK(none.error().code == ErrorCode::unavailable);
  CHECK(none.error().message.find("promote") != std::string::npos);
}

TEST_CASE("scorer: without a champion only the canary's share is answered") {
  auto endpoint = endpoint_of(5000);
  endpoint.champion = nullptr;
  PredictRequest request(kTwoFeatures);
  std::size_t answered = 0;
  for (int i = 0; i < 1000; ++i) {
    PredictionRow row;
    row.request_id = std::to_string(i);
    const auto prediction = predict(endpoint, request.object, row);
    const auto bucket = ml::canary_bucket("experiment-1", row.request_id);
    REQUIRE(prediction.has_value() == ml::routes_to_challenger(bucket, 5000));
    answered += prediction.has_value();
  }
  CHECK(answered > 400);
  CHECK(answered < 600);
}

TEST_CASE("scorer: a feature as the canary's unit keeps a person on one route") {
  const auto by_class = endpoint_of(5000, "workclass"), by_age = endpoint_of(5000, "age");
  const auto route = [](const Endpoint& endpoint, const std::string& json, const char* id) {
    PredictRequest request(json);
    PredictionRow row;
    row.request_id = id;
    return must(predict(endpoint, request.object, row)).challenger;
  };
  std::size_t challengers = 0;
  for (int i = 0; i < 200; ++i) {
    const auto age = std::to_string(i);
    const std::string unit = "c" + age;
    const auto json = R"({"age": 1, "workclass": ")" + unit + "\"}";
    const bool first = route(by_class, json, "a");
    REQUIRE(first == route(by_class, json, "b"));
    REQUIRE(first == ml::routes_to_challenger(ml::canary_bucket("experiment-1", unit), 5000));
    challengers += first;
    // The same number, written in three ways.
    const bool plain = route(by_age, R"({"workclass": "a", "age": )" + age + "}", "a");
    REQUIRE(plain == ml::routes_to_challenger(ml::canary_bucket("experiment-1", age), 5000));
    REQUIRE(plain == route(by_age, R"({"workclass": "a", "age": )" + age + ".0}", "b"));
    REQUIRE(plain == route(by_age, R"({"workclass": "a", "age": )" + age + "e0}", "c"));
  }
  CHECK(challengers > 60);
  CHECK(challengers < 140);
}

TEST_CASE("scorer: a request without the canary's unit is refused, with a challenger or without") {
  PredictRequest request(R"({"age": 40})");
  auto endpoint = endpoint_of(5000, "workclass");
  for (int round = 0; round < 2; ++round) {
    PredictionRow row;
    const auto refused = predict(endpoint, request.object, row);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::invalid_argument);
    CHECK(refused.error().field == "features.workclass");
    CHECK(row.model == nullptr);
    endpoint.challenger = nullptr;
  }
}

TEST_CASE("scorer: the canary's unit need not be a feature of the model") {
  const auto endpoint = endpoint_of(5000, "user");
  std::size_t challengers = 0;
  for (int i = 0; i < 200; ++i) {
    const auto user = "u" + std::to_string(i);
    PredictRequest request(R"({"age": 40, "workclass": "a", "user": ")" + user + "\"}");
    PredictionRow row;
    row.request_id = "same";
    const bool challenger = must(predict(endpoint, request.object, row)).challenger;
    REQUIRE(challenger == ml::routes_to_challenger(ml::canary_bucket("experiment-1", user), 5000));
    challengers += challenger;
  }
  CHECK(challengers > 60);
  CHECK(challengers < 140);
  PredictRequest list(R"({"age": 40, "workclass": "a", "user": [1]})");
  PredictionRow row;
  CHECK(predict(endpoint, list.object, row).error().field == "features.user");
  PredictRequest other(R"({"age": 40, "workclass": "a", "user": "u", "shoe": 44})");
  CHECK(predict(endpoint, other.object, row).error().field == "features.shoe");
}

TEST_CASE("scorer: endpoints by name, by default, and as the only one") {
  Scorer scorer;
  CHECK(scorer.find("") == nullptr);
  CHECK(scorer.find("income") == nullptr);
  scorer.set_endpoint({"income", "census", "e", 0, "request_id"});
  CHECK(scorer.find("income")->settings.model == "census");
  CHECK(scorer.find("") == scorer.find("income"));
  scorer.set_endpoint({"churn", "customers", "e", 0, "request_id"});
  CHECK(scorer.find("") == nullptr);
  scorer.set_endpoint({"default", "any", "e", 0, "request_id"});
  CHECK(scorer.find("")->settings.name == "default");
  CHECK(scorer.endpoints().size() == 3);
}

TEST_CASE("scorer: new settings keep the routes, and a route can be cleared") {
  Scorer scorer;
  const auto model = served(4, small_model().bundle);
  scorer.set_route("income", false, model);  // no such endpoint: nothing to route
  CHECK(scorer.endpoints().empty());
  scorer.set_endpoint({"income", "census", "e", 0, "request_id"});
  scorer.set_route("income", false, model);
  scorer.set_route("income", true, model);
  scorer.set_endpoint({"income", "census", "e", 250, "age"});
  const auto held = scorer.find("income");
  CHECK(held->champion == model);
  CHECK(held->challenger == model);
  CHECK(held->settings.canary_bp == 250);
  scorer.set_route("income", true, nullptr);
  CHECK(scorer.find("income")->challenger == nullptr);
  CHECK(scorer.find("income")->champion == model);
  CHECK(held->challenger == model);  // a request that has begun keeps what it began with
}

TEST_CASE("scorer: a hot swap under load loses no answer and mixes no versions") {
  // Two models that answer this request differently.
  const auto old_model = served(1, small_model().bundle);
  const auto new_model = served(2, train_model(8, {"age", "workclass"}).bundle);
  const auto answer = [](const std::shared_ptr<const ServedModel>& model) {
    PredictRequest request(kTwoFeatures);
    PredictionRow row;
    REQUIRE_FALSE(model->score(request.object, row));
    return row.prediction.probability;
  };
  const double expected[] = {answer(old_model), answer(new_model)};
  REQUIRE(expected[0] != expected[1]);
  Scorer scorer;
  scorer.set_endpoint({"income", "census", "e", 0, "request_id"});
  scorer.set_route("income", false, old_model);

  constexpr int kThreads = 4, kSwaps = 40;
  std::atomic<bool> done = false;
  std::atomic<int> lost = 0, wrong = 0, asked = 0, of_version[2] = {0, 0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t)
    threads.emplace_back([&] {
      PredictRequest request(kTwoFeatures);
      for (; !done; ++asked) {
        const auto endpoint = scorer.find("income");
        PredictionRow row;
        const auto prediction = predict(*endpoint, request.object, row);
        if (!prediction || prediction->version < 1 || prediction->version > 2) {
          ++lost;
          continue;
        }
        const auto version = prediction->version;
        wrong +=
            row.model->version() != version || prediction->probability != expected[version - 1];
        ++of_version[version - 1];
      }
    });
  for (int swap = 0; swap < kSwaps; ++swap) {
    scorer.set_route("income", false, swap % 2 == 0 ? new_model : old_model);
    scorer.set_endpoint({"income", "census", "e", static_cast<std::uint32_t>(swap), "age"});
    // One answer a thread was under way; the next began after the swap.
    for (const int before = asked; asked <= before + kThreads;) std::this_thread::yield();
  }
  done = true;
  for (auto& thread : threads) thread.join();
  CHECK(lost == 0);
  CHECK(wrong == 0);
  CHECK(of_version[0] > kSwaps / 4);
  CHECK(of_version[1] > kSwaps / 4);
  CHECK(of_version[0] + of_version[1] == asked);
}

}  // namespace scorer_tests
