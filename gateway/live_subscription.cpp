#include "gateway/live_subscription.hpp"

#include "events/checks.hpp"
#include "gateway/subscription_events.hpp"

namespace mlforge::gateway {
namespace {

using actors::Subscriptions;

struct Consumer {
  std::string name;  // of the subscription
  std::string id;    // who takes
  bool named = false;
  std::size_t most = SIZE_MAX;  // events without an acknowledgement
};

Expected<Consumer> parse_consumer(App& app, const http::Request& request) {
  Consumer out{.name = std::string(request.query("subscription").value_or(""))};
  out.id = request.query("consumer").value_or("");
  if (out.id.size() > 200 || has_control(out.id))
    return invalid("consumer", "must have at most 200 bytes, none of them controls");
  out.named = !out.id.empty();
  if (!out.named) out.id = "connection " + std::string(request.correlation_id);
  const auto most = query_number(request, "max", 10'000, 1, 10'000);
  if (!most) return most.error();
  out.most = *most;
  const auto status = app.subscriptions->status(out.name);
  if (!status) return status.error();
  if (!status->active) return conflict("subscription '" + out.name + "' is not active");
  return out;
}

// The next event as JSON; nothing where none is ready. An Error is the end of the stream.
Expected<std::optional<std::string>> next(App& app, const Consumer& c, std::string* type,
                                          Position* position) {
  while (true) {
    const auto taken = app.subscriptions->take(c.name, 1, c.id, c.most);
    if (!taken) return taken.error();
    if (taken->empty()) return std::optional<std::string>();
    auto json = delivery_json(*app.log, taken->front(), type);
    if (position) *position = taken->front().position;
    if (json) return std::optional<std::string>(*std::move(json));
    (void)app.subscriptions->nack(c.name,
                                  {{taken->front().position}, json.error().message, {}, false});
  }
}

struct ClientMessage {
  std::vector<Position> ack, nack;
  std::optional<Position> upto;
  std::string error = "refused by the consumer";
  std::optional<std::uint64_t> delay_ms;
  bool park = false;
  static constexpr auto fields() {
    using M = ClientMessage;
    return FieldList{field("ack", &M::ack),           field("nack", &M::nack),
                     field("upto", &M::upto),         field("error", &M::error),
                     field("delay_ms", &M::delay_ms), field("park", &M::park)};
  }
};

Status obey(App& app, const Consumer& c, std::string_view text) {
  const auto message = from_json<ClientMessage>(text, Unknown::refuse);
  if (!message) return message.error();
  if (message->delay_ms.value_or(0) > 86'400'000)
    return invalid("delay_ms", "must be at most 86400000");
  auto& all = *app.subscriptions;
  Expected<std::size_t> done = all.acknowledge(c.name, message->ack);
  if (done && message->upto) done = all.acknowledge_upto(c.name, *message->upto, c.id);
  if (done && !message->nack.empty())
    done = all.nack(
        c.name, {message->nack, message->error.substr(0, 1000), message->delay_ms, message->park});
  return done ? Status() : Status(done.error());
}

}  // namespace

Status subscription_websocket(App& app, const http::Request& request,
                              const std::shared_ptr<http::WsSession>& session) {
  const auto consumer = parse_consumer(app, request);
  if (!consumer) return consumer.error();
  const auto& c = *consumer;
  const auto weak = std::weak_ptr(session);
  session->set_source([&app, c](std::size_t) -> std::optional<http::Message> {
    auto event = next(app, c, nullptr, nullptr);
    if (!event) return http::Message();
    if (!*event) return std::nullopt;
    return std::make_shared<const std::string>(**std::move(event));
  });
  session->on_message([&app, c, weak](std::string_view text) {
    const auto bad = obey(app, c, text);
    if (const auto alive = weak.lock(); bad && alive)
      alive->close(1008, bad->message.substr(0, 120));
  });
  const auto id = app.subscriptions->watch(c.name, [weak] {
    if (const auto alive = weak.lock()) alive->wake();
  });
  if (!id) return id.error();
  session->on_close([&app, c, id = *id] {
    app.subscriptions->unwatch(c.name, id);
    app.subscriptions->release(c.name, c.id);
  });
  return {};
}

void subscription_sse(App& app, const http::Request& request, http::Reply reply) {
  const auto consumer = parse_consumer(app, request);
  if (!consumer) return reply.send(consumer.error());
  const auto& c = *consumer;
  // One that comes again may be seen before the end of its last connection is.
  const auto over = std::make_shared<bool>(false);
  if (c.named) {
    auto& before = app.sse_consumers[c.name + '\n' + c.id];
    if (before) *before = true;
    before = over;
  }
  if (const auto last = request.header("Last-Event-ID"); !last.empty() && c.named) {
    const auto position = std::strtoull(std::string(last).c_str(), nullptr, 10);
    (void)app.subscriptions->acknowledge_upto(c.name, position, c.id);
    app.subscriptions->release(c.name, c.id);
  }
  const auto source = [&app, c, over](std::size_t max_bytes) -> std::optional<http::Message> {
    if (*over) return http::Message();
    std::string text, type;
    Position position = 0;
    while (text.size() + 4096 <= max_bytes || text.empty()) {
      auto event = next(app, c, &type, &position);
      if (!event && text.empty()) return http::Message();
      if (!event || !*event) break;
      http::append_sse_event(text, std::to_string(position), type, **event);
    }
    if (text.empty()) return std::nullopt;
    return std::make_shared<const std::string>(std::move(text));
  };
  const auto id = std::make_shared<std::uint64_t>(0);
  const auto session = reply.sse({.source = source, .on_close = [&app, c, id, over] {
                                    const auto mine = app.sse_consumers.find(c.name + '\n' + c.id);
                                    if (mine != app.sse_consumers.end() && mine->second == over)
                                      app.sse_consumers.erase(mine);
                                    *over = true;
                                    app.subscriptions->unwatch(c.name, *id);
                                    // A named consumer is waited for until the deadlines of what it
                                    // has.
                                    if (!c.named) app.subscriptions->release(c.name, c.id);
                                  }});
  const auto watching = app.subscriptions->watch(c.name, [weak = std::weak_ptr(session)] {
    if (const auto alive = weak.lock()) alive->wake();
  });
  if (!watching) return session->close();
  *id = *watching;
  // It may have ended before it began.
  if (*over) app.subscriptions->unwatch(c.name, *id);
}

}  // namespace mlforge::gateway
