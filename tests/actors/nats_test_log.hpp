// A log in memory with seeded ids and a clock that stands still, for the broadcaster's tests.
#pragma once
#include <string>
#include <vector>

#include "storage/memory_log.hpp"

namespace mlforge::actors::test {

inline Uuid test_id(std::uint64_t high, std::uint64_t low) {
  Uuid id;
  for (int i = 0; i < 8; ++i) {
    id.bytes[i] = static_cast<std::uint8_t>(high >> (56 - 8 * i));
    id.bytes[8 + i] = static_cast<std::uint8_t>(low >> (56 - 8 * i));
  }
  return id;
}

// Two logs of the same seed have the same log id. Event ids are test_id(ids, position), so that two
// histories of one log can be told apart.
struct TestLog {
  struct FixedClock : storage::Clock {
    TimeUs now() override { return 1'700'000'000'000'000; }
  };

  explicit TestLog(std::uint64_t seed = 1)
      : log(std::make_shared<FixedClock>(), storage::seeded_ids(seed)) {}

  // Appends `count` events; answers the new head.
  Position grow(std::uint64_t count, const std::string& payload = R"({"value":1})",
                std::uint64_t ids = 1) {
    for (std::uint64_t done = 0; done < count;) {
      storage::AppendRequest request;
      request.tenant = "default";
      request.actor = "alice";
      const auto portion = std::min<std::uint64_t>(count - done, 256);
      const auto head = log.head();
      for (Position p = head + 1; p <= head + portion; ++p)
        request.events.push_back({"run/" + std::to_string(p % 7), "run.metrics_logged", 1,
                                  ContentType::json, payload, test_id(ids, p)});
      done += portion;
      const auto answers = log.append(std::span(&request, 1));
      if (!answers.at(0)) throw std::runtime_error(answers.at(0).error().message);
    }
    return log.head();
  }

  storage::MemoryLog log;
};

}  // namespace mlforge::actors::test
