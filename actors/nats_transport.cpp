#include "actors/nats_transport.hpp"

#include <fmt/format.h>
#include <nats/nats.h>

#include <algorithm>
#include <charconv>
#include <condition_variable>
#include <mutex>
#include <vector>

namespace mlforge::actors {
namespace {

template <class T, void (*Destroy)(T*)>
struct Deleter {
  void operator()(T* p) const { Destroy(p); }
};
void destroy_js(jsCtx* p) { jsCtx_Destroy(p); }
void destroy_info(jsStreamInfo* p) { jsStreamInfo_Destroy(p); }
void destroy_message(natsMsg* p) { natsMsg_Destroy(p); }
void destroy_options(natsOptions* p) { natsOptions_Destroy(p); }
using JsPtr = std::unique_ptr<jsCtx, Deleter<jsCtx, destroy_js>>;
using InfoPtr = std::unique_ptr<jsStreamInfo, Deleter<jsStreamInfo, destroy_info>>;
using MessagePtr = std::unique_ptr<natsMsg, Deleter<natsMsg, destroy_message>>;
using OptionsPtr = std::unique_ptr<natsOptions, Deleter<natsOptions, destroy_options>>;

constexpr std::chrono::seconds kCallbackWait{10};

Error broker_error(std::string_view what, natsStatus status) {
  return {ErrorCode::unavailable, fmt::format("{}: {}.", what, natsStatus_GetText(status)), "nats"};
}

std::string header(natsMsg* message, const char* name) {
  const char* value = nullptr;
  return natsMsgHeader_Get(message, name, &value) == NATS_OK && value ? value : "";
}

std::uint64_t parse_number(std::string_view text) {
  std::uint64_t n = 0;
  const auto r = std::from_chars(text.data(), text.data() + text.size(), n);
  return r.ec == std::errc() && r.ptr == text.data() + text.size() ? n : 0;
}

StoredMessage describe(natsMsg* message) {
  return {natsMsg_GetSequence(message), header(message, "ce-source"),
          header(message, "Nats-Msg-Id"), parse_number(header(message, "Mlforge-Position"))};
}

}  // namespace

// Callbacks come from the library's threads and may still run after the connection is destroyed, so
// close() waits for the last of them.
struct NatsTransport::Connection {
  natsConnection* nats = nullptr;
  natsSubscription* acks = nullptr;
  JsPtr js;
  std::string inbox;
  std::size_t max_payload = 0;
  const Callbacks* callbacks = nullptr;

  std::mutex mutex;
  std::condition_variable changed;
  bool open = false;        // a closed callback will come
  bool subscribed = false;  // a completed callback will come
  bool closing = false;     // nothing is handed on any more

  // False: the library still holds a pointer to this object, so it must not be freed.
  bool close() {
    {
      const std::lock_guard lock(mutex);
      closing = true;
    }
    js.reset();
    natsSubscription_Destroy(acks);
    natsConnection_Destroy(nats);
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, kCallbackWait, [&] { return !open && !subscribed; });
  }

  static void on_closed(natsConnection*, void* closure) {
    auto* self = static_cast<Connection*>(closure);
    const std::lock_guard lock(self->mutex);
    if (!self->closing) self->callbacks->on_closed();
    self->open = false;
    self->changed.notify_all();
  }

  static void on_complete(void* closure) {
    auto* self = static_cast<Connection*>(closure);
    const std::lock_guard lock(self->mutex);
    self->subscribed = false;
    self->changed.notify_all();
  }

  static void on_answer(natsConnection*, natsSubscription*, natsMsg* raw, void* closure) {
    const MessagePtr message(raw);
    auto* self = static_cast<Connection*>(closure);
    const std::string_view subject = natsMsg_GetSubject(raw);
    const auto token = parse_number(subject.substr(subject.rfind('.') + 1));
    auto ack = natsMsg_IsNoResponders(raw)
                   ? PublishAck{token, 0, "no stream takes it"}
                   : parse_ack(token, {natsMsg_GetData(raw),
                                       static_cast<std::size_t>(natsMsg_GetDataLength(raw))});
    const std::lock_guard lock(self->mutex);
    if (!self->closing) self->callbacks->on_ack(std::move(ack));
  }
};

