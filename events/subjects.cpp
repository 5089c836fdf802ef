#include "events/subjects.hpp"

#include "events/checks.hpp"

namespace mlforge {

Expected<Events> decide(const SubjectsState& state, const ShredSubject& c) {
  if (c.reason.empty() || c.reason.size() > 1000)
    return invalid("reason", "must say in 1 to 1000 bytes why the key is destroyed");
  if (state.shredded.contains(c.key_id)) return Events{};
  return Events{SubjectShredded{.key_id = c.key_id, .reason = c.reason}};
}

void evolve(SubjectsState& state, const SubjectShredded& e) { state.shredded.insert(e.key_id); }

}  // namespace mlforge
