// The broadcaster against the real nats-server.
#include "actors/nats_publisher.hpp"

#include <signal.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <map>
#include <mutex>

#include "nats_test_log.hpp"
#include "nats_test_support.hpp"

namespace mlforge::actors::test {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr auto kLong = seconds(120);

// Empty when the messages are the positions 1, 2, ..., last, each once; else what is wrong.
std::string gap(const std::vector<Received>& messages, Position last) {
  Position expected = 0;
  for (const auto& m : messages)
    if (m.position != ++expected)
      return "sequence " + std::to_string(m.sequence) + " holds position " +
             std::to_string(m.position) + " instead of " + std::to_string(expected);
  return expected == last ? "" : "ends at " + std::to_string(expected);
}

void kill_nats(const ManagedNats& nats) {
  const auto pid = nats.status().pid;
  const auto restarts = nats.status().restarts;
  REQUIRE(pid > 0);
  REQUIRE(::kill(pid, SIGKILL) == 0);
  REQUIRE(eventually([&] { return nats.status().restarts > restarts && nats.status().ready; }));
}

}  // namespace

TEST_CASE("nats publisher: events arrive in order with their headers", "[nats][broker]") {
  if (skipped_without_nats("nats publisher: events arrive in order with their headers")) return;
  TempFolder folder;
  TestLog log;
  const auto nats = start_nats(folder.path / "nats");
  NatsPublisher publisher(log.log, publisher_options(*nats, folder.path));
  publisher.notify(log.grow(1000));
  REQUIRE(publisher.wait_published(1000, kLong));
  const auto messages = consume(nats->url(), 1000, true);
  REQUIRE(gap(messages, 1000) == "");
  const auto& m = messages[499];
  CHECK(m.subject == "mlforge.default.run.metrics_logged");
  CHECK(m.body == R"({"value":1})");
  const std::map<std::string, std::string> headers(m.headers.begin(), m.headers.end());
  CHECK(headers.at("ce-specversion") == "1.0");
  CHECK(headers.at("ce-id") == to_string(test_id(1, 500)));
  CHECK(headers.at("Nats-Msg-Id") == headers.at("ce-id"));
  CHECK(headers.at("ce-source") == "mlforge/" + to_string(log.log.log_id()));
  CHECK(headers.at("ce-type") == "run.metrics_logged");
  CHECK(headers.at("ce-subject") == "run/3");
  CHECK(headers.at("ce-datacontenttype") == "application/json");
  CHECK(headers.at("Mlforge-Position") == "500");
  CHECK(headers.at("Mlforge-Version") == "72");
  const auto status = publisher.status();
  CHECK(status.connected);
  CHECK(status.lag == 0);
  CHECK(to_string(status) == "live at 1000 of 1000");
}

TEST_CASE("nats publisher: the broker is killed again and again in mid-load", "[nats][broker]") {
  if (skipped_without_nats("nats publisher: the broker is killed again and again in mid-load"))
    return;
  TempFolder folder;
  TestLog log;
  const auto nats = start_nats(folder.path / "nats");
  NatsPublisher publisher(log.log, publisher_options(*nats, folder.path));
  const LiveConsumer consumer([&] { return nats->url(); });
  for (int round = 0; round < 4; ++round) {
    const auto before = log.log.head();
    publisher.notify(log.grow(20000));
    REQUIRE(publisher.wait_published(before + 2000, kLong));  // in the middle of it
    kill_nats(*nats);
  }
  publisher.notify(log.grow(10));
  const auto head = log.log.head();
  REQUIRE(publisher.wait_published(head, kLong));
  REQUIRE(gap(consume(nats->url(), head), head) == "");
  REQUIRE(eventually([&] {
    const auto seen = consumer.positions();
    return !seen.empty() && seen.back() == head;
  }));
  CHECK(publisher.status().connects >= 5);
}

