#include <catch2/catch.hpp>
#include <map>
#include <random>

#include "storage/command_window.hpp"

namespace command_window_tests {

using namespace mlforge;
using namespace mlforge::storage;

TEST_CASE("command window: knows exactly the commands of the last events") {
  CommandWindow window;
  std::map<std::string, Appended> all;
  std::mt19937 random(3);
  Position head = 0;
  for (int batch = 0; batch < 3000; ++batch) {
    std::vector<std::string> ids;
    std::vector<Appended> appended;
    const std::size_t count = 1 + random() % 80;
    for (std::size_t i = 0; i < count; ++i) {
      ids.push_back("c-" + std::to_string(head));
      appended.push_back({head + 1, head + 1 + random() % 3, false});
      head = appended.back().last + random() % 2;  // some events have no command id
    }
    std::vector<CommandWindow::Outcome> outcomes;
    for (std::size_t i = 0; i < ids.size(); ++i) {
      outcomes.push_back({{"acme", ids[i]}, appended[i], CommandWindow::hash({"acme", ids[i]})});
      all[ids[i]] = appended[i];
    }
    window.add(outcomes, head);
  }
  REQUIRE(head > 3 * Log::command_window());
  std::size_t known = 0;
  for (const auto& [id, appended] : all) {
    const auto found = window.find({"acme", id});
    REQUIRE(found.has_value() == (appended.last + Log::command_window() > head));
    if (!found) continue;
    ++known;
    REQUIRE(found->first == appended.first);
    REQUIRE(found->last == appended.last);
    REQUIRE(found->duplicate);
  }
  CHECK(known > 10'000);
  CHECK_FALSE(window.find({"other", all.rbegin()->first}));
  CHECK_FALSE(window.find({"ac", "me" + all.rbegin()->first}));
}

TEST_CASE("command window: a ring of one-event commands comes round") {
  CommandWindow window;
  for (Position head = 1; head <= 3 * Log::command_window() + 5; ++head) {
    const std::string id = std::to_string(head);
    const CommandWindow::Outcome outcome{
        {"acme", id}, {head, head, false}, CommandWindow::hash({"acme", id})};
    window.add({&outcome, 1}, head);
  }
  const Position head = 3 * Log::command_window() + 5;
  CHECK(window.find({"acme", std::to_string(head)})->last == head);
  CHECK(window.find({"acme", std::to_string(head - Log::command_window() + 1)}));
  CHECK_FALSE(window.find({"acme", std::to_string(head - Log::command_window())}));
}

}  // namespace command_window_tests
