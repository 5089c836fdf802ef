// Webhooks: one CloudEvent a POST, signed as MLflow signs its own.
#pragma once
#include "actors/http_post.hpp"
#include "actors/push.hpp"

namespace mlforge::actors {

// "v1,<base64>" of HMAC-SHA256(secret, "<delivery id>.<timestamp>.<body>"): MLflow's
// X-MLflow-Signature, which is that of the Standard Webhooks specification.
std::string webhook_signature(std::string_view secret, std::string_view delivery_id,
                              std::string_view timestamp, std::string_view body);

// The event as a CloudEvent 1.0 in the JSON format, "structured mode".
std::string cloud_event_json(const EventView& event, const Uuid& log_id);

// The same for every attempt, so that a receiver knows what it has had: a UUID (version 8) made
// from the subscription and the event.
Uuid delivery_id(const Uuid& log_id, Position created, const Uuid& event);

// What an answer means: 2xx is done, 410 disables the subscription, everything else is tried again,
// after Retry-After where that is given.
SendResult judge(const Expected<PostAnswer>& answer);

struct WebhookOptions {
  std::string name;      // of the subscription
  Position created = 0;  // where it was made
  SubscriptionSettings settings;
  std::string secret;  // empty: not signed
  Uuid log_id;
  std::shared_ptr<storage::Clock> clock;
  std::shared_ptr<const UrlGuard> guard;
  std::string ca_file;
};
Expected<std::unique_ptr<Sender>> make_webhook(WebhookOptions options);

// How long one exchange may take: shorter than the deadline after which the event is out again.
std::chrono::milliseconds post_timeout(const SubscriptionSettings& settings);

}  // namespace mlforge::actors