TEST_CASE("nats publisher: a broker that lost its acknowledged tail gets it again",
          "[nats][broker]") {
  if (skipped_without_nats(
          "nats publisher: a broker that lost its acknowledged tail gets it again"))
    return;
  TempFolder folder;
  TestLog log;
  auto nats = start_nats(folder.path / "nats");
  std::mutex mutex;
  std::string url = nats->url();
  auto options = publisher_options(*nats, folder.path);
  options.url = [&] {
    const std::lock_guard lock(mutex);
    return url;
  };
  const auto restart = [&](const std::function<void()>& meanwhile) {
    nats.reset();
    meanwhile();
    nats = start_nats(folder.path / "nats");
    const std::lock_guard lock(mutex);
    url = nats->url();
  };
  NatsPublisher publisher(log.log, std::move(options));
  publisher.notify(log.grow(500));
  REQUIRE(publisher.wait_published(500, kLong));
  const auto store = folder.path / "nats" / "jetstream";
  const auto copy = folder.path / "copy";
  restart([&] { fs::copy(store, copy, fs::copy_options::recursive); });
  publisher.notify(log.grow(700));
  REQUIRE(publisher.wait_published(1200, kLong));
  const auto connects = publisher.status().connects;
  restart([&] {
    fs::remove_all(store);
    fs::copy(copy, store, fs::copy_options::recursive);
  });
  REQUIRE(eventually([&] { return publisher.status().connects > connects; }));
  publisher.notify(log.grow(3));
  REQUIRE(publisher.wait_published(1203, kLong));
  REQUIRE(gap(consume(nats->url(), 1203), 1203) == "");
}

TEST_CASE("nats publisher: an outage longer than the duplicate window", "[nats][broker]") {
  if (skipped_without_nats("nats publisher: an outage longer than the duplicate window")) return;
  TempFolder folder;
  TestLog log;
  const auto nats = start_nats(folder.path / "nats");
  auto options = publisher_options(*nats, folder.path);
  options.stream.duplicate_window = milliseconds(100);
  const LiveConsumer consumer([&] { return nats->url(); });
  {
    NatsPublisher publisher(log.log, options);
    publisher.notify(log.grow(20000));
    REQUIRE(publisher.wait_published(3000, kLong));
    kill_nats(*nats);
  }
  fs::remove(options.cursor_file);  // not even the hint is left
  // The window has passed when the broker takes the same id a second time.
  const std::vector<std::pair<std::string, std::string>> same{{"Nats-Msg-Id", "probe"}};
  REQUIRE(publish_foreign(nats->url(), "mlforge.probe.a.b", same));
  const auto before = stream_messages(nats->url());
  REQUIRE(before > 3000);
  REQUIRE(eventually([&] {
    publish_foreign(nats->url(), "mlforge.probe.a.b", same);
    return stream_messages(nats->url()) > before;
  }));
  NatsPublisher publisher(log.log, options);
  REQUIRE(publisher.wait_published(20000, kLong));
  auto messages = consume(nats->url(), 20000);
  std::erase_if(messages, [](const Received& m) { return m.position == 0; });
  REQUIRE(gap(messages, 20000) == "");
}

TEST_CASE("nats publisher: the stream is deleted, purged and written to by others",
          "[nats][broker]") {
  if (skipped_without_nats(
          "nats publisher: the stream is deleted, purged and written to by others"))
    return;
  TempFolder folder;
  TestLog log;
  const auto nats = start_nats(folder.path / "nats");
  NatsPublisher publisher(log.log, publisher_options(*nats, folder.path));
  publisher.notify(log.grow(300));
  REQUIRE(publisher.wait_published(300, kLong));

  REQUIRE(publish_foreign(nats->url(), "mlforge.someone.else.here"));
  publisher.notify(log.grow(300));
  REQUIRE(publisher.wait_published(600, kLong));
  auto messages = consume(nats->url(), 600);
  REQUIRE(messages.size() == 601);
  CHECK(messages[300].position == 0);
  std::erase_if(messages, [](const Received& m) { return m.position == 0; });
  CHECK(gap(messages, 600) == "");

  REQUIRE(delete_stream(nats->url()));
  publisher.notify(log.grow(1));
  REQUIRE(eventually(
      [&] { return publisher.status().resyncs >= 2 && publisher.status().published == 601; }));
  CHECK(gap(consume(nats->url(), 601), 601) == "");

  REQUIRE(purge_stream(nats->url()));
  const auto connects = publisher.status().connects;
  kill_nats(*nats);
  REQUIRE(eventually([&] { return publisher.status().connects > connects; }));
  publisher.notify(log.grow(9));
  REQUIRE(publisher.wait_published(610, kLong));
  messages = consume(nats->url(), 610);
  CHECK(messages.size() == 9);
  CHECK(messages.front().position == 602);
}

