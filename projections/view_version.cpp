#include "projections/view_version.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "events/words.hpp"

namespace mlforge::projections {
namespace {

constexpr std::size_t kSmall = 128;
constexpr std::size_t kEditBytes = 12;
constexpr std::size_t kMostReplaced = 64;  // bytes looked through for where both go on alike
constexpr std::size_t kAlike = 16;

// Steele, Lea, Flood: "Fast splittable pseudorandom number generators" (2014), the finalizer.
std::uint64_t mixed(std::uint64_t x) {
  x += 0x9E3779B97F4A7C15u;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

bool is_whole(const FormerVersion& v) {
  return v.value.size() < kSmall ||
         mixed(v.from) % std::clamp<std::uint64_t>(v.value.size() / 256, 8, 512) == 0;
}

// By words: rows are long and mostly alike.
std::size_t common_end(std::string_view a, std::string_view b) {
  const std::size_t most = std::min(a.size(), b.size());
  std::size_t n = 0;
  for (std::uint64_t x = 0, y = 0; n + sizeof x <= most; n += sizeof x) {
    std::memcpy(&x, a.data() + a.size() - n - sizeof x, sizeof x);
    std::memcpy(&y, b.data() + b.size() - n - sizeof y, sizeof y);
    if (x != y) return n + static_cast<std::size_t>(std::countl_zero(x ^ y)) / 8;
  }
  while (n < most && a[a.size() - n - 1] == b[b.size() - n - 1]) ++n;
  return n;
}

// How many bytes from the start were replaced by as many, after which both go on alike; 0: none.
std::size_t replaced_start(std::string_view a, std::string_view b) {
  const std::size_t most = std::min(a.size(), b.size());
  for (std::size_t n = 1; n <= kMostReplaced && n + kAlike <= most; ++n)
    if (a.substr(n, kAlike) == b.substr(n, kAlike)) return n;
  return 0;
}

std::size_t replaced_end(std::string_view a, std::string_view b) {
  const std::size_t most = std::min(a.size(), b.size());
  for (std::size_t n = 1; n <= kMostReplaced && n + kAlike <= most; ++n)
    if (a.substr(a.size() - n - kAlike, kAlike) == b.substr(b.size() - n - kAlike, kAlike))
      return n;
  return 0;
}

struct Edit {
  std::uint32_t same = 0, gone = 0, own = 0;
};
static_assert(sizeof(Edit) == kEditBytes);

void append_edit(std::string& out, std::size_t same, std::size_t gone, std::string_view own) {
  const Edit edit{static_cast<std::uint32_t>(same), static_cast<std::uint32_t>(gone),
                  static_cast<std::uint32_t>(own.size())};
  out.append(reinterpret_cast<const char*>(&edit), sizeof edit);
  out.append(own);
}

// What makes `a` of `b`: up to so many replacements from the start on and from the end, and what
// then is left between.
std::string edits_of(std::string_view a, std::string_view b, int at_start, int at_end) {
  std::string out, last;
  std::size_t same = common_start(a, b);
  a.remove_prefix(same);
  b.remove_prefix(same);
  const std::size_t end = common_end(a, b);
  a.remove_suffix(end);
  b.remove_suffix(end);
  for (std::size_t n; at_start > 0 && (n = replaced_start(a, b)) > 0; --at_start) {
    append_edit(out, same, n, a.substr(0, n));
    same = common_start(a.substr(n), b.substr(n));
    a.remove_prefix(n + same);
    b.remove_prefix(n + same);
  }
  for (std::size_t n; at_end > 0 && (n = replaced_end(a, b)) > 0; --at_end) {
    const std::size_t alike = common_end(a.substr(0, a.size() - n), b.substr(0, b.size() - n));
    std::string edit;
    append_edit(edit, alike, n, a.substr(a.size() - n));
    last.insert(0, edit);
    a.remove_suffix(n + alike);
    b.remove_suffix(n + alike);
  }
  append_edit(out, same, b.size(), a);
  return out + last;
}

constexpr std::size_t kShort = 64;

// What most changes are: one place, a few bytes. False, and nothing appended, where it is not.
bool append_short_edit(std::string& out, std::string_view a, std::string_view b) {
  const std::size_t same = common_start(a, b);
  const std::size_t end = common_end(a.substr(same), b.substr(same));
  const std::size_t own = a.size() - same - end;
  if (own + kEditBytes > kShort) return false;
  out += '\2';
  append_edit(out, same, b.size() - same - end, a.substr(same, own));
  return true;
}

// Times that were replaced may stand before or behind what came in between.
std::string shortest_edits(std::string_view a, std::string_view b) {
  std::string best = edits_of(a, b, 0, 0);
  for (const auto& [at_start, at_end] : {std::pair{0, 2}, {2, 0}, {1, 1}}) {
    if (best.size() <= kShort) break;
    std::string edits = edits_of(a, b, at_start, at_end);
    if (edits.size() < best.size()) best = std::move(edits);
  }
  return best;
}

Error damaged(const char* how) {
  return {ErrorCode::corrupt, std::string("a view's former row ") + how, ""};
}

}  // namespace

void append_version(std::string& out, const FormerVersion& version, std::string_view next) {
  const auto& value = version.value;
  if (!version.live || is_whole(version)) {
    out += version.live ? '\1' : '\0';
    out += value;
    return;
  }
  if (append_short_edit(out, value, next)) return;
  const std::string edits = shortest_edits(value, next);
  const bool shorter = edits.size() < value.size() / 2;
  out += shorter ? '\2' : '\1';
  out += shorter ? edits : value;
}

Expected<std::string> restore_version(std::string_view base,
                                      const std::vector<std::string_view>& differences) {
  std::string value(base), before;
  for (auto each = differences.rbegin(); each != differences.rend(); ++each) {
    std::string_view edits = each->substr(1), rest = value;
    before.clear();
    while (!edits.empty()) {
      Edit edit;
      if (edits.size() < sizeof edit) return damaged("is cut off");
      std::memcpy(&edit, edits.data(), sizeof edit);
      edits.remove_prefix(sizeof edit);
      if (edits.size() < edit.own) return damaged("is cut off");
      if (std::size_t{edit.same} + edit.gone > rest.size())
        return damaged("does not fit the next one");
      before.append(rest, 0, edit.same).append(edits, 0, edit.own);
      rest.remove_prefix(edit.same + edit.gone);
      edits.remove_prefix(edit.own);
    }
    before.append(rest);
    std::swap(value, before);
  }
  return value;
}

}  // namespace mlforge::projections
