#include "actors/broadcast.hpp"

#include "events/event_codec.hpp"

namespace mlforge::actors {

Expected<std::unique_ptr<Broadcast>> Broadcast::start(const storage::Log& log,
                                                      const std::string& nats,
                                                      const std::string& data_folder) {
  auto broadcast = std::make_unique<Broadcast>();
  Broadcast* self = broadcast.get();
  if (nats == "managed") {
    ManagedNatsOptions options;
    options.folder = data_folder + "/nats";
    options.on_ready = [self] {
      if (auto* publisher = self->live_publisher_.load()) publisher->notify(0);
    };
    auto server = ManagedNats::start(std::move(options));
    if (!server) return server.error();
    broadcast->server_ = *std::move(server);
    broadcast->live_server_ = broadcast->server_.get();
  } else {
    broadcast->fixed_url_ = nats;
  }
  NatsPublisherOptions options;
  options.url = [self] { return self->url(); };
  options.body = [](const EventView& event) {
    std::string body;
    append_payload_json(body, event.type, event.schema, event.content_type, event.payload);
    return body;
  };
  options.cursor_file = data_folder + "/nats.cursor";
  broadcast->publisher_ = std::make_unique<NatsPublisher>(log, std::move(options));
  broadcast->live_publisher_ = broadcast->publisher_.get();
  broadcast->publisher_->notify(0);
  return broadcast;
}

std::string Broadcast::url() const {
  const auto* server = live_server_.load();
  return server ? server->url() : fixed_url_;
}

void Broadcast::stop() {
  publisher_->stop();
  if (server_) server_->stop();
}

}  // namespace mlforge::actors
