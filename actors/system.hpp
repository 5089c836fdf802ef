// CAF's scheduler, as the server runs it.
#pragma once
#include <memory>

namespace caf {
class actor_system;
}

namespace mlforge::actors {

// Ends when all actors have.
class System {
 public:
  System();
  ~System();
  System(const System&) = delete;
  caf::actor_system& caf();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace mlforge::actors
