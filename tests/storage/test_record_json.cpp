// Records as lines and back: the same bytes, or a sentence that names the field.
#include <random>

#include "events/base64.hpp"
#include "storage/log_builder.hpp"
#include "storage/record_json.hpp"
#include "tests/storage/log_fixtures.hpp"

namespace mlforge::storage {
namespace {

using Record = std::vector<std::uint8_t>;

Record make(const EventView& event, std::uint8_t salt = 7) {
  Record record;
  std::array<std::uint8_t, kSaltBytes> bytes;
  bytes.fill(salt);
  RecordEncoder().append(event, bytes, record);
  return record;
}

EventView sample() {
  EventView e;
  e.position = 1;
  e.id = *parse_uuid("01890a5d-ac96-774b-bcce-b302099a8057");
  e.tenant = "default";
  e.stream = "model/adult";
  e.version = 1;
  e.type = "model.registered";
  e.actor = "ann";
  e.time = 1'750'000'000'123'456;
  e.payload = R"({"name":"adult"})";
  return e;
}

std::string line_of(const Record& record) {
  std::string out;
  append_record_json(out, record);
  return out;
}

Record back(const std::string& line) {
  Record out;
  RecordJsonReader reader;
  const auto bad = reader.append(std::string_view(line).substr(0, line.size() - 1), out);
  INFO(line << (bad ? bad->message : ""));
  REQUIRE_FALSE(bad);
  return out;
}

Error refused(const std::string& line) {
  Record out;
  const auto bad = RecordJsonReader().append(line, out);
  INFO(line);
  REQUIRE(bad);
  CHECK(out.empty());
  return *bad;
}

std::string replaced(std::string text, const std::string& what, const std::string& by) {
  const auto at = text.find(what);
  REQUIRE(at != text.npos);
  return text.replace(at, what.size(), by);
}

}  // namespace

TEST_CASE("base64: the vectors of RFC 4648, and no second text for the same bytes") {
  const std::pair<std::string, std::string> vectors[] = {{"", ""},
                                                         {"f", "Zg=="},
                                                         {"fo", "Zm8="},
                                                         {"foo", "Zm9v"},
                                                         {"foob", "Zm9vYg=="},
                                                         {"fooba", "Zm9vYmE="},
                                                         {"foobar", "Zm9vYmFy"}};
  for (const auto& [bytes, text] : vectors) {
    std::string out;
    append_base64(out, bytes);
    CHECK(out == text);
    CHECK(parse_base64(text) == bytes);
  }
  for (const std::string wrong : {"Zg", "Zg=", "Zh==", "Zm9=", "Z===", "====", "Zm 8", "Zm9v=Zm9"})
    CHECK_FALSE(parse_base64(wrong));
}

TEST_CASE("a line holds the whole envelope, the payload as it is") {
  EventView e = sample();
  e.command_id = "c-1";
  e.causation = e.correlation = e.id;
  const auto record = make(e);
  CHECK(line_of(record) ==
        R"({"position":1,"id":"01890a5d-ac96-774b-bcce-b302099a8057","tenant":"default",)"
        R"("stream":"model/adult","version":1,"type":"model.registered","schema":1,"actor":"ann",)"
        R"("command_id":"c-1","causation_id":"01890a5d-ac96-774b-bcce-b302099a8057",)"
        R"("correlation_id":"01890a5d-ac96-774b-bcce-b302099a8057",)"
        R"("time":"2025-06-15T15:06:40.123456Z","content_type":"json",)"
        R"("salt":"07070707070707070707070707070707","commitment":")" +
            to_string(record_commitment(record)) + R"(","payload":{"name":"adult"}})" + "\n");
  CHECK(back(line_of(record)) == record);
}

TEST_CASE("every payload and every name comes back byte for byte") {
  const std::string payloads[] = {"",
                                  "{}",
                                  "null",
                                  "1,2",
                                  " {}",
                                  "{}\n",
                                  "{\"a\":\n1}",
                                  "{\"a\" : [1, 2.50e+1,\t\"x\\u0041\\\"}\"]}",
                                  "\"payload\"",
                                  R"({"payload":"payload","b":{"payload":[1]}})",
                                  "{\"a\":123456789012345678901234567890}",
                                  "{\"a\":1,\"a\":2}",
                                  "\xff\xfe",
                                  "{\"a\":\"\xff\"}",
                                  std::string("\0\1", 2),
                                  "{\"a\":",
                                  std::string(1024, '[') + std::string(1024, ']'),
                                  std::string(1023, '[') + std::string(1023, ']')};
  for (const auto& payload : payloads)
    for (const auto content : {ContentType::json, ContentType::columns}) {
      EventView e = sample();
      e.payload = payload;
      e.content_type = content;
      const auto line = line_of(make(e));
      CHECK(std::count(line.begin(), line.end(), '\n') == 1);
      CHECK(back(line) == make(e));
    }
  EventView e = sample();
  e.stream = "model/\xe4";
  e.actor = "\"\\\t\x7f\xc3\xa4";
  e.command_id = "\xff";
  CHECK(back(line_of(make(e))) == make(e));
  for (const TimeUs time : {TimeUs{0}, TimeUs{-1}, INT64_MAX, INT64_MIN}) {
    e.time = time;
    CHECK(back(line_of(make(e))) == make(e));
  }
}

