#include "nats_test_support.hpp"

#include <nats/nats.h>
#include <stdlib.h>

#include <atomic>
#include <charconv>
#include <iostream>
#include <mutex>
#include <stdexcept>
#include <thread>

#include "actors/process.hpp"

namespace mlforge::actors::test {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

TempFolder::TempFolder() {
  auto name = (std::filesystem::temp_directory_path() / "mlforge-nats-XXXXXX").string();
  if (!::mkdtemp(name.data())) throw std::runtime_error("no temporary folder");
  path = name;
}

TempFolder::~TempFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path, ignored);
}

bool skipped_without_nats(const std::string& test) {
  if (find_program("nats-server")) return false;
  std::cout << "SKIPPED: " << test << ": nats-server is not installed" << std::endl;
  return true;
}

bool eventually(const std::function<bool()>& condition, milliseconds timeout) {
  const auto until = steady_clock::now() + timeout;
  while (!condition()) {
    if (steady_clock::now() > until) return false;
    std::this_thread::sleep_for(milliseconds(5));  // poll: another process
  }
  return true;
}

std::unique_ptr<ManagedNats> start_nats(const std::filesystem::path& folder) {
  ManagedNatsOptions options;
  options.folder = folder.string();
  options.min_backoff = milliseconds(20);
  auto nats = ManagedNats::start(std::move(options));
  if (!nats) throw std::runtime_error(nats.error().message);
  if (!(*nats)->wait_ready(std::chrono::seconds(60)))
    throw std::runtime_error((*nats)->status().last_error);
  return std::move(*nats);
}

NatsPublisherOptions publisher_options(const ManagedNats& nats,
                                       const std::filesystem::path& folder) {
  NatsPublisherOptions options;
  options.url = [&nats] { return nats.url(); };
  options.body = [](const EventView& e) { return std::string(e.payload); };
  options.cursor_file = (folder / "nats.cursor").string();
  options.cursor_interval = milliseconds(10);
  options.protocol.max_backoff = milliseconds(100);
  return options;
}

namespace {

struct Connection {
  natsConnection* nats = nullptr;
  jsCtx* js = nullptr;

  explicit Connection(const std::string& url) {
    natsOptions* o = nullptr;
    natsOptions_Create(&o);
    natsOptions_SetURL(o, url.c_str());
    natsOptions_SetAllowReconnect(o, false);
    natsOptions_SetFailRequestsOnDisconnect(o, true);
    if (natsConnection_Connect(&nats, o) == NATS_OK) natsConnection_JetStream(&js, nats, nullptr);
    natsOptions_Destroy(o);
  }
  ~Connection() {
    jsCtx_Destroy(js);
    natsConnection_Destroy(nats);
  }
  Connection(const Connection&) = delete;
};

std::string header(natsMsg* m, const char* name) {
  const char* value = nullptr;
  return natsMsgHeader_Get(m, name, &value) == NATS_OK ? value : "";
}

Received describe(natsMsg* m, bool with_headers) {
  Received r{};
  jsMsgMetaData* meta = nullptr;
  if (natsMsg_GetMetaData(&meta, m) == NATS_OK) r.sequence = meta->Sequence.Stream;
  jsMsgMetaData_Destroy(meta);
  r.subject = natsMsg_GetSubject(m);
  r.source = header(m, "ce-source");
  r.id = header(m, "Nats-Msg-Id");
  r.body.assign(natsMsg_GetData(m), natsMsg_GetDataLength(m));
  const auto position = header(m, "Mlforge-Position");
  std::from_chars(position.data(), position.data() + position.size(), r.position);
  if (!with_headers) return r;
  const char** keys = nullptr;
  int count = 0;
  natsMsgHeader_Keys(m, &keys, &count);
  for (int i = 0; i < count; ++i) r.headers.emplace_back(keys[i], header(m, keys[i]));
  free(keys);
  return r;
}

// An ephemeral pull consumer from stream sequence `from` on; hands every message to `take` until
// that answers false. False when the connection or the broker failed meanwhile.
bool pull(const std::string& url, std::uint64_t from, bool with_headers,
          const std::function<bool(const Received&)>& take, const std::function<bool()>& idle) {
  Connection c(url);
  if (!c.js) return false;
  jsSubOptions so;
  jsSubOptions_Init(&so);
  so.Stream = "MLFORGE";
  so.Config.DeliverPolicy = js_DeliverByStartSequence;
  so.Config.OptStartSeq = from;
  so.Config.AckPolicy = js_AckNone;
  natsSubscription* sub = nullptr;
  if (js_PullSubscribe(&sub, c.js, "mlforge.>", nullptr, nullptr, &so, nullptr) != NATS_OK)
    return false;
  bool more = true, healthy = true;
  while (more && healthy) {
    natsMsgList list{};
    const auto s = natsSubscription_Fetch(&list, sub, 500, 200, nullptr);
    for (int i = 0; i < list.Count && more; ++i) more = take(describe(list.Msgs[i], with_headers));
    natsMsgList_Destroy(&list);
    healthy = (s == NATS_OK || s == NATS_TIMEOUT) && !natsConnection_IsClosed(c.nats);
    if (s == NATS_TIMEOUT) more = more && idle();
  }
  natsSubscription_Destroy(sub);
  return healthy;
}

}  // namespace

