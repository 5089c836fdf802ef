// Requests that wait for something to come true.
#pragma once
#include <chrono>

#include "gateway/handlers.hpp"

namespace mlforge::gateway {

// Asks `look(false)` now and each time the read models have moved on, until it answers, and
// `look(true)` when the time is up: that one must answer. Nothing blocks meanwhile. `look` runs on
// the server's thread.
void wait_until(App& app, http::Reply reply, std::chrono::seconds timeout,
                std::function<std::optional<Expected<http::Response>>(bool last)> look);

// A fresh id: 32 hexadecimal digits of a UUIDv7.
std::string new_id(App& app);

}  // namespace mlforge::gateway
