// Subscriptions over WebSocket and SSE: the consumer takes its events from the subscription's
// window, as with fetch, and shares them with the others of that name.
#pragma once
#include "gateway/handlers.hpp"

namespace mlforge::gateway {

// ?subscription=<name>&consumer=<name>&max=<events without an acknowledgement>.
//
// WebSocket: each event is a text frame; the client sends {"ack":[positions]}, {"upto":position} or
// {"nack":[positions],"error":"...","delay_ms":N,"park":false}. When the connection ends, what was
// not acknowledged is ready for others.
Status subscription_websocket(App& app, const http::Request& request,
                              const std::shared_ptr<http::WsSession>& session);

// SSE: acknowledged by POST .../ack; a named consumer that comes again with Last-Event-ID has
// acknowledged what it had up to there.
void subscription_sse(App& app, const http::Request& request, http::Reply reply);

}  // namespace mlforge::gateway