TEST_CASE("random bytes as payloads and names come back") {
  std::mt19937 random(11);
  for (int i = 0; i < 300; ++i) {
    std::string payload(random() % 60, '\0'), actor(random() % 8, '\0');
    for (auto& c : payload) c = "{}[]\",:\\ \n01ae\xc3\xa4"[random() % 16];
    for (auto& c : actor) c = static_cast<char>(1 + random() % 255);
    EventView e = sample();
    e.payload = payload;
    e.actor = actor;
    e.schema = static_cast<std::uint16_t>(random());
    e.time = static_cast<TimeUs>(random()) * 1'000'003;
    const auto record = make(e, static_cast<std::uint8_t>(i));
    CHECK(back(line_of(record)) == record);
  }
}

TEST_CASE("fields in another order and blanks between them do not matter") {
  const auto record = make(sample());
  auto line = line_of(record);
  line = replaced(line, R"({"position":1,)", "{ ");
  line = replaced(line, R"("payload":)", "\"position\" : 1 , \"payload\" :\t");
  CHECK(back(line) == record);
}

TEST_CASE("a line that is wrong names its field") {
  auto line = line_of(make(sample()));
  line.pop_back();
  const auto field = [&](const std::string& what, const std::string& by) {
    return refused(replaced(line, what, by)).field;
  };
  CHECK(field(R"("position":1,)", "") == "position");
  CHECK(field(R"("position":1)", R"("position":-1)") == "position");
  CHECK(field(R"("position":1)", R"("position":"1")") == "position");
  CHECK(field(R"("schema":1)", R"("schema":65536)") == "schema");
  CHECK(field(R"("id":"01)", R"("id":"x1)") == "id");
  CHECK(field(R"("tenant":"default")", R"("tenant":"")") == "tenant");
  CHECK(field(R"("tenant":"default")", R"("tenant":"a\u0000")") == "tenant");
  CHECK(field(R"("actor":"ann")", R"("actor":5)") == "actor");
  CHECK(field(R"("actor":"ann")", R"("actor_base64":"_")") == "actor_base64");
  CHECK(field(R"("actor":"ann")", R"("actor":"ann","actor_base64":"YQ==")") == "actor");
  CHECK(field(R"("actor":"ann")", R"("aktor":"ann")") == "aktor");
  CHECK(field(R"("salt":"07)", R"("salt":"0g)") == "salt");
  CHECK(field(R"("content_type":"json")", R"("content_type":"text")") == "content_type");
  CHECK(field("2025-06-15T15:06:40", "yesterday") == "time");
  CHECK(field(R"({"name":"adult"})", R"({"name":"adulT"})") == "commitment");
  CHECK(field(R"("actor":"ann")", R"("actor":"bob")") == "commitment");
  CHECK(field(R"("payload":)", R"("p\u0061yload":)") == "payload");
  CHECK(refused("[]").code == ErrorCode::malformed);
  CHECK(refused("").code == ErrorCode::malformed);
  CHECK(refused(line + "}").code == ErrorCode::malformed);
  CHECK(refused(replaced(line, "adult\"}", "adult\"}}")).code == ErrorCode::malformed);
}

TEST_CASE("a built log is the log that was copied, and a broken build leaves nothing") {
  const TemporaryFolder folder;
  MemoryLog log(std::make_shared<ManualClock>(), seeded_ids(3));
  for (int i = 0; i < 50; ++i)
    must_append(log, request({event("run/" + std::to_string(i % 3), std::to_string(i))}));
  const auto target = folder.path() / "copy";
  {
    auto builder = LogBuilder::create(target, 1 << 26);
    REQUIRE(builder);
    REQUIRE_FALSE(copy_records(log, 20, **builder));
    CHECK((*builder)->head() == 20);
    CHECK_FALSE(std::filesystem::exists(target));
  }
  CHECK(std::filesystem::is_empty(folder.path()));
  auto builder = LogBuilder::create(target, 1 << 26);
  REQUIRE(builder);
  REQUIRE_FALSE(copy_records(log, 40, **builder));
  CHECK(copy_records(log, 60, **builder)->code == ErrorCode::corrupt);
  REQUIRE_FALSE((*builder)->finish(log.log_id()));
  CHECK(LogBuilder::create(target, 1 << 26).error().code == ErrorCode::already_exists);
  LmdbLogOptions options;
  options.map_bytes = 1 << 26;
  const auto copy = open_lmdb_log(target, options);
  REQUIRE(copy);
  CHECK((*copy)->head() == 50);
  CHECK((*copy)->log_id() == log.log_id());
  std::string before, after;
  (void)log.read_records(1, 50, [&](Position, Bytes r) { return before += as_text(r), true; });
  (void)(*copy)->read_records(1, 50, [&](Position, Bytes r) { return after += as_text(r), true; });
  CHECK(before == after);
}

TEST_CASE("a builder takes no gap and no damaged record") {
  const TemporaryFolder folder;
  auto builder = LogBuilder::create(folder.path() / "new", 1 << 24);
  REQUIRE(builder);
  EventView e = sample();
  e.position = 2;
  CHECK((*builder)->append(make(e))->code == ErrorCode::invalid_argument);
  auto record = make(sample());
  record.back() ^= 1;
  CHECK((*builder)->append(record)->code == ErrorCode::corrupt);
  CHECK_FALSE((*builder)->append(make(sample())));
}

}  // namespace mlforge::storage
