// Given what has happened, when somebody commands, then this happens: for the pure aggregates.
//
//   given<RunState>({RunStarted{...}}).when(EndRun{...}).then({RunEnded{...}});
//   given<RunState>().when(EndRun{...}).refused(ErrorCode::not_found);
//
// then() answers what is given after that, so that a scenario can go on.
#pragma once
#include <catch2/catch.hpp>
#include <string>

#include "events/aggregates.hpp"
#include "events/event_codec.hpp"

namespace mlforge::test {

// An event as a failed test shows it, and as two of them are compared: the wire name and the bytes
// that would be stored.
inline std::string shown(const Event& event) {
  const auto encoded = encode_event(event);
  std::string out = encoded.type + " ";
  append_payload_json(out, encoded.type, encoded.schema, encoded.content_type, encoded.payload);
  return out;
}

inline std::string shown(const Events& events) {
  std::string out;
  for (const auto& event : events) out += shown(event) + "\n";
  return out.empty() ? "nothing" : out;
}

// Where a scenario stands: clang 14 has no std::source_location.
struct Where {
  static Where here(const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
    return {file, line};
  }
  const char* file;
  int line;
};

template <class State>
class Given;

template <class State>
class When {
 public:
  When(State state, Expected<Events> result)
      : state_(std::move(state)), result_(std::move(result)) {}

  Given<State> then(const Events& events, Where where = Where::here()) const {
    INFO("expected at line " << where.line << " of " << where.file);
    if (!result_) FAIL("refused: " << result_.error().message);
    CHECK(shown(*result_) == shown(events));
    State state = state_;
    for (const auto& event : *result_) fold(state, event);
    return Given<State>(std::move(state));
  }

  Given<State> nothing(Where where = Where::here()) const { return then({}, where); }

  // Refused with that code, and naming that field; the sentence holds `words`.
  void refused(ErrorCode code, const std::string& field = "", const std::string& words = "",
               Where where = Where::here()) const {
    INFO("expected at line " << where.line << " of " << where.file);
    if (result_) FAIL("not refused: " << shown(*result_));
    CHECK(error_row(result_.error().code).name == error_row(code).name);
    CHECK(result_.error().field == field);
    CHECK_THAT(result_.error().message, Catch::Matchers::Contains(words));
    CHECK(result_.error().message.size() > 10);
  }

 private:
  State state_;
  Expected<Events> result_;
};

template <class State>
class Given {
 public:
  explicit Given(State state) : state_(std::move(state)) {}
  template <class Command>
  When<State> when(const Command& command) const {
    return {state_, decide(state_, command)};
  }
  const State& state() const { return state_; }

 private:
  State state_;
};

template <class State>
Given<State> given(const Events& events = {}) {
  State state;
  for (const auto& event : events) fold(state, event);
  return Given<State>(std::move(state));
}

// A digest that is easy to tell from others.
inline std::string digest_of(char c) { return std::string(64, c); }

}  // namespace mlforge::test
