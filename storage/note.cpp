#include "storage/note.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "storage/base64.hpp"

namespace mlforge::storage {
namespace {

constexpr std::string_view kDash = "\xE2\x80\x94 ";  // U+2014 and a blank
constexpr std::string_view kStreams = "streams ";
constexpr std::size_t kMaxBytes = 1'000'000;
constexpr std::size_t kMaxSignatures = 100;

Error bad_note(std::string_view what) {
  return {ErrorCode::malformed, fmt::format("The signed note {}.", what)};
}
Error bad_checkpoint(std::string_view what) {
  return {ErrorCode::malformed, fmt::format("The checkpoint {}.", what)};
}

bool has_control_but_newline(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](unsigned char c) { return c < 0x20 && c != '\n'; });
}

// The line up to the next newline, which `text` moves behind; nothing where there is none.
std::optional<std::string_view> take_line(std::string_view& text) {
  const auto end = text.find('\n');
  if (end == text.npos) return std::nullopt;
  const auto line = text.substr(0, end);
  text.remove_prefix(end + 1);
  return line;
}

std::optional<NoteSignature> parse_signature(std::string_view line) {
  if (!line.starts_with(kDash)) return std::nullopt;
  line.remove_prefix(kDash.size());
  const auto blank = line.find(' ');
  if (blank == line.npos || !is_key_name(line.substr(0, blank))) return std::nullopt;
  const auto bytes = from_base64(line.substr(blank + 1));
  if (!bytes || bytes->size() < 5) return std::nullopt;
  NoteSignature out{.name = std::string(line.substr(0, blank))};
  for (int i = 0; i < 4; ++i) out.hash = out.hash << 8 | (*bytes)[i];
  out.signature.assign(bytes->begin() + 4, bytes->end());
  return out;
}

}  // namespace

void Note::sign(const VerifierKey& as, const SigningKey& key) {
  signatures.push_back({as.name, as.hash(), key.sign(as_bytes(text))});
}

bool Note::is_signed_by(const VerifierKey& key) const {
  return std::any_of(signatures.begin(), signatures.end(), [&](const NoteSignature& s) {
    return s.name == key.name && s.hash == key.hash() && key.verify(as_bytes(text), s.signature);
  });
}

std::string Note::encode() const {
  std::string out = text + "\n";
  for (const auto& s : signatures) {
    std::vector<std::uint8_t> bytes;
    for (int shift = 24; shift >= 0; shift -= 8)
      bytes.push_back(static_cast<std::uint8_t>(s.hash >> shift));
    bytes.insert(bytes.end(), s.signature.begin(), s.signature.end());
    out.append(kDash).append(s.name).append(" ").append(to_base64(bytes)).append("\n");
  }
  return out;
}

Expected<Note> parse_note(std::string_view text) {
  if (text.size() > kMaxBytes) return bad_note("has more than a million bytes");
  if (has_control_but_newline(text)) return bad_note("has control characters");
  const auto split = text.rfind("\n\n");
  if (split == text.npos) return bad_note("has no empty line before its signatures");
  Note note{.text = std::string(text.substr(0, split + 1))};
  for (auto rest = text.substr(split + 2); !rest.empty();) {
    const auto line = take_line(rest);
    auto signature = line ? parse_signature(*line) : std::nullopt;
    if (!signature) return bad_note("has a line after its text that is no signature");
    if (note.signatures.size() == kMaxSignatures) return bad_note("has more than 100 signatures");
    note.signatures.push_back(*std::move(signature));
  }
  if (note.signatures.empty()) return bad_note("is not signed");
  return note;
}

std::string Checkpoint::text() const {
  auto out = fmt::format("{}\n{}\n{}\n", origin, size, to_base64(root.bytes));
  if (streams) out.append(kStreams).append(to_base64(streams->bytes)).append("\n");
  return out;
}

Expected<Checkpoint> parse_checkpoint(std::string_view text) {
  const auto origin = take_line(text), size = take_line(text), root = take_line(text);
  if (!origin || !size || !root) return bad_checkpoint("has fewer than three lines");
  Checkpoint out{.origin = std::string(*origin)};
  if (origin->empty()) return bad_checkpoint("has no origin");
  const auto [end, code] = std::from_chars(size->data(), size->data() + size->size(), out.size);
  if (code != std::errc{} || end != size->data() + size->size() ||
      (size->size() > 1 && size->front() == '0'))
    return bad_checkpoint("has a size that is no number");
  const auto digest = digest_from_base64(*root);
  if (!digest) return bad_checkpoint("has a root that is not 32 bytes in base64");
  out.root = *digest;
  while (!text.empty()) {
    const auto line = take_line(text);
    if (!line || line->empty()) return bad_checkpoint("has an extension that is no line of text");
    if (!line->starts_with(kStreams)) continue;
    if (out.streams) return bad_checkpoint("names the root of its streams twice");
    out.streams = digest_from_base64(line->substr(kStreams.size()));
    if (!out.streams) return bad_checkpoint("has a root of streams that is not 32 bytes in base64");
  }
  return out;
}

}  // namespace mlforge::storage
