#include "actors/webhook.hpp"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <cstring>

#include "events/base64.hpp"
#include "events/event_codec.hpp"
#include "storage/digest.hpp"

namespace mlforge::actors {
namespace {

void add(std::string& out, std::string_view name, std::string_view text) {
  out += out.size() > 1 ? ",\"" : "\"";
  out.append(name).append("\":");
  append_json_string(out, text);
}

class Webhook final : public Sender {
 public:
  Webhook(WebhookOptions options, PostTarget target)
      : c_(std::move(options)), target_(std::move(target)), poster_(c_.guard, c_.ca_file) {}

  SendResult send(const std::vector<Outgoing>& events) override {
    const auto& [event, delivery] = events.front();
    const auto view = event.view();
    const auto body = cloud_event_json(view, c_.log_id);
    const auto id = to_string(delivery_id(c_.log_id, c_.created, event.id));
    const auto timestamp = std::to_string(c_.clock->now() / 1'000'000);
    HttpPoster::Headers headers{{"Content-Type", "application/cloudevents+json; charset=utf-8"},
                                {"X-MLflow-Delivery-Id", id},
                                {"X-MLflow-Timestamp", timestamp},
                                {"Mlforge-Position", std::to_string(event.position)},
                                {"Mlforge-Attempt", std::to_string(delivery.attempt)}};
    if (!c_.secret.empty())
      headers.emplace_back("X-MLflow-Signature", webhook_signature(c_.secret, id, timestamp, body));
    return judge(poster_.post(target_, headers, body, post_timeout(c_.settings)));
  }
  void stop() override { poster_.stop(); }

 private:
  const WebhookOptions c_;
  const PostTarget target_;
  HttpPoster poster_;
};

}  // namespace

std::string webhook_signature(std::string_view secret, std::string_view delivery_id,
                              std::string_view timestamp, std::string_view body) {
  std::string text;
  text.append(delivery_id).append(".").append(timestamp).append(".").append(body);
  unsigned char code[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(), code, &size);
  std::string out = "v1,";
  append_base64(out, {reinterpret_cast<const char*>(code), size});
  return out;
}

std::string cloud_event_json(const EventView& e, const Uuid& log_id) {
  std::string out = "{";
  add(out, "specversion", "1.0");
  add(out, "id", to_string(e.id));
  add(out, "source", "mlforge/" + to_string(log_id));
  add(out, "type", e.type);
  add(out, "subject", e.stream);
  add(out, "time", format_time(e.time));
  add(out, "datacontenttype", "application/json");
  if (!e.causation.is_nil()) add(out, "causationid", to_string(e.causation));
  if (!e.correlation.is_nil()) add(out, "correlationid", to_string(e.correlation));
  // CloudEvents' integers have 32 bits: positions are texts.
  add(out, "mlforgeposition", std::to_string(e.position));
  add(out, "mlforgeversion", std::to_string(e.version));
  add(out, "mlforgeschema", std::to_string(e.schema));
  add(out, "mlforgetenant", e.tenant);
  if (!e.actor.empty()) add(out, "mlforgeactor", e.actor);
  out += ",\"data\":";
  append_payload_json(out, e.type, e.schema, e.content_type, e.payload);
  out += '}';
  return out;
}

Uuid delivery_id(const Uuid& log_id, Position created, const Uuid& event) {
  const auto digest = storage::sha256(storage::as_bytes(
      to_string(log_id) + "/" + std::to_string(created) + "/" + to_string(event)));
  Uuid out;
  std::memcpy(out.bytes.data(), digest.bytes.data(), out.bytes.size());
  out.bytes[6] = static_cast<std::uint8_t>((out.bytes[6] & 0x0F) | 0x80);
  out.bytes[8] = static_cast<std::uint8_t>((out.bytes[8] & 0x3F) | 0x80);
  return out;
}

SendResult judge(const Expected<PostAnswer>& answer) {
  using What = SendResult::What;
  if (!answer) {
    const bool stopped =
        answer.error().field.empty() && answer.error().code == ErrorCode::unavailable;
    return {stopped ? What::stopped : What::failed, answer.error().message, {}};
  }
  if (answer->status >= 200 && answer->status < 300) return {};
  std::string error = "the receiver answered " + std::to_string(answer->status);
  if (!answer->body.empty()) error += ": " + answer->body;
  if (answer->status == 410) return {What::gone, "the receiver answered 410 Gone", {}};
  SendResult result{What::failed, std::move(error), {}};
  if (answer->retry_after.count() > 0)
    result.delay_ms = static_cast<std::uint64_t>(answer->retry_after.count()) * 1000;
  return result;
}

std::chrono::milliseconds post_timeout(const SubscriptionSettings& settings) {
  return std::chrono::milliseconds(settings.ack_deadline_ms * 9 / 10);
}

Expected<std::unique_ptr<Sender>> make_webhook(WebhookOptions options) {
  auto target = parse_post_target(options.settings.url);
  if (!target) return target.error();
  return std::unique_ptr<Sender>(std::make_unique<Webhook>(std::move(options), *std::move(target)));
}

}  // namespace mlforge::actors
