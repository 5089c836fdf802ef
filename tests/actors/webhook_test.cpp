// Where webhooks may lead, what they say and what an answer means.
#include "actors/webhook.hpp"

#include <catch2/catch.hpp>

#include "events/event_codec.hpp"

namespace mlforge::actors::test {
namespace {

boost::asio::ip::address address(const char* text) { return boost::asio::ip::make_address(text); }

UrlGuard guard_of(const std::vector<std::string>& allowed) {
  auto guard = UrlGuard::make(allowed);
  if (!guard) FAIL(guard.error().message);
  return *std::move(guard);
}

PostTarget target_of(const std::string& url) {
  auto target = parse_post_target(url);
  if (!target) FAIL(target.error().message);
  return *std::move(target);
}

}  // namespace

// Computed with Python's hmac and base64.
TEST_CASE("webhook: the signature is MLflow's") {
  CHECK(webhook_signature("secret", "id-1", "1700000000", R"({"a":1})") ==
        "v1,26pwlE8p4lfI2hZnvDAsYExOsz2j5qWu0P9FqBXV8Fo=");
  CHECK(webhook_signature("whsec_test", "", "", "") ==
        "v1,mVCLJu/9ub8l7p2ZGWh2LRKFXDDh+mNAWo+v/V/zbws=");
}

TEST_CASE("webhook: URLs") {
  const auto t = target_of("https://Hooks.Example.org:8443/a/b?c=d");
  CHECK(t.tls);
  CHECK(t.host == "hooks.example.org");
  CHECK(t.port == "8443");
  CHECK(t.path == "/a/b?c=d");
  CHECK(target_of("http://h?x").path == "/?x");
  CHECK(target_of("http://h").port == "80");
  CHECK(target_of("https://[2001:db8::1]/x").host == "2001:db8::1");
  for (const auto* bad : {"", "http:", "http://", "ftp://h", "http://h:0/", "http://h:99999/",
                          "http://h:x/", "http://[::1/", "http://:80/", "http://./"}) {
    INFO(bad);
    const auto target = parse_post_target(bad);
    REQUIRE_FALSE(target);
    CHECK(target.error().field == "url");
  }
}

TEST_CASE("webhook: only public addresses are public") {
  for (const auto* text : {"8.8.8.8", "1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111",
                           "64:ff9b::808:808", "2002:808:808::1"}) {
    INFO(text);
    CHECK(is_public(address(text)));
  }
  for (const auto* text :
       {"127.0.0.1",       "127.8.9.1",       "0.0.0.0",         "10.0.0.1",    "172.16.0.1",
        "172.31.255.255",  "192.168.1.1",     "169.254.169.254", "100.64.0.1",  "192.0.2.1",
        "198.18.0.1",      "224.0.0.1",       "255.255.255.255", "::1",         "::",
        "fe80::1",         "fc00::1",         "fd12::1",         "ff02::1",     "::ffff:127.0.0.1",
        "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:a00:1::1",   "2001:db8::1", "2001::1",
        "::127.0.0.1"}) {
    INFO(text);
    CHECK_FALSE(is_public(address(text)));
  }
}

TEST_CASE("webhook: what the operator allows") {
  const auto none = guard_of({});
  CHECK(none.check(target_of("http://127.0.0.1/")));
  CHECK(none.check(target_of("http://localhost/")));
  CHECK(none.check(target_of("http://localhost./")));
  CHECK(none.check(target_of("http://a.localhost/")));
  CHECK(none.check(target_of("http://[::1]/")));
  CHECK_FALSE(none.check(target_of("http://8.8.8.8/")));
  CHECK_FALSE(none.check(target_of("http://example.org/")));
  // A name that leads inside is refused when it is looked up.
  CHECK_FALSE(none.allows("example.org", address("10.0.0.1")));

  const auto some = guard_of({"Hooks.internal", "*.corp", "10.1.0.0/16", "127.0.0.1", "fd00::/8"});
  CHECK(some.allows("hooks.internal", address("10.9.0.1")));
  CHECK(some.allows("a.corp", address("127.0.0.1")));
  CHECK_FALSE(some.allows("corp", address("192.168.0.1")));
  CHECK_FALSE(some.allows("acorp", address("192.168.0.1")));
  CHECK(some.allows("x", address("10.1.255.1")));
  CHECK_FALSE(some.allows("x", address("10.2.0.1")));
  CHECK(some.allows("x", address("::ffff:10.1.0.1")));
  CHECK(some.allows("x", address("fd12::1")));
  CHECK_FALSE(some.allows("x", address("127.0.0.2")));
  CHECK_FALSE(some.check(target_of("http://127.0.0.1:9/")));
  CHECK(guard_of({"*"}).allows("x", address("169.254.169.254")));
  for (const auto* bad : {"", "10.0.0.0/33", "10.0.0.0/x", "host/8", "::/129"})
    CHECK_FALSE(UrlGuard::make({bad}));
}

TEST_CASE("webhook: what an answer means") {
  using What = SendResult::What;
  const auto judged = [](int status, int after = 0) {
    return judge(PostAnswer{status, std::chrono::seconds(after), "text"});
  };
  CHECK(judged(200).what == What::done);
  CHECK(judged(204).what == What::done);
  CHECK(judged(302).what == What::failed);
  CHECK(judged(404).what == What::failed);
  CHECK(judged(410).what == What::gone);
  CHECK(judged(500).error == "the receiver answered 500: text");
  CHECK_FALSE(judged(500).delay_ms);
  CHECK(judged(503, 7).delay_ms == 7000);
  CHECK(judge(Error{ErrorCode::timeout, "late", "url"}).what == What::failed);
  CHECK(judge(Error{ErrorCode::unavailable, "down", "url"}).what == What::failed);
  CHECK(judge(Error{ErrorCode::unavailable, "the delivery was stopped", ""}).what == What::stopped);
}

TEST_CASE("webhook: the body is a CloudEvent") {
  EventView e;
  e.position = 7;
  e.id = *parse_uuid("01890a5d-ac96-774b-bcce-b302099a8057");
  e.tenant = "default";
  e.stream = "run/a \"b\"";
  e.version = 3;
  e.type = "run.ended";
  e.time = *parse_time("2026-11-21T09:00:00Z");
  const auto stored = encode_event(RunEnded{.status = "finished", .end_time = 5});
  e.payload = stored.payload;
  const Uuid log = *parse_uuid("01890a5d-ac96-774b-bcce-000000000001");
  CHECK(cloud_event_json(e, log) ==
        R"({"specversion":"1.0","id":"01890a5d-ac96-774b-bcce-b302099a8057",)"
        R"("source":"mlforge/01890a5d-ac96-774b-bcce-000000000001","type":"run.ended",)"
        R"("subject":"run/a \"b\"","time":"2026-11-21T09:00:00.000000Z",)"
        R"("datacontenttype":"application/json","mlforgeposition":"7","mlforgeversion":"3",)"
        R"("mlforgeschema":"1","mlforgetenant":"default",)"
        R"("data":{"status":"finished","end_time":5}})");
  CHECK(delivery_id(log, 5, e.id) == delivery_id(log, 5, e.id));
  CHECK(delivery_id(log, 5, e.id) != delivery_id(log, 6, e.id));
}

}  // namespace mlforge::actors::test
