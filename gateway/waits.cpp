#include "gateway/waits.hpp"

namespace mlforge::gateway {
namespace {

struct Wait : std::enable_shared_from_this<Wait> {
  Wait(App& app, http::Reply reply,
       std::function<std::optional<Expected<http::Response>>(bool)> look)
      : app(app), reply(std::move(reply)), look(std::move(look)) {}

  // On the server's thread.
  void try_now(bool last) {
    if (!reply) return;
    // Before the look, so that what comes while it looks is not waited past.
    const Position seen = app.projected.position();
    if (auto answer = look(last || app.projected.failed())) {
      if (*answer)
        reply.send(**std::move(answer));
      else
        reply.send(answer->error());
      return;
    }
    app.projected.when(seen + 1, [self = shared_from_this()] {
      self->app.server->post([self] { self->try_now(false); });
    });
  }

  App& app;
  http::Reply reply;
  std::function<std::optional<Expected<http::Response>>(bool)> look;
};

}  // namespace

void wait_until(App& app, http::Reply reply, std::chrono::seconds timeout,
                std::function<std::optional<Expected<http::Response>>(bool last)> look) {
  auto wait = std::make_shared<Wait>(app, std::move(reply), std::move(look));
  app.workers->post_after(timeout,
                          [wait] { wait->app.server->post([wait] { wait->try_now(true); }); });
  wait->try_now(false);
}

std::string new_id(App& app) {
  std::string id;
  for (const char each : to_string(app.context.ids->next(app.context.clock->now())))
    if (each != '-') id += each;
  return id;
}

}  // namespace mlforge::gateway
