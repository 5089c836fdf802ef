// The layout of one event on disk: docs/record-format.md. Little-endian, checked, read without a
// copy.
#pragma once
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "events/envelope.hpp"
#include "events/error.hpp"
#include "storage/digest.hpp"

namespace mlforge::storage {

inline constexpr std::uint8_t kRecordLayout = 1;
// A record whose payload was dropped by retention: no salt, of the payload what is left, and a
// commitment that is still that of the whole record. EventView::expired is set.
inline constexpr std::uint8_t kExpiredLayout = 3;
inline constexpr std::size_t kRecordHeaderBytes = 152;
inline constexpr std::size_t kSaltBytes = 16;
inline constexpr std::size_t kMaxNameBytes = 65535;  // tenant, stream, type, actor, command id

// Bytes of the record that encode() makes of `event`. Names over kMaxNameBytes are the caller's
// mistake.
std::size_t record_size(const EventView& event);

// Encodes events. Any thread; encode() allocates nothing.
class RecordEncoder {
 public:
  using Salt = std::span<const std::uint8_t, kSaltBytes>;

  // Fills `out`, which has record_size(event) bytes.
  void encode(const EventView& event, Salt salt, std::span<std::uint8_t> out) const;
  // Two records, which cost less together: see sha256_pair().
  void encode_two(const EventView& a, Salt salt_a, std::span<std::uint8_t> out_a,
                  const EventView& b, Salt salt_b, std::span<std::uint8_t> out_b) const;
  // Appends the record to `buffer`.
  void append(const EventView& event, Salt salt, std::vector<std::uint8_t>& buffer) const;
};

// Checks size, CRC, layout, lengths and reserved bytes, then fills `event` with views into
// `record`. Answers null, or why the record is refused (`event` is then unspecified). Never reads
// outside of `record`; allocates nothing. Any thread.
const char* decode_record(Bytes record, EventView& event);

// The same as an Expected: `corrupt` says why.
Expected<EventView> decode_record(Bytes record);

// Parts of a record that decode_record() has accepted.
Digest record_commitment(Bytes record);  // the leaf of the Merkle tree
Bytes record_salted_body(Bytes record);  // what the commitment is the SHA-256 of

// Whether a salted body is what is left of an expired record; then no commitment can be checked
// against it.
bool is_expired_body(Bytes salted_body);
// Fills `out` with the record that has this commitment and this salted body.
void assemble_record(const Digest& commitment, Bytes salted_body, std::vector<std::uint8_t>& out);
// A salted body, out of a record that decode_record() accepts, with `left` in place of its payload
// and without its salt.
std::vector<std::uint8_t> expire_body(Bytes salted_body, std::string_view left);

}  // namespace mlforge::storage
