#include "actors/system.hpp"

#include <caf/all.hpp>

namespace mlforge::actors {
namespace {

struct ServerConfig : caf::actor_system_config {
  ServerConfig() {
    // Work stealing would spin; sharing sleeps when there is nothing to do.
    set("scheduler.policy", caf::atom("sharing"));
    set("scheduler.max-threads", std::size_t{2});
  }
};

}  // namespace

struct System::Impl {
  ServerConfig config;
  caf::actor_system system{config};
};

System::System() : impl_(std::make_unique<Impl>()) {}
System::~System() = default;
caf::actor_system& System::caf() { return impl_->system; }

}  // namespace mlforge::actors
