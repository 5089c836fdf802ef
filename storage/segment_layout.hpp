// The parts of a segment file that its writer and its reader share.
#pragma once
#include <string>
#include <string_view>

#include "events/envelope.hpp"
#include "storage/little_endian.hpp"

namespace mlforge::storage {

inline constexpr std::string_view kSegmentMagic = "mlfseg1\n";
inline constexpr std::string_view kSegmentEnd = "mlfsend\n";
inline constexpr std::size_t kSegmentHeaderBytes = 40;
inline constexpr std::size_t kSegmentRowBytes = 32;
// Offset of the table, last position, number of frames, CRC; the SHA-256 and the end follow.
inline constexpr std::size_t kSegmentFooterBytes = 24;
inline constexpr std::size_t kSegmentTrailerBytes = kSegmentFooterBytes + 32 + 8;

template <class T>
void append_le(std::string& out, std::uint64_t value) {
  std::uint8_t bytes[sizeof(T)];
  store_le<T>(bytes, static_cast<T>(value));
  out.append(reinterpret_cast<const char*>(bytes), sizeof(T));
}

// Magic, log id, first position, CRC of what is before, zero.
std::string segment_header(const Uuid& log_id, Position first);

}  // namespace mlforge::storage
