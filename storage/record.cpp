#include "storage/record.hpp"

#include <algorithm>
#include <cstring>

#include "storage/crc32c.hpp"
#include "storage/little_endian.hpp"

namespace mlforge::storage {
namespace {

// Offsets of docs/record-format.md.
constexpr std::size_t kCrc = 0, kSize = 4, kCommitment = 8, kSalt = 40, kLayout = 56, kContent = 57,
                      kSchema = 58, kPayloadLength = 60, kPosition = 64, kTime = 72, kVersion = 80,
                      kId = 88, kCausation = 104, kCorrelation = 120, kNameLengths = 136,
                      kReserved = 146;
constexpr std::size_t kNames = 5;

void store_id(std::uint8_t* at, const Uuid& id) { std::memcpy(at, id.bytes.data(), 16); }

Uuid load_id(const std::uint8_t* at) {
  Uuid id;
  std::memcpy(id.bytes.data(), at, 16);
  return id;
}

bool is_zero(Bytes bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::uint8_t byte) { return byte == 0; });
}

}  // namespace

std::size_t record_size(const EventView& e) {
  return kRecordHeaderBytes + e.tenant.size() + e.stream.size() + e.type.size() + e.actor.size() +
         e.command_id.size() + e.payload.size();
}

namespace {

// All but the commitment and the checksum.
void lay_out(const EventView& e, RecordEncoder::Salt salt, std::span<std::uint8_t> out) {
  std::uint8_t* const at = out.data();
  store_le<std::uint32_t>(at + kSize, out.size());
  std::memcpy(at + kSalt, salt.data(), kSaltBytes);
  at[kLayout] = kRecordLayout;
  at[kContent] = static_cast<std::uint8_t>(e.content_type);
  store_le<std::uint16_t>(at + kSchema, e.schema);
  store_le<std::uint32_t>(at + kPayloadLength, e.payload.size());
  store_le<std::uint64_t>(at + kPosition, e.position);
  store_le<std::int64_t>(at + kTime, e.time);
  store_le<std::uint64_t>(at + kVersion, e.version);
  store_id(at + kId, e.id);
  store_id(at + kCausation, e.causation);
  store_id(at + kCorrelation, e.correlation);
  const std::string_view names[kNames] = {e.tenant, e.stream, e.type, e.actor, e.command_id};
  std::uint8_t* text = at + kRecordHeaderBytes;
  const auto append_text = [&text](std::string_view s) {
    if (!s.empty()) std::memcpy(text, s.data(), s.size());
    text += s.size();
  };
  for (std::size_t i = 0; i < kNames; ++i) {
    store_le<std::uint16_t>(at + kNameLengths + 2 * i, names[i].size());
    append_text(names[i]);
  }
  std::memset(at + kReserved, 0, kRecordHeaderBytes - kReserved);
  append_text(e.payload);
}

void seal(const Digest& commitment, std::span<std::uint8_t> out) {
  std::memcpy(out.data() + kCommitment, commitment.bytes.data(), commitment.bytes.size());
  store_le<std::uint32_t>(out.data() + kCrc, crc32c(out.subspan(kSize)));
}

}  // namespace

void RecordEncoder::encode(const EventView& e, Salt salt, std::span<std::uint8_t> out) const {
  lay_out(e, salt, out);
  seal(sha256(out.subspan(kSalt)), out);
}

void RecordEncoder::encode_two(const EventView& a, Salt salt_a, std::span<std::uint8_t> out_a,
                               const EventView& b, Salt salt_b,
                               std::span<std::uint8_t> out_b) const {
  lay_out(a, salt_a, out_a);
  lay_out(b, salt_b, out_b);
  Digest of_a, of_b;
  sha256_pair(out_a.subspan(kSalt), out_b.subspan(kSalt), of_a, of_b);
  seal(of_a, out_a);
  seal(of_b, out_b);
}

void RecordEncoder::append(const EventView& event, Salt salt,
                           std::vector<std::uint8_t>& buffer) const {
  const std::size_t before = buffer.size();
  buffer.resize(before + record_size(event));
  encode(event, salt, std::span(buffer).subspan(before));
}

