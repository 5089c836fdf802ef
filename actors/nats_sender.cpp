#include "actors/nats_sender.hpp"

#include <nats/nats.h>

#include "actors/webhook.hpp"

namespace mlforge::actors {
namespace {

constexpr std::int64_t kConnectMs = 2000, kAnswerMs = 3000;

void destroy(natsConnection* p) { natsConnection_Destroy(p); }
void destroy(natsOptions* p) { natsOptions_Destroy(p); }
void destroy(natsMsg* p) { natsMsg_Destroy(p); }
void destroy(jsCtx* p) { jsCtx_Destroy(p); }
void destroy(jsPubAck* p) { jsPubAck_Destroy(p); }

// What the library gives away through a pointer to a pointer.
template <class T>
class Owned {
 public:
  Owned() = default;
  Owned(const Owned&) = delete;
  ~Owned() { reset(); }
  T** out() {
    reset();
    return &p_;
  }
  T* get() const { return p_; }
  void reset() {
    if (p_) destroy(p_);
    p_ = nullptr;
  }

 private:
  T* p_ = nullptr;
};

class NatsSender final : public Sender {
 public:
  explicit NatsSender(NatsSenderOptions options) : c_(std::move(options)) { nats_Open(0); }

  SendResult send(const std::vector<Outgoing>& events) override {
    const auto& event = events.front().event;
    auto status = connected() ? publish(event.view()) : connect();
    if (status == NATS_OK && fresh_) {
      fresh_ = false;
      status = publish(event.view());
    }
    if (status == NATS_OK) return {};
    js_.reset();
    connection_.reset();
    const std::string why =
        status == NATS_NO_RESPONDERS ? "no stream takes the subject" : natsStatus_GetText(status);
    return {SendResult::What::failed, "NATS: " + why, {}};
  }

 private:
  bool connected() const {
    return connection_.get() &&
           natsConnection_Status(connection_.get()) == NATS_CONN_STATUS_CONNECTED;
  }

  natsStatus connect() {
    js_.reset();
    connection_.reset();
    const auto url = c_.url();
    if (url.empty()) return NATS_NO_SERVER;
    Owned<natsOptions> options;
    auto s = natsOptions_Create(options.out());
    if (s == NATS_OK) s = natsOptions_SetURL(options.get(), url.c_str());
    if (s == NATS_OK) s = natsOptions_SetName(options.get(), "mlforge subscription");
    if (s == NATS_OK) s = natsOptions_SetAllowReconnect(options.get(), false);
    if (s == NATS_OK) s = natsOptions_SetFailRequestsOnDisconnect(options.get(), true);
    if (s == NATS_OK) s = natsOptions_SetTimeout(options.get(), kConnectMs);
    if (s == NATS_OK) s = natsConnection_Connect(connection_.out(), options.get());
    jsOptions js;
    jsOptions_Init(&js);
    js.Wait = kAnswerMs;
    if (s == NATS_OK) s = natsConnection_JetStream(js_.out(), connection_.get(), &js);
    fresh_ = s == NATS_OK;
    return s;
  }

  natsStatus publish(const EventView& event) {
    const auto body = cloud_event_json(event, c_.log_id);
    const auto id = to_string(delivery_id(c_.log_id, c_.created, event.id));
    Owned<natsMsg> message;
    Owned<jsPubAck> ack;
    auto s = natsMsg_Create(message.out(), c_.subject.c_str(), nullptr, body.data(),
                            static_cast<int>(body.size()));
    if (s == NATS_OK) s = natsMsgHeader_Set(message.get(), "Nats-Msg-Id", id.c_str());
    if (s == NATS_OK)
      s = natsMsgHeader_Set(message.get(), "Content-Type", "application/cloudevents+json");
    if (s == NATS_OK)
      s = natsMsgHeader_Set(message.get(), "Mlforge-Position",
                            std::to_string(event.position).c_str());
    jsErrCode code{};
    if (s == NATS_OK) s = js_PublishMsg(ack.out(), js_.get(), message.get(), nullptr, &code);
    return s;
  }

  const NatsSenderOptions c_;
  Owned<natsConnection> connection_;  // goes after its context
  Owned<jsCtx> js_;
  bool fresh_ = false;
};

}  // namespace

std::unique_ptr<Sender> make_nats_sender(NatsSenderOptions options) {
  return std::make_unique<NatsSender>(std::move(options));
}

}  // namespace mlforge::actors
