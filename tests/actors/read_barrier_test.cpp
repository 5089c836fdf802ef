#include "actors/read_barrier.hpp"

#include <catch2/catch.hpp>

namespace mlforge::actors::test {

TEST_CASE("read barrier: the first who waits is told of, and who is there already does not wait") {
  ReadBarrier barrier;
  int told = 0, released = 0;
  barrier.on_wait([&] { ++told; });
  barrier.reached(5);
  barrier.when(5, [&] { ++released; });
  CHECK(released == 1);
  CHECK(told == 0);
  CHECK_FALSE(barrier.awaited());
  barrier.when(6, [&] { ++released; });
  barrier.when(8, [&] { ++released; });
  CHECK(told == 1);
  CHECK(barrier.awaited());
  barrier.reached(7);
  CHECK(released == 2);
  CHECK(barrier.awaited());
  barrier.reached(8);
  CHECK(released == 3);
  CHECK_FALSE(barrier.awaited());
  barrier.when(9, [&] { ++released; });
  CHECK(told == 2);
  barrier.fail();
  CHECK(released == 4);
  CHECK_FALSE(barrier.awaited());
  barrier.when(9, [&] { ++released; });
  CHECK(released == 5);
  CHECK(told == 2);
}

}  // namespace mlforge::actors::test
