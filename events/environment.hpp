// Environments: what a step ran on, captured as facts with a digest.
#pragma once
#include "events/vocabulary.hpp"

namespace mlforge {

struct EnvironmentState {
  std::string digest;  // empty: never captured
};

struct CaptureEnvironment {
  std::string name, kind;
  std::string digest;  // of the facts, computed by the manager
  Texts facts;
};

// The same facts again are no event.
Expected<Events> decide(const EnvironmentState& state, const CaptureEnvironment& command);
void evolve(EnvironmentState& state, const EnvironmentCaptured& event);

}  // namespace mlforge
