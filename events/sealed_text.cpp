#include "events/sealed_text.hpp"

#include <algorithm>

#include "events/base64.hpp"

namespace mlforge {
namespace {

constexpr std::size_t kIds = 2 * sizeof(SealId);
constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=";

std::string_view as_view(const SealId& id) {
  return {reinterpret_cast<const char*>(id.data()), id.size()};
}

}  // namespace

std::string to_text(const SealedText& sealed) {
  std::string bytes;
  bytes.append(as_view(sealed.key_id)).append(as_view(sealed.context)).append(sealed.box);
  std::string out(kSealedPrefix);
  append_base64(out, bytes);
  out += kSealedEnd;
  return out;
}

std::optional<SealedText> parse_sealed(std::string_view text) {
  if (!text.starts_with(kSealedPrefix) || !text.ends_with(kSealedEnd)) return std::nullopt;
  text.remove_prefix(kSealedPrefix.size());
  text.remove_suffix(1);
  const auto bytes = parse_base64(text);
  if (!bytes || bytes->size() < kIds + kSealNonceBytes + kSealTagBytes) return std::nullopt;
  SealedText out;
  std::copy_n(bytes->begin(), out.key_id.size(), out.key_id.begin());
  std::copy_n(bytes->begin() + sizeof(SealId), out.context.size(), out.context.begin());
  out.box = bytes->substr(kIds);
  return out;
}

std::string_view find_sealed(std::string_view text, std::size_t from) {
  for (;;) {
    const auto begin = text.find(kSealedPrefix, from);
    if (begin == text.npos) return {};
    // Only as far as the alphabet goes: what is not sealed is looked at once.
    const auto end = text.find_first_not_of(kAlphabet, begin + kSealedPrefix.size());
    if (end == text.npos) return {};
    const auto found = text.substr(begin, end - begin + 1);
    if (parse_sealed(found)) return found;
    from = end;
  }
}

std::size_t clear_bytes(std::string_view text) {
  const auto sealed = parse_sealed(text);
  return sealed ? sealed->box.size() - kSealNonceBytes - kSealTagBytes : text.size();
}

}  // namespace mlforge
