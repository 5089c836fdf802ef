#include "events/one_of.hpp"

#include <catch2/catch.hpp>
#include <memory>
#include <stdexcept>
#include <string>

#include "events/one_of_table.hpp"

namespace mlforge::one_of_test {

// Counts how many there are, and fails to be copied where it is told to.
struct Counted {
  Counted() { ++alive; }
  Counted(const Counted& other) : refuses(other.refuses) {
    if (refuses) throw std::runtime_error("refused");
    ++alive;
  }
  Counted(Counted&& other) noexcept : refuses(other.refuses) { ++alive; }
  ~Counted() { --alive; }
  bool refuses = false;
  inline static int alive = 0;
};

struct Kinds : TypeList<int, std::string, Counted> {};
using Value = OneOf<Kinds>;

}  // namespace mlforge::one_of_test

namespace mlforge {

template <>
const Alternative* alternatives<one_of_test::Kinds>() {
  static constexpr auto table = one_of::table(one_of_test::Kinds{});
  return table.data();
}

using one_of_test::Counted;
using one_of_test::Value;

TEST_CASE("one of: a value is what it was made of, and a default one the first of the list") {
  CHECK(Value().index() == 0);
  CHECK(get<int>(Value()) == 0);
  const Value text(std::string(100, 'x'));
  CHECK(text.index() == 1);
  CHECK(holds_alternative<std::string>(text));
  CHECK(get<std::string>(text).size() == 100);
  CHECK(get_if<int>(&text) == nullptr);
  CHECK_THROWS_AS(get<int>(text), std::bad_variant_access);
}

TEST_CASE("one of: copies, moves and assignments destroy what was there, once") {
  REQUIRE(Counted::alive == 0);
  {
    Value a{Counted()}, b(a), c(std::string(100, 'y'));
    CHECK(Counted::alive == 2);
    c = a;
    CHECK(Counted::alive == 3);
    b = Value(7);
    CHECK(Counted::alive == 2);
    const Value& same = a;
    a = same;
    CHECK(Counted::alive == 2);
    *static_cast<std::string*>(c.emplace(1)) = "new";
    CHECK(get<std::string>(std::move(c)) == "new");
    CHECK(Counted::alive == 1);
  }
  CHECK(Counted::alive == 0);
}

TEST_CASE("one of: a copy that fails leaves what was there") {
  Value target(std::string("kept")), source{Counted()};
  get_if<Counted>(&source)->refuses = true;
  CHECK_THROWS_AS(target = source, std::runtime_error);
  CHECK(get<std::string>(target) == "kept");
}

TEST_CASE("one of: a visitor sees the value as its type, and is offered only what it takes") {
  Value value(3);
  visit(
      []<class T>(T& each) {
        if constexpr (std::is_same_v<T, int>) each = 4;
      },
      value);
  CHECK(visit([]<class T>(const T&) { return std::is_same_v<T, int>; }, std::as_const(value)));
  int seen = 0;
  const auto take = [&](const int& each) { seen = each; };
  CHECK(offer(take, std::as_const(value)));
  CHECK(seen == 4);
  CHECK_FALSE(offer(take, Value(Counted())));
  CHECK(seen == 4);
}

}  // namespace mlforge
