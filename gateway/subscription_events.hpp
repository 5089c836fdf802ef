// Deliveries as their consumers see them.
#pragma once
#include <string>

#include "actors/subscriptions.hpp"

namespace mlforge::gateway {

// The event as JSON, with "attempt" and "ack_by" beside its own members, and its type where that is
// asked for. An Error where the log cannot be read there.
Expected<std::string> delivery_json(const storage::Log& log, const actors::Delivery& delivery,
                                    std::string* type = nullptr);

// The deliveries as a list between brackets, of at least one and at most `max_bytes` or so. What
// does not fit is given back; what cannot be read has failed.
std::string deliveries_json(const storage::Log& log, actors::Subscriptions& subscriptions,
                            const std::string& name,
                            const std::vector<actors::Delivery>& deliveries, std::size_t max_bytes);

}  // namespace mlforge::gateway
