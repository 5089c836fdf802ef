#include "events/environment.hpp"

#include "events/checks.hpp"

namespace mlforge {

Expected<Events> decide(const EnvironmentState& state, const CaptureEnvironment& c) {
  if (auto bad = check_name("name", c.name)) return *bad;
  if (c.kind != "local") return invalid("kind", "must be local");
  if (state.digest == c.digest) return Events{};
  return Events{
      EnvironmentCaptured{.name = c.name, .kind = c.kind, .digest = c.digest, .facts = c.facts}};
}

void evolve(EnvironmentState& state, const EnvironmentCaptured& e) { state.digest = e.digest; }

}  // namespace mlforge