namespace {

std::vector<std::string> split(const std::string& urls) {
  std::vector<std::string> parts;
  for (std::size_t begin = 0; begin < urls.size();) {
    const auto end = std::min(urls.find(',', begin), urls.size());
    if (end > begin) parts.push_back(urls.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

// The library must neither reconnect by itself nor keep messages for later: what is in flight when
// a connection ends is decided anew from the stream's last message.
natsStatus fill_options(natsOptions* o, const NatsConnectOptions& connect,
                        const std::string& urls) {
  auto parts = split(urls);
  std::vector<const char*> servers;
  for (const auto& part : parts) servers.push_back(part.c_str());
  natsStatus s = natsOptions_SetServers(o, servers.data(), static_cast<int>(servers.size()));
  if (s == NATS_OK) s = natsOptions_SetName(o, "mlforge broadcaster");
  if (s == NATS_OK) s = natsOptions_SetAllowReconnect(o, false);
  if (s == NATS_OK) s = natsOptions_SetFailRequestsOnDisconnect(o, true);
  if (s == NATS_OK) s = natsOptions_SetTimeout(o, connect.connect_timeout.count());
  if (s == NATS_OK) s = natsOptions_SetWriteDeadline(o, connect.write_deadline.count());
  if (s == NATS_OK) s = natsOptions_SetPingInterval(o, 5000);
  if (s == NATS_OK) s = natsOptions_SetMaxPingsOut(o, 2);
  if (s == NATS_OK) s = natsOptions_SetIOBufSize(o, 256 * 1024);
  if (s == NATS_OK && !connect.credentials_file.empty())
    s = natsOptions_SetUserCredentialsFromFiles(o, connect.credentials_file.c_str(), nullptr);
  if (s == NATS_OK && !connect.ca_file.empty())
    s = natsOptions_LoadCATrustedCertificates(o, connect.ca_file.c_str());
  return s;
}

}  // namespace

NatsTransport::NatsTransport(const Uuid& log_id, NatsStreamOptions stream,
                             NatsConnectOptions connect, Callbacks callbacks)
    : source_(broadcast_source(log_id)),
      stream_(std::move(stream)),
      connect_(std::move(connect)),
      callbacks_(std::move(callbacks)) {
  // The library's locks spin before they sleep, which only burns a core that the broker needs.
  // Counts in the first call of the process alone.
  nats_Open(0);
}

NatsTransport::~NatsTransport() { disconnect(); }

void NatsTransport::disconnect() { drop(std::move(connection_)); }

void NatsTransport::drop(std::unique_ptr<Connection> connection) {
  if (connection && !connection->close()) static_cast<void>(connection.release());
}

Status NatsTransport::connect() {
  disconnect();
  const auto urls = callbacks_.url();
  if (urls.empty()) return Error{ErrorCode::unavailable, "The broker is not up yet.", "nats"};
  natsOptions* raw = nullptr;
  natsStatus s = natsOptions_Create(&raw);
  const OptionsPtr options(raw);
  auto connection = std::make_unique<Connection>();
  connection->callbacks = &callbacks_;
  if (s == NATS_OK) s = fill_options(raw, connect_, urls);
  if (s == NATS_OK) s = natsOptions_SetClosedCB(raw, &Connection::on_closed, connection.get());
  connection->open = true;
  if (s == NATS_OK) s = natsConnection_Connect(&connection->nats, raw);
  if (s != NATS_OK) return broker_error(fmt::format("The broker at {} cannot be reached", urls), s);
  s = static_cast<natsStatus>(attach(*connection));
  if (s != NATS_OK) {
    drop(std::move(connection));
    return broker_error("The connection to the broker cannot be used", s);
  }
  connection_ = std::move(connection);
  return std::nullopt;
}

// The inbox for the answers and the JetStream context.
int NatsTransport::attach(Connection& c) {
  char* inbox = nullptr;
  natsStatus s = natsInbox_Create(&inbox);
  if (s != NATS_OK) return s;
  c.inbox = std::string(inbox) + ".";
  natsInbox_Destroy(inbox);
  s = natsConnection_Subscribe(&c.acks, c.nats, (c.inbox + "*").c_str(), &Connection::on_answer,
                               &c);
  if (s != NATS_OK) return s;
  {
    const std::lock_guard lock(c.mutex);
    c.subscribed = true;
  }
  s = natsSubscription_SetOnCompleteCB(c.acks, &Connection::on_complete, &c);
  jsOptions options;
  jsOptions_Init(&options);
  options.Wait = connect_.request_timeout.count();
  jsCtx* js = nullptr;
  if (s == NATS_OK) s = natsConnection_JetStream(&js, c.nats, &options);
  c.js.reset(js);
  c.max_payload = static_cast<std::size_t>(natsConnection_GetMaxPayload(c.nats));
  return s;
}

Expected<StreamInfo> NatsTransport::open_stream() {
  jsStreamInfo* raw = nullptr;
  auto s = js_GetStreamInfo(&raw, connection_->js.get(), stream_.name.c_str(), nullptr, nullptr);
  if (s == NATS_NOT_FOUND) {
    if (const auto error = make_stream()) return *error;
    s = js_GetStreamInfo(&raw, connection_->js.get(), stream_.name.c_str(), nullptr, nullptr);
  }
  const InfoPtr info(raw);
  if (s == NATS_NO_RESPONDERS)
    return Error{ErrorCode::unavailable, "The broker has JetStream switched off; switch it on.",
                 "nats"};
  if (s != NATS_OK)
    return broker_error(fmt::format("The stream {} cannot be read", stream_.name), s);
  const auto wanted = stream_.subject_prefix + ".>";
  bool catches = false;
  for (int i = 0; i < info->Config->SubjectsLen; ++i)
    catches |=
        wanted == info->Config->Subjects[i] || std::string_view(">") == info->Config->Subjects[i];
  if (!catches)
    return Error{ErrorCode::conflict,
                 fmt::format("The stream {} does not take the subjects {}; add them to it.",
                             stream_.name, wanted),
                 "nats"};
  return StreamInfo{info->State.FirstSeq, info->State.LastSeq, info->Created};
}

Status NatsTransport::make_stream() {
  jsStreamConfig config;
  jsStreamConfig_Init(&config);
  const auto subject = stream_.subject_prefix + ".>";
  const char* subjects[] = {subject.c_str()};
  config.Name = stream_.name.c_str();
  config.Description = "The events of mlforge's log, in order, one message each";
  config.Subjects = subjects;
  config.SubjectsLen = 1;
  config.Retention = js_LimitsPolicy;
  config.Discard = js_DiscardOld;
  config.Storage = js_FileStorage;
  config.MaxBytes = stream_.max_bytes;
  config.MaxAge = stream_.max_age.count();
  auto window = stream_.duplicate_window;  // the broker wants it no longer than the age
  if (stream_.max_age.count() > 0) window = std::min(window, stream_.max_age);
  config.Duplicates = window.count();
  config.Replicas = stream_.replicas;
  const auto s = js_AddStream(nullptr, connection_->js.get(), &config, nullptr, nullptr);
  if (s == NATS_OK) return std::nullopt;
  const char* detail = nats_GetLastError(nullptr);
  return broker_error(fmt::format("The stream {} cannot be made ({})", stream_.name,
                                  detail ? detail : "no reason given"),
                      s);
}

Expected<std::optional<StoredMessage>> NatsTransport::last_message() {
  natsMsg* raw = nullptr;
  const auto subject = stream_.subject_prefix + ".>";
  const auto s = js_GetLastMsg(&raw, connection_->js.get(), stream_.name.c_str(), subject.c_str(),
                               nullptr, nullptr);
  const MessagePtr message(raw);
  if (s == NATS_NOT_FOUND) return std::optional<StoredMessage>();
  if (s != NATS_OK) return broker_error("The stream's last message cannot be read", s);
  return std::optional(describe(raw));
}

Expected<std::optional<StoredMessage>> NatsTransport::message(std::uint64_t sequence) {
  natsMsg* raw = nullptr;
  const auto s =
      js_GetMsg(&raw, connection_->js.get(), stream_.name.c_str(), sequence, nullptr, nullptr);
  const MessagePtr message(raw);
  if (s == NATS_NOT_FOUND) return std::optional<StoredMessage>();
  if (s != NATS_OK)
    return broker_error(fmt::format("The stream's message {} cannot be read", sequence), s);
  return std::optional(describe(raw));
}

Status NatsTransport::publish(const Publication& publication) {
  render_message(publication, stream_.subject_prefix, source_, connection_->max_payload, message_);
  const auto reply = connection_->inbox + std::to_string(publication.token);
  natsMsg* raw = nullptr;
  auto s = natsMsg_Create(&raw, message_.subject.c_str(), reply.c_str(), message_.body.data(),
                          static_cast<int>(message_.body.size()));
  const MessagePtr message(raw);
  for (std::size_t i = 0; s == NATS_OK && i < message_.header_count(); ++i)
    s = natsMsgHeader_Set(raw, message_.header_name(i), message_.header_value(i));
  if (s == NATS_OK) s = natsConnection_PublishMsg(connection_->nats, raw);
  if (s == NATS_OK) return std::nullopt;
  return broker_error(fmt::format("Position {} cannot be sent", publication.event.position), s);
}

}  // namespace mlforge::actors
