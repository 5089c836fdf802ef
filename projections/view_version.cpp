#include "projections/view_version.hpp"

#include <algorithm>
#include <cstring>

namespace mlforge::projections {
namespace {

constexpr std::size_t kSmall = 1024;
constexpr std::size_t kHead = 9;

// Steele, Lea, Flood: "Fast splittable pseudorandom number generators" (2014), the finalizer.
std::uint64_t mixed(std::uint64_t x) {
  x += 0x9E3779B97F4A7C15u;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

bool is_whole(const FormerVersion& v) {
  return v.value.size() < kSmall ||
         mixed(v.from) % std::min<std::uint64_t>(v.value.size() / 256, 512) == 0;
}

struct Common {
  std::uint32_t start = 0, end = 0;
};

Common common_of(std::string_view a, std::string_view b) {
  const std::size_t most = std::min(a.size(), b.size());
  const auto start =
      std::mismatch(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(most), b.begin()).first -
      a.begin();
  const auto rest = static_cast<std::ptrdiff_t>(most) - start;
  const auto end = std::mismatch(a.rbegin(), a.rbegin() + rest, b.rbegin()).first - a.rbegin();
  return {static_cast<std::uint32_t>(start), static_cast<std::uint32_t>(end)};
}

}  // namespace

void append_version(std::string& out, const FormerVersion& version, std::string_view next) {
  const auto& value = version.value;
  if (!version.live || is_whole(version)) {
    out += version.live ? '\1' : '\0';
    out += value;
    return;
  }
  const Common common = common_of(value, next);
  const std::size_t between = value.size() - common.start - common.end;
  if (between > value.size() / 2) {
    out += '\1';
    out += value;
    return;
  }
  out += '\2';
  out.append(reinterpret_cast<const char*>(&common.start), 4);
  out.append(reinterpret_cast<const char*>(&common.end), 4);
  out += value.substr(common.start, between);
}

Expected<std::string> restore_version(std::string_view base,
                                      const std::vector<std::string_view>& differences) {
  std::string value(base), before;
  for (auto each = differences.rbegin(); each != differences.rend(); ++each) {
    Common common;
    if (each->size() < kHead)
      return Error{ErrorCode::corrupt, "a view's former row is cut off", ""};
    std::memcpy(&common.start, each->data() + 1, 4);
    std::memcpy(&common.end, each->data() + 5, 4);
    if (std::size_t{common.start} + common.end > value.size())
      return Error{ErrorCode::corrupt, "a view's former row does not fit the next one", ""};
    before.assign(value, 0, common.start);
    before += each->substr(kHead);
    before.append(value, value.size() - common.end);
    std::swap(value, before);
  }
  return value;
}

}  // namespace mlforge::projections
