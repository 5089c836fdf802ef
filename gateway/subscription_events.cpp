#include "gateway/subscription_events.hpp"

#include "events/event_codec.hpp"

namespace mlforge::gateway {

Expected<std::string> delivery_json(const storage::Log& log, const actors::Delivery& delivery,
                                    std::string* type) {
  std::string out;
  const auto read = log.read(delivery.position, 1, [&](const EventView& e) {
    append_event_json(out, e);
    if (type) *type = e.type;
    return false;
  });
  if (!read) return read.error();
  if (out.empty()) return Error{ErrorCode::internal, "the event is not in the log", ""};
  out.pop_back();
  out += ",\"attempt\":";
  append_json_uint(out, delivery.attempt);
  out += ",\"ack_by\":";
  append_json_string(out, format_time(delivery.deadline));
  out += '}';
  return out;
}

std::string deliveries_json(const storage::Log& log, actors::Subscriptions& subscriptions,
                            const std::string& name,
                            const std::vector<actors::Delivery>& deliveries,
                            std::size_t max_bytes) {
  std::string items;
  std::vector<Position> left;
  for (const auto& each : deliveries) {
    if (items.size() >= max_bytes) {
      left.push_back(each.position);
      continue;
    }
    const auto item = delivery_json(log, each);
    if (!item) {
      (void)subscriptions.nack(name, {{each.position}, item.error().message, {}, false});
      continue;
    }
    if (!items.empty()) items += ',';
    items += *item;
  }
  subscriptions.give_back(name, left);
  return "[" + items + "]";
}

}  // namespace mlforge::gateway
