#include "actors/system.hpp"

#include "actors/actors.hpp"

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

void end_actor(const caf::actor& actor) {
  caf::scoped_actor self{actor.home_system()};
  caf::anon_send_exit(actor, caf::exit_reason::user_shutdown);
  self->wait_for(actor);
}

}  // namespace mlforge::actors
