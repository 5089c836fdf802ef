#include "projections/view_key.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "events/words.hpp"
#include "storage/digest.hpp"

namespace mlforge::projections {
namespace {

constexpr char kEscape = 1, kHashed = 2;
constexpr std::size_t kDigestText = 64;

bool is_special(char c) { return static_cast<unsigned char>(c) <= 2; }

std::string escaped(std::string_view part) {
  std::string out;
  for (const char c : part) {
    if (is_special(c)) out += kEscape;
    out += is_special(c) ? static_cast<char>(c + 1) : c;
  }
  return out;
}

void append_fitted(std::string& key, std::string_view part) {
  if (part.size() <= kMaxPartBytes) {
    key.append(part);
    return;
  }
  key.append(part.substr(0, kMaxPartBytes - kDigestText - 1));
  key += kHashed;
  key += storage::to_string(storage::sha256(storage::as_bytes(part)));
}

// Eight bytes at a time, the last ones some of them twice: one that is less than 3 borrows into its
// high bit.
bool has_special(std::string_view part) {
  constexpr std::uint64_t kOnes = 0x0101010101010101;
  const auto special = [](std::uint64_t word) { return (word - 3 * kOnes) & ~word; };
  std::uint64_t found = 0;
  if (part.size() < 8) {
    found = special(word_of_short(part));
  } else {
    for (std::size_t at = 0; at + 8 < part.size(); at += 8)
      found |= special(load_word<std::uint64_t>(part.data() + at));
    found |= special(load_word<std::uint64_t>(part.data() + part.size() - 8));
  }
  return (found & 0x80 * kOnes) != 0;
}

bool is_as_it_is(std::string_view part) {
  return part.size() <= kMaxPartBytes && !has_special(part);
}

}  // namespace

void append_part(std::string& key, std::string_view part) {
  if (is_as_it_is(part))
    key.append(part);
  else
    append_fitted(key, has_special(part) ? escaped(part) : std::string(part));
}

std::string join_parts(std::initializer_list<std::string_view> parts) {
  char joined[kMaxKeyBytes];
  std::size_t size = 0;
  const auto* part = parts.begin();
  for (; part != parts.end() && size + part->size() < sizeof joined && is_as_it_is(*part); ++part) {
    if (part != parts.begin()) joined[size++] = '\0';
    std::copy(part->begin(), part->end(), joined + size);
    size += part->size();
  }
  std::string key(joined, size);
  for (; part != parts.end(); ++part) {
    if (part != parts.begin()) key += '\0';
    append_part(key, *part);
  }
  return key;
}

std::string ascending(std::uint64_t number) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out(16, '0');
  for (int i = 15; i >= 0; --i, number >>= 4) out[static_cast<std::size_t>(i)] = kHex[number & 15];
  return out;
}

std::string descending(std::uint64_t number) { return ascending(~number); }

std::optional<std::uint64_t> parse_ascending(std::string_view part) {
  if (part.size() != 16) return std::nullopt;
  std::uint64_t number = 0;
  for (const char c : part) {
    const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
    if (digit < 0) return std::nullopt;
    number = number << 4 | static_cast<std::uint64_t>(digit);
  }
  return number;
}

static_assert(std::endian::native == std::endian::little);

void append_big_endian(std::string& out, std::uint64_t number) {
  number = __builtin_bswap64(number);
  out.append(reinterpret_cast<const char*>(&number), sizeof number);
}

std::uint64_t load_big_endian(const char* bytes) {
  std::uint64_t number;
  std::memcpy(&number, bytes, sizeof number);
  return __builtin_bswap64(number);
}

}  // namespace mlforge::projections
