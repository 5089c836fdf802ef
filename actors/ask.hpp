// A command from a thread that may wait for its outcome: the rules and the executor, never a
// request's path.
#pragma once
#include <future>

#include "actors/handles.hpp"

namespace mlforge::actors {

template <class Body, class Actor>
Expected<Outcome> ask(const Actor& manager, CommandMeta meta, Body body) {
  std::promise<Expected<Outcome>> promise;
  auto future = promise.get_future();
  auto done = [promise = std::move(promise)](Expected<Outcome> result) mutable {
    promise.set_value(std::move(result));
  };
  manager.send(std::make_shared<Request<Body>>(
      Request<Body>{std::move(meta), std::move(body), std::move(done)}));
  return future.get();
}

}  // namespace mlforge::actors
