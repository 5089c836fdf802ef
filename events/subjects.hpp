// Whom or what keys are made for, as far as the log knows: which keys were destroyed.
#pragma once
#include <set>

#include "events/vocabulary.hpp"

namespace mlforge {

inline constexpr std::string_view kSubjectsStream = "subjects/all";

struct SubjectsState {
  std::set<std::string> shredded;  // key ids
};

struct ShredSubject {
  std::string key_id, reason;
};

// invalid_argument without a reason or with one of more than 1,000 bytes. The same key again
// changes nothing.
Expected<Events> decide(const SubjectsState& state, const ShredSubject& command);
void evolve(SubjectsState& state, const SubjectShredded& event);

}  // namespace mlforge