TEST_CASE("nats publisher: a body over the broker's limit is announced by its position",
          "[nats][broker]") {
  if (skipped_without_nats(
          "nats publisher: a body over the broker's limit is announced by its position"))
    return;
  TempFolder folder;
  TestLog log;
  ManagedNatsOptions small;
  small.folder = (folder.path / "nats").string();
  small.max_payload_bytes = 4096;
  auto nats = ManagedNats::start(small);
  REQUIRE(nats);
  REQUIRE((*nats)->wait_ready(seconds(60)));
  log.grow(1);
  log.grow(1, std::string(5000, '1'));
  log.grow(1, std::string(2000, '2'));
  const NatsPublisher publisher(log.log, publisher_options(**nats, folder.path));
  REQUIRE(publisher.wait_published(3, kLong));
  const auto messages = consume((*nats)->url(), 3, true);
  REQUIRE(gap(messages, 3) == "");
  const auto marked = [](const Received& m) {
    for (const auto& [name, value] : m.headers)
      if (name == "Mlforge-Body") return value;
    return std::string();
  };
  CHECK(marked(messages[0]) == "");
  CHECK(marked(messages[1]) == "by-position");
  CHECK(messages[1].body.empty());
  CHECK(marked(messages[2]) == "");
  CHECK(messages[2].body.size() == 2000);
}

TEST_CASE("nats publisher: another log's stream is refused and says so", "[nats][broker]") {
  if (skipped_without_nats("nats publisher: another log's stream is refused and says so")) return;
  TempFolder folder;
  TestLog ours(1), theirs(2);
  const auto nats = start_nats(folder.path / "nats");
  {
    NatsPublisher publisher(theirs.log, publisher_options(*nats, folder.path));
    publisher.notify(theirs.grow(5));
    REQUIRE(publisher.wait_published(5, kLong));
  }
  NatsPublisher publisher(ours.log, publisher_options(*nats, folder.path));
  publisher.notify(ours.grow(9));
  REQUIRE(eventually([&] { return publisher.status().state == BroadcastState::refused; }));
  const auto status = publisher.status();
  CHECK_FALSE(status.connected);
  CHECK(status.lag == 9);
  CHECK(to_string(status).find(to_string(theirs.log.log_id())) != std::string::npos);
  CHECK(stream_messages(nats->url()) == 5);
}

TEST_CASE("nats publisher: without a broker nobody waits, and stop is prompt", "[nats]") {
  TempFolder folder;
  TestLog log;
  NatsPublisherOptions options;
  std::atomic<int> asked{0};
  options.url = [&] {
    ++asked;
    return asked % 2 == 0 ? std::string() : std::string("nats://127.0.0.1:1");
  };
  options.body = [](const EventView&) { return std::string(); };
  options.cursor_file = (folder.path / "cursor").string();
  options.protocol.max_backoff = milliseconds(20);
  NatsPublisher publisher(log.log, std::move(options));
  for (int i = 0; i < 1000; ++i) publisher.notify(log.grow(1));
  REQUIRE(eventually([&] { return asked >= 4 && !publisher.status().last_error.empty(); }));
  CHECK_FALSE(publisher.wait_published(1, milliseconds(0)));
  const auto status = publisher.status();
  CHECK_FALSE(status.connected);
  CHECK(status.lag == 1000);
  CHECK(to_string(status).starts_with("disconnected at 0 of 1000: The broker "));
  publisher.stop();
  publisher.stop();
  CHECK_FALSE(fs::exists(folder.path / "cursor"));
}

}  // namespace mlforge::actors::test
