#include "actors/nats_message.hpp"

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <map>

#include "actors/nats_publisher.hpp"
#include "nats_test_log.hpp"
#include "nats_test_support.hpp"

namespace mlforge::actors::test {
namespace {

EventView example() {
  EventView e;
  e.position = 42;
  e.id = test_id(1, 42);
  e.tenant = "default";
  e.stream = "run/a b";
  e.version = 3;
  e.type = "run.metrics_logged";
  e.actor = "ann";
  e.payload = "{}";
  return e;
}

std::map<std::string, std::string> headers_of(const BroadcastMessage& m) {
  std::map<std::string, std::string> headers;
  for (std::size_t i = 0; i < m.header_count(); ++i) headers[m.header_name(i)] = m.header_value(i);
  return headers;
}

}  // namespace

TEST_CASE("nats message: subjects have three clean parts", "[nats]") {
  auto e = example();
  CHECK(event_subject("mlforge", e) == "mlforge.default.run.metrics_logged");
  e.tenant = "acme.org *>";
  e.stream = "";
  e.type = "odd type";
  CHECK(event_subject("mlforge", e) == "mlforge.acme_org___._.odd_type");
  e.type = "a.b.c\r\n";
  CHECK(event_subject("x", e) == "x.acme_org___._.b_c__");
  const std::string lengthy(500, 'k');
  e.stream = lengthy;
  CHECK(event_subject("x", e).size() < 100);
}

TEST_CASE("nats message: headers cannot be broken out of", "[nats]") {
  CHECK(encode_header("plain/text") == "plain/text");
  CHECK(encode_header("a b\r\nX: 1%\"\xc3\xa9") == "a%20b%0D%0AX:%201%25%22%C3%A9");
  auto e = example();
  BroadcastMessage m;
  render_message({e, "body", 7, 0, std::nullopt}, "mlforge", "mlforge/x", 1 << 20, m);
  auto headers = headers_of(m);
  CHECK(headers.at("ce-subject") == "run/a%20b");
  CHECK(headers.at("Nats-Expected-Last-Sequence") == "0");
  CHECK_FALSE(headers.contains("Nats-Expected-Last-Msg-Id"));
  CHECK_FALSE(headers.contains("ce-causationid"));
  CHECK(headers.at("ce-time") == "1970-01-01T00:00:00.000000Z");
  CHECK(headers.at("Mlforge-Actor") == "ann");
  CHECK(m.body == "body");

  e.causation = test_id(5, 5);
  e.correlation = test_id(6, 6);
  render_message({e, "body", 8, 41, test_id(1, 41)}, "mlforge", "mlforge/x", 1 << 20, m);
  headers = headers_of(m);
  CHECK(headers.at("Nats-Expected-Last-Sequence") == "41");
  CHECK(headers.at("Nats-Expected-Last-Msg-Id") == to_string(test_id(1, 41)));
  CHECK(headers.at("ce-causationid") == to_string(test_id(5, 5)));
  CHECK(headers.at("ce-correlationid") == to_string(test_id(6, 6)));
}

TEST_CASE("nats message: a body over the broker's limit is left out", "[nats]") {
  const auto e = example();
  const std::string body(2000, 'x');
  BroadcastMessage m;
  render_message({e, body, 1, 0, std::nullopt}, "mlforge", "mlforge/x", 4096, m);
  CHECK(m.body.size() == 2000);
  CHECK_FALSE(headers_of(m).contains("Mlforge-Body"));
  render_message({e, body, 1, 0, std::nullopt}, "mlforge", "mlforge/x", 2048, m);
  CHECK(m.body.empty());
  CHECK(headers_of(m).at("Mlforge-Body") == "by-position");
  CHECK(headers_of(m).at("Mlforge-Position") == "42");
}

TEST_CASE("nats message: the broker's answers", "[nats]") {
  auto ack = parse_ack(9, R"({"stream":"MLFORGE", "seq":123})");
  CHECK((ack.token == 9 && ack.sequence == 123 && ack.error.empty()));
  ack = parse_ack(9, R"({"stream":"MLFORGE","seq":5,"duplicate": true})");
  CHECK((ack.sequence == 5 && ack.error.empty()));
  ack = parse_ack(9, R"({"error":{"code":400,"err_code":10071,)"
                     R"("description":"wrong last sequence: 14"},"stream":"S","seq":0})");
  CHECK(ack.error == "wrong last sequence: 14");
  CHECK(parse_ack(9, R"({"stream":"MLFORGE","seq":0})").error.starts_with("an answer"));
  CHECK(parse_ack(9, "garbage").error.starts_with("an answer"));
  CHECK(parse_ack(9, "").error.starts_with("an answer"));
}

TEST_CASE("nats cursor: survives, and counts for its own log only", "[nats]") {
  TempFolder folder;
  const auto path = (folder.path / "cursor").string();
  const BroadcastCursor cursor{7, 9, 123456789};
  CHECK(load_cursor(path, test_id(1, 1)) == BroadcastCursor{});
  REQUIRE_FALSE(save_cursor(path, test_id(1, 1), cursor));
  CHECK(load_cursor(path, test_id(1, 1)) == cursor);
  CHECK(load_cursor(path, test_id(1, 2)) == BroadcastCursor{});
  for (const std::size_t length : {0, 10, 30, 70}) {
    std::filesystem::resize_file(path, length);
    CHECK(load_cursor(path, test_id(1, 1)) == BroadcastCursor{});
    REQUIRE_FALSE(save_cursor(path, test_id(1, 1), cursor));
  }
  // Whatever bit is damaged, nothing that was not published is passed by.
  std::ifstream in(path, std::ios::binary);
  const std::string text(std::istreambuf_iterator<char>(in), {});
  REQUIRE(text.ends_with("\n"));
  for (std::size_t bit = 0; bit + 8 < text.size() * 8; ++bit) {
    auto damaged = text;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ 1 << bit % 8);
    std::ofstream(path, std::ios::binary) << damaged;
    INFO(bit << ": " << damaged);
    CHECK(load_cursor(path, test_id(1, 1)) == BroadcastCursor{});
  }
  // As it was written before there were checksums.
  std::ofstream(path) << text.substr(0, text.find(" crc:")) << '\n';
  CHECK(load_cursor(path, test_id(1, 1)) == cursor);
  CHECK(save_cursor("/no/such/folder/cursor", test_id(1, 1), cursor)->code ==
        ErrorCode::unavailable);
}

}  // namespace mlforge::actors::test
