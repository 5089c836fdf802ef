// Keys of view rows: parts joined by 0x00, the projection's name and the tenant first.
//
// A part's own bytes 0x00 to 0x02 are escaped, so that no part can pose as two. A part over
// kMaxPartBytes keeps its beginning and the SHA-256 of the whole, so that a key of up to
// kMaxParts parts fits LMDB's 511 bytes whatever the names are, and a prefix of parts stays a
// prefix of bytes.
#pragma once
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

namespace mlforge::projections {

inline constexpr std::size_t kMaxPartBytes = 120;
// What the history table adds to a key: 0x00 and a position.
inline constexpr std::size_t kHistorySuffixBytes = 9;
inline constexpr std::size_t kMaxKeyBytes = 511 - kHistorySuffixBytes;

void append_part(std::string& key, std::string_view part);

// The parts, and 0x00 between them.
std::string join_parts(std::initializer_list<std::string_view> parts);

// view_key("runs", tenant, "run", run_id)
template <class... Parts>
std::string view_key(std::string_view projection, const Parts&... parts) {
  return join_parts({projection, std::string_view(parts)...});
}

// The beginning of all keys that have these parts and at least one more.
template <class... Parts>
std::string view_prefix(std::string_view projection, const Parts&... parts) {
  return join_parts({projection, std::string_view(parts)..., std::string_view()});
}

// A number as a part, 16 hexadecimal digits: keys ascend, or descend, with the number.
std::string ascending(std::uint64_t number);
std::string descending(std::uint64_t number);
// Nothing where the text is not 16 lower-case hexadecimal digits.
std::optional<std::uint64_t> parse_ascending(std::string_view part);

// Big-endian, so that byte order is number order.
void append_big_endian(std::string& out, std::uint64_t number);
std::uint64_t load_big_endian(const char* bytes);

}  // namespace mlforge::projections
