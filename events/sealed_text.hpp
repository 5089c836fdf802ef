// A text that is encrypted under the key of a subject, and stands where the text stood: in an
// event, a state, a row of a view, a backup. docs/erasure.md has its form. No cryptography here.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace mlforge {

inline constexpr std::string_view kSealedPrefix = "mlforge-sealed:1:";
inline constexpr char kSealedEnd = '~';
inline constexpr std::size_t kSealNonceBytes = 12, kSealTagBytes = 16;

using SealId = std::array<std::uint8_t, 16>;

struct SealedText {
  SealId key_id{};   // whose key
  SealId context{};  // where it belongs: of tenant, stream and field
  std::string box;   // nonce, ciphertext, tag; never shorter than nonce and tag
  bool operator==(const SealedText&) const = default;
};

// "mlforge-sealed:1:<base64 of key id, context and box>~"
std::string to_text(const SealedText& sealed);
// Nothing for any text that to_text() would not give.
std::optional<SealedText> parse_sealed(std::string_view text);

// The first sealed text inside of `text` at `from` or later, as a view into it; empty: none.
std::string_view find_sealed(std::string_view text, std::size_t from = 0);

// How long the text is that a person sees: of a sealed one what is inside.
std::size_t clear_bytes(std::string_view text);

}  // namespace mlforge
