// MLflow's search language: what parses, what it means, what is refused.
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <map>

#include "gateway/mlflow/search.hpp"

namespace mlforge::gateway::mlflow {
namespace {

const Dialect kDialect{{{.name = "run_id", .lists = true},
                        {.name = "run_name"},
                        {.name = "status"},
                        {.name = "start_time", .numeric = true},
                        {.name = "Run name", .stands_for = "run_name"},
                        {.name = "created", .numeric = true, .stands_for = "start_time"},
                        {.name = "lifecycle_stage", .order_only = true}},
                       {Entity::metric, Entity::param, Entity::tag, Entity::dataset}};

class Row : public Subject {
 public:
  std::map<std::pair<Entity, std::string>, Value> values;
  Value value(const Key& key) const override {
    const auto at = values.find({key.entity, key.name});
    return at == values.end() ? Value() : at->second;
  }
};

Row sample() {
  Row row;
  row.values = {{{Entity::metric, "auc"}, 0.9},
                {{Entity::metric, "val/loss"}, -1.5},
                {{Entity::metric, "broken"}, std::nan("")},
                {{Entity::param, "depth"}, std::string("6")},
                {{Entity::param, "a b"}, std::string("x")},
                {{Entity::tag, "mlflow.source.name"}, std::string("Train.py")},
                {{Entity::tag, "quote"}, std::string("it's")},
                {{Entity::attribute, "run_id"}, std::string("r1")},
                {{Entity::attribute, "run_name"}, std::string("swift-fox-1")},
                {{Entity::attribute, "status"}, std::string("FINISHED")},
                {{Entity::attribute, "start_time"}, 1700000000000.0},
                {{Entity::dataset, "name"}, std::vector<std::string>{"iris", "wine"}}};
  return row;
}

bool matches(const std::string& text) {
  INFO(text);
  auto filter = Filter::parse(text, kDialect);
  if (!filter) FAIL("refused: " << filter.error().message);
  return filter->matches(sample());
}

std::string refusal(const std::string& text) {
  const auto filter = Filter::parse(text, kDialect);
  return filter ? "" : filter.error().message;
}

}  // namespace

TEST_CASE("mlflow search: comparisons of each kind of key") {
  for (const char* text : {"",
                           "",
                           "metrics.auc > 0.5",
                           "metric.auc >= 0.9",
                           "metrics.auc = 0.9",
                           "metrics.auc != 1",
                           "metrics.auc < 1e2",
                           "metrics.`val/loss` = -1.5",
                           "metrics.\"val/loss\" <= -1.5",
                           "metrics.val/loss < 0",
                           "params.depth = '6'",
                           "parameters.depth = \"6\"",
                           "param.depth != '7'",
                           "params.`a b` = 'x'",
                           "tags.mlflow.source.name = 'Train.py'",
                           "tag.mlflow.source.name LIKE 'Train%'",
                           "tags.mlflow.source.name ILIKE 'train.__'",
                           "tags.quote = 'it''s'",
                           "tags.quote = \"it's\"",
                           "attributes.status = 'FINISHED'",
                           "status = 'FINISHED'",
                           "run.status != 'FAILED'",
                           "attr.`Run name` = 'swift-fox-1'",
                           "start_time > 1",
                           "created = 1700000000000",
                           "run_id IN ('r0', 'r1')",
                           "run_id not in ('r2')",
                           "datasets.name = 'wine'",
                           "dataset.name IN ('x', 'iris')",
                           "dataset.name LIKE 'w%'",
                           "params.none IS NULL",
                           "params.depth IS NOT NULL",
                           "tags.none is null",
                           "metrics.broken != 0",
                           "metrics.auc < 1e400",
                           "metrics.auc > -1e400"})
    CHECK(matches(text));
  for (const char* text :
       {"metrics.auc > 0.9", "metrics.none > 0", "metrics.none != 0", "metrics.broken > 0",
        "metrics.broken = 0", "params.depth = '7'", "params.none != 'x'",
        "tags.mlflow.source.name LIKE 'train%'", "tags.mlflow.source.name LIKE 'Train'",
        "run_id IN ('r2')", "run_id NOT IN ('r1')", "datasets.name = 'mnist'",
        "params.depth IS NULL", "tags.none IS NOT NULL"})
    CHECK_FALSE(matches(text));
}

TEST_CASE("mlflow search: AND binds before OR, and parentheses before both") {
  CHECK(matches("metrics.auc > 0.5 AND params.depth = '6'"));
  CHECK_FALSE(matches("metrics.auc > 0.5 and params.depth = '7'"));
  CHECK(matches("params.depth = '7' AND status = 'x' OR metrics.auc > 0.5"));
  CHECK_FALSE(matches("params.depth = '7' AND (status = 'x' OR metrics.auc > 0.5)"));
  CHECK(matches("(params.depth = '6' OR params.depth = '7') AND ((metrics.auc > 0.5))"));
  CHECK(matches("tags.quote = 'a AND b' OR params.depth = '6'"));
}

TEST_CASE("mlflow search: what is wrong is said") {
  CHECK(refusal("foo.bar = 'x'") ==
        "Invalid entity type 'foo'. Valid values are ['metric', 'parameter', 'tag', 'attribute', "
        "'dataset']");
  using Catch::Contains;
  CHECK_THAT(refusal("colour = 'red'"), Contains("Invalid attribute key 'colour' specified"));
  CHECK_THAT(refusal("lifecycle_stage = 'active'"), Contains("Invalid attribute key"));
  CHECK_THAT(refusal("metrics.auc > 'x'"), Contains("Expected numeric value type for metric"));
  CHECK_THAT(refusal("metrics.auc LIKE 'x'"), Contains("Invalid comparator 'LIKE'"));
  CHECK_THAT(refusal("params.depth > '6'"), Contains("Invalid comparator '>'"));
  CHECK_THAT(refusal("params.depth = 6"), Contains("Expected a quoted string value"));
  CHECK_THAT(refusal("params.depth = '6"), Contains("Expected a quoted string value"));
  CHECK_THAT(refusal("params.depth IN ('6')"), Contains("Invalid comparator 'IN'"));
  CHECK_THAT(refusal("status IN ('FINISHED')"), Contains("Only ['run_id'] attributes support"));
  CHECK_THAT(refusal("run_id IN ()"), Contains("non-empty list"));
  CHECK_THAT(refusal("metrics.auc IS NULL"), Contains("only supported for tags and params"));
  CHECK_THAT(refusal("dataset.colour = 'x'"), Contains("Invalid dataset key 'colour'"));
  CHECK_THAT(refusal("metrics.auc >"), Contains("Expected numeric value type"));
  CHECK_THAT(refusal("metrics.auc"), Contains("Invalid comparison clause"));
  CHECK_THAT(refusal("metrics.auc > 1 metrics.auc < 2"), Contains("Invalid clause(s)"));
  CHECK_THAT(refusal("metrics.auc > 1 AND"), Contains("expected an identifier"));
  CHECK_THAT(refusal("(metrics.auc > 1"), Contains("lacks a closing parenthesis"));
  CHECK_THAT(refusal(std::string(100, '(') + "metrics.auc > 1"), Contains("64 parentheses"));
  CHECK_THAT(refusal("metrics.auc > 0.9abc"), Contains("Expected numeric value type"));
}

TEST_CASE("mlflow search: a quote behind a backslash does not end a text, and both stay") {
  const auto value = [](const std::string& text) {
    INFO(text);
    const auto filter = Filter::parse("tags.x = " + text, kDialect);
    if (!filter) return "refused: " + filter.error().message;
    return std::get<std::string>(filter->root()->value);
  };
  // As MLflow 3.17.2 reads them.
  CHECK(value(R"('it\'s')") == R"(it\'s)");
  CHECK(value(R"("a\"b")") == R"(a\"b)");
  CHECK(value(R"('a\')") == R"(a\)");  // no other quote ends it
  CHECK(value(R"('a\b')") == R"(a\b)");
  CHECK(value(R"('\')") == R"(\)");
  CHECK(value(R"('a\' and tags.y='c')").starts_with("refused"));
  CHECK(value(R"('a''b')") == "a'b");  // as SQL has it
  CHECK(value(R"('a)").starts_with("refused"));
}

TEST_CASE("mlflow search: a number may be a text where its dialect says so") {
  const Dialect versions{
      .attributes = {{.name = "version_number", .numeric = true, .may_be_quoted = true}},
      .entities = {Entity::tag}};
  const auto number = [&](const std::string& text) {
    const auto filter = Filter::parse("version_number = " + text, versions);
    return filter ? std::get<double>(filter->root()->value) : -1;
  };
  CHECK(number("7") == 7);
  CHECK(number("'7'") == 7);
  CHECK(number("\"07\"") == 7);
  CHECK(number("'x'") == -1);
  CHECK(number("'7x'") == -1);
  CHECK(number("''") == -1);
}

TEST_CASE("mlflow search: LIKE") {
  CHECK(like("", "", false));
  CHECK(like("", "%", false));
  CHECK_FALSE(like("", "_", false));
  CHECK(like("aaaab", "%a_b", false) == true);
  CHECK(like("aaaab", "%aa_", false));
  CHECK(like("a%b", "a%b", false));
  CHECK(like("naïve", "na_ve", false));  // '_' is a character, not a byte
  CHECK(like("ABC", "abc", true));
  CHECK_FALSE(like("ABC", "abc", false));
  CHECK(like(std::string(5000, 'a'), std::string(30, '%') + "a", false));
  CHECK_FALSE(like(std::string(5000, 'a'), "%a%a%a%a%a%a%b", false));
}

TEST_CASE("mlflow search: ORDER BY") {
  const auto orders =
      parse_order({"metrics.auc DESC", "created", "params.`a b` asc", "lifecycle_stage"}, kDialect);
  REQUIRE(orders);
  REQUIRE(orders->size() == 4);
  CHECK(((*orders)[0].descending && (*orders)[0].key.numeric));
  CHECK((*orders)[1].key.name == "start_time");
  CHECK_FALSE((*orders)[2].descending);
  CHECK((*orders)[2].key.name == "a b");
  CHECK_FALSE(parse_order({"metrics.auc", "metric.auc DESC"}, kDialect));
  const Dialect repeats{.attributes = {{"name"}}, .entities = {}, .repeats = true};
  CHECK(parse_order({"name DESC", "name"}, repeats));
  CHECK_FALSE(parse_order({"metrics.auc SIDEWAYS"}, kDialect));
  CHECK_FALSE(parse_order({"colour"}, kDialect));
  CHECK_FALSE(parse_order({""}, kDialect));
}

TEST_CASE("mlflow search: NaN comes after numbers and what is absent last, both ways") {
  const Value one = 1.0, two = 2.0, nan = std::nan(""), none{};
  for (const bool descending : {false, true}) {
    CHECK(compare(one, nan, descending) < 0);
    CHECK(compare(nan, none, descending) < 0);
    CHECK(compare(none, two, descending) > 0);
    CHECK(compare(none, none, descending) == 0);
    CHECK(compare(nan, nan, descending) == 0);
  }
  CHECK(compare(one, two, false) < 0);
  CHECK(compare(one, two, true) > 0);
}

}  // namespace mlforge::gateway::mlflow
