// A subscription's events on a NATS subject: JetStream's acknowledgement is the subscription's.
#pragma once
#include "actors/push.hpp"

namespace mlforge::actors {

struct NatsSenderOptions {
  std::function<std::string()> url;  // asked at every connect; empty: no broker yet
  std::string subject;
  Position created = 0;  // of the subscription
  Uuid log_id;
};

// Each event is one message: a CloudEvent as cloud_event_json() gives it, with Nats-Msg-Id, so that
// a stream stores a repetition once. Where no stream takes the subject, sending fails.
std::unique_ptr<Sender> make_nats_sender(NatsSenderOptions options);

}  // namespace mlforge::actors