std::vector<Received> consume(const std::string& url, Position last, bool with_headers) {
  std::vector<Received> all;
  bool done = false;
  const auto until = steady_clock::now() + std::chrono::seconds(60);
  const auto take = [&](const Received& r) {
    all.push_back(r);
    done = r.position == last;
    return !done;
  };
  // A broker that has just come back may end a consumer once more.
  while (!done && steady_clock::now() < until)
    pull(url, all.empty() ? 1 : all.back().sequence + 1, with_headers, take,
         [&] { return steady_clock::now() < until; });
  return all;
}

struct LiveConsumer::Impl {
  std::function<std::string()> url;
  mutable std::mutex mutex;
  std::vector<Position> positions;
  std::atomic<bool> stopping{false};
  std::thread thread;

  void run() {
    std::uint64_t next = 1;
    while (!stopping) {
      const auto at = url();
      const bool healthy = !at.empty() && pull(
                                              at, next, false,
                                              [&](const Received& r) {
                                                const std::lock_guard lock(mutex);
                                                positions.push_back(r.position);
                                                next = r.sequence + 1;
                                                return !stopping;
                                              },
                                              [&] { return !stopping; });
      if (!healthy) std::this_thread::sleep_for(milliseconds(20));  // poll: the broker is away
    }
  }
};

LiveConsumer::LiveConsumer(std::function<std::string()> url) : impl_(std::make_unique<Impl>()) {
  impl_->url = std::move(url);
  impl_->thread = std::thread([this] { impl_->run(); });
}

LiveConsumer::~LiveConsumer() {
  impl_->stopping = true;
  impl_->thread.join();
}

std::vector<Position> LiveConsumer::positions() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->positions;
}

bool publish_foreign(const std::string& url, const std::string& subject,
                     const std::vector<std::pair<std::string, std::string>>& headers) {
  Connection c(url);
  natsMsg* m = nullptr;
  if (!c.js || natsMsg_Create(&m, subject.c_str(), nullptr, "{}", 2) != NATS_OK) return false;
  for (const auto& [name, value] : headers) natsMsgHeader_Set(m, name.c_str(), value.c_str());
  const auto s = js_PublishMsg(nullptr, c.js, m, nullptr, nullptr);
  natsMsg_Destroy(m);
  return s == NATS_OK;
}

std::uint64_t stream_messages(const std::string& url) {
  Connection c(url);
  jsStreamInfo* info = nullptr;
  if (!c.js || js_GetStreamInfo(&info, c.js, "MLFORGE", nullptr, nullptr) != NATS_OK) return 0;
  const auto messages = info->State.Msgs;
  jsStreamInfo_Destroy(info);
  return messages;
}

bool delete_stream(const std::string& url) {
  Connection c(url);
  return c.js && js_DeleteStream(c.js, "MLFORGE", nullptr, nullptr) == NATS_OK;
}

bool purge_stream(const std::string& url) {
  Connection c(url);
  return c.js && js_PurgeStream(c.js, "MLFORGE", nullptr, nullptr) == NATS_OK;
}

}  // namespace mlforge::actors::test
