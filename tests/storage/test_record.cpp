#include <catch2/catch.hpp>
#include <random>

#include "storage/crc32c.hpp"
#include "storage/record.hpp"

namespace record_tests {

using namespace mlforge;
using namespace mlforge::storage;

namespace {

constexpr std::array<std::uint8_t, kSaltBytes> kSalt{1, 2, 3, 4, 5, 6, 7, 8};

EventView sample() {
  EventView e;
  e.position = 0x0102030405060708;
  e.id.bytes.fill(0xaa);
  e.tenant = "acme";
  e.stream = "run/1";
  e.version = 9;
  e.type = "run.started";
  e.schema = 2;
  e.actor = "ann";
  e.time = -1;
  e.causation.bytes.fill(0xbb);
  e.correlation.bytes.fill(0xcc);
  e.command_id = "c-1";
  e.content_type = ContentType::columns;
  e.payload = "payload";
  return e;
}

std::vector<std::uint8_t> encoded(const EventView& e) {
  std::vector<std::uint8_t> buffer;
  RecordEncoder().append(e, kSalt, buffer);
  return buffer;
}

void fix_crc(std::vector<std::uint8_t>& record) {
  const std::uint32_t crc = crc32c(Bytes(record).subspan(4));
  for (int i = 0; i < 4; ++i) record[i] = static_cast<std::uint8_t>(crc >> (8 * i));
}

}  // namespace

TEST_CASE("crc32c: known answers, and both ways agree") {
  CHECK(crc32c(as_bytes("123456789")) == 0xE3069283u);
  CHECK(crc32c_software(as_bytes("123456789")) == 0xE3069283u);
  CHECK(crc32c({}) == 0);
  const std::vector<std::uint8_t> zeros(32, 0);  // RFC 3720, B.4
  CHECK(crc32c(zeros) == 0x8A9136AAu);
  std::mt19937 random(7);
  std::vector<std::uint8_t> bytes(300);
  for (auto& b : bytes) b = static_cast<std::uint8_t>(random());
  for (std::size_t n = 0; n < bytes.size(); ++n)
    REQUIRE(crc32c(Bytes(bytes).subspan(n)) == crc32c_software(Bytes(bytes).subspan(n)));
}

TEST_CASE("sha256: known answers, in pieces too") {
  CHECK(to_string(sha256(as_bytes("abc"))) ==
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  Sha256 hash;
  hash.update(as_bytes("a"));
  hash.update(as_bytes("bc"));
  CHECK(hash.finish() == sha256(as_bytes("abc")));
  CHECK(hash.finish() == sha256({}));
  const Digest digest = sha256({});
  CHECK(parse_digest(to_string(digest)) == digest);
  CHECK_FALSE(parse_digest("e3"));
  CHECK_FALSE(parse_digest(std::string(64, 'G')));
}

TEST_CASE("record: comes back as it went in") {
  const EventView e = sample();
  const auto record = encoded(e);
  REQUIRE(record.size() == record_size(e));
  const auto decoded = decode_record(Bytes(record));
  REQUIRE(decoded);
  CHECK(decoded->position == e.position);
  CHECK(decoded->id == e.id);
  CHECK(decoded->tenant == e.tenant);
  CHECK(decoded->stream == e.stream);
  CHECK(decoded->version == e.version);
  CHECK(decoded->type == e.type);
  CHECK(decoded->schema == e.schema);
  CHECK(decoded->actor == e.actor);
  CHECK(decoded->time == e.time);
  CHECK(decoded->causation == e.causation);
  CHECK(decoded->correlation == e.correlation);
  CHECK(decoded->command_id == e.command_id);
  CHECK(decoded->content_type == e.content_type);
  CHECK(decoded->payload == e.payload);
  CHECK(reinterpret_cast<const std::uint8_t*>(decoded->payload.data()) > record.data());
}

TEST_CASE("record: the bytes are those of the documented layout") {
  const auto record = encoded(sample());
  CHECK(record[4] == record.size());
  CHECK(record[40] == 1);
  CHECK(record[56] == kRecordLayout);
  CHECK(record[57] == 1);
  CHECK(record[58] == 2);
  CHECK(record[60] == 7);
  CHECK(record[64] == 8);
  CHECK(record[71] == 1);
  CHECK(record[80] == 9);
  CHECK(record[136] == 4);
  CHECK(as_text(Bytes(record).subspan(152)) == "acmerun/1run.startedannc-1payload");
  CHECK(to_string(sha256(record)) ==
        "9b42ada9d3682a5642d9e776967dd612995b81e9bf93f636d2600c529e9efd93");
}

TEST_CASE("record: the commitment is the digest of salt and body") {
  const auto record = encoded(sample());
  CHECK(record_commitment(record) == sha256(Bytes(record).subspan(40)));
  CHECK(record_salted_body(record).size() == record.size() - 40);
  std::vector<std::uint8_t> other;
  std::array<std::uint8_t, kSaltBytes> salt{};
  RecordEncoder().append(sample(), salt, other);
  CHECK(record_commitment(other) != record_commitment(record));
}

TEST_CASE("record: every flipped bit and every truncation is refused") {
  const auto record = encoded(sample());
  EventView e;
  for (std::size_t bit = 0; bit < record.size() * 8; ++bit) {
    auto damaged = record;
    damaged[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
    REQUIRE(decode_record(damaged, e) != nullptr);
  }
  for (std::size_t n = 0; n < record.size(); ++n)
    REQUIRE(decode_record(Bytes(record).first(n), e) != nullptr);
}

TEST_CASE("record: wrong fields are refused even under a right checksum") {
  const auto refuse = [](std::size_t at, std::uint8_t value) {
    auto record = encoded(sample());
    record[at] = value;
    fix_crc(record);
    const auto decoded = decode_record(Bytes(record));
    return decoded ? std::string() : decoded.error().message;
  };
  CHECK(refuse(56, 2).find("layout version") != std::string::npos);
  CHECK(refuse(57, 9).find("content type") != std::string::npos);
  CHECK(refuse(60, 200).find("lengths") != std::string::npos);
  CHECK(refuse(63, 0xff).find("lengths") != std::string::npos);
  CHECK(refuse(137, 0xff).find("lengths") != std::string::npos);
  CHECK(refuse(150, 1).find("reserved") != std::string::npos);
  CHECK(refuse(5, 1).find("size") != std::string::npos);
  CHECK(refuse(88, 1).empty());
}

TEST_CASE("record: two digests at once are those of each") {
  std::mt19937_64 random(5);
  std::vector<std::uint8_t> bytes(70'000);
  for (auto& byte : bytes) byte = static_cast<std::uint8_t>(random());
  const Bytes all(bytes);
  const auto check = [&](Bytes a, Bytes b) {
    Digest of_a, of_b;
    sha256_pair(a, b, of_a, of_b);
    INFO(a.size() << " and " << b.size() << " bytes");
    REQUIRE(of_a == sha256(a));
    REQUIRE(of_b == sha256(b));
  };
  for (std::size_t size = 0; size < 260; ++size) {
    check(all.first(size), all.last(size));
    check(all.subspan(random() % 100, size), all.subspan(random() % 100, random() % 300));
  }
  check(all, all.first(1));
  check({}, all);
}

TEST_CASE("record: two records at once are those of each") {
  EventView a = sample(), b = sample();
  b.payload = "another";
  b.position = a.position + 1;
  const std::array<std::uint8_t, kSaltBytes> salt_a{1, 2, 3}, salt_b{9};
  std::vector<std::uint8_t> one, two, first(record_size(a)), second(record_size(b));
  const RecordEncoder encoder;
  encoder.append(a, salt_a, one);
  encoder.append(b, salt_b, two);
  encoder.encode_two(a, salt_a, first, b, salt_b, second);
  CHECK(first == one);
  CHECK(second == two);
}

}  // namespace record_tests