const char* decode_record(Bytes record, EventView& e) {
  if (record.size() < kRecordHeaderBytes) return "it is shorter than a record's header";
  const std::uint8_t* const at = record.data();
  if (load_le<std::uint32_t>(at + kSize) != record.size()) return "its size field does not fit";
  if (load_le<std::uint32_t>(at + kCrc) != crc32c(record.subspan(kSize)))
    return "its checksum does not match";
  const bool expired = at[kLayout] == kExpiredLayout;
  if (at[kLayout] != kRecordLayout && !expired) return "its layout version is unknown";
  if (at[kContent] > static_cast<std::uint8_t>(ContentType::columns))
    return "its content type is unknown";
  for (std::size_t i = kReserved; i < kRecordHeaderBytes; ++i)
    if (at[i] != 0) return "its reserved bytes are not zero";
  std::size_t lengths[kNames], total = kRecordHeaderBytes;
  for (std::size_t i = 0; i < kNames; ++i)
    total += lengths[i] = load_le<std::uint16_t>(at + kNameLengths + 2 * i);
  const std::size_t payload_length = load_le<std::uint32_t>(at + kPayloadLength);
  if (total + payload_length != record.size()) return "its lengths do not add up to its size";
  if (expired && !is_zero(record.subspan(kSalt, kSaltBytes)))
    return "it is said to be expired, but it has a salt";

  const char* text = reinterpret_cast<const char*>(at) + kRecordHeaderBytes;
  const auto take = [&text](std::size_t length) {
    const std::string_view view(text, length);
    text += length;
    return view;
  };
  e.position = load_le<std::uint64_t>(at + kPosition);
  e.id = load_id(at + kId);
  e.tenant = take(lengths[0]);
  e.stream = take(lengths[1]);
  e.version = load_le<std::uint64_t>(at + kVersion);
  e.type = take(lengths[2]);
  e.schema = load_le<std::uint16_t>(at + kSchema);
  e.actor = take(lengths[3]);
  e.time = load_le<std::int64_t>(at + kTime);
  e.causation = load_id(at + kCausation);
  e.correlation = load_id(at + kCorrelation);
  e.command_id = take(lengths[4]);
  e.content_type = static_cast<ContentType>(at[kContent]);
  e.payload = take(payload_length);
  e.expired = expired;
  return nullptr;
}

Expected<EventView> decode_record(Bytes record) {
  EventView event;
  if (const char* why = decode_record(record, event))
    return Error{ErrorCode::corrupt, std::string("The record is damaged: ") + why + "."};
  return event;
}

Digest record_commitment(Bytes record) {
  Digest digest;
  std::memcpy(digest.bytes.data(), record.data() + kCommitment, digest.bytes.size());
  return digest;
}

Bytes record_salted_body(Bytes record) { return record.subspan(kSalt); }

bool is_expired_body(Bytes salted_body) {
  return salted_body.size() > kLayout - kSalt && salted_body[kLayout - kSalt] == kExpiredLayout;
}

void assemble_record(const Digest& commitment, Bytes salted_body, std::vector<std::uint8_t>& out) {
  out.resize(kSalt + salted_body.size());
  std::uint8_t* const at = out.data();
  store_le<std::uint32_t>(at + kSize, static_cast<std::uint32_t>(out.size()));
  std::memcpy(at + kCommitment, commitment.bytes.data(), commitment.bytes.size());
  if (!salted_body.empty()) std::memcpy(at + kSalt, salted_body.data(), salted_body.size());
  store_le<std::uint32_t>(at + kCrc, crc32c(Bytes(out).subspan(kSize)));
}

std::vector<std::uint8_t> expire_body(Bytes body, std::string_view left) {
  const std::size_t payload = load_le<std::uint32_t>(body.data() + kPayloadLength - kSalt);
  std::vector<std::uint8_t> out(body.begin(), body.end() - static_cast<std::ptrdiff_t>(payload));
  std::fill_n(out.begin(), kSaltBytes, std::uint8_t{0});
  out[kLayout - kSalt] = kExpiredLayout;
  store_le<std::uint32_t>(out.data() + kPayloadLength - kSalt,
                          static_cast<std::uint32_t>(left.size()));
  out.insert(out.end(), left.begin(), left.end());
  return out;
}

}  // namespace mlforge::storage
