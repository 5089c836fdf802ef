#include "projections/run_text.hpp"

#include "projections/runs.hpp"

namespace mlforge::projections {
namespace {

struct Part {
  std::span<const codec::Member> members;
  std::uint64_t unless_empty = 0;
};
using Parts = std::array<Part, RunText::rest + 1>;

Parts make_parts() {
  constexpr std::array<std::string_view, RunText::rest> kFirst{"params", "tags", "artifacts",
                                                               "inputs"};
  const auto all = codec::members<StoredRun>();
  const StoredRun by_default{};
  Parts parts;
  std::size_t start = 0;
  for (std::size_t piece = 0; piece < parts.size(); ++piece) {
    std::size_t end = start + 1;
    while (end < all.size() && (piece == kFirst.size() || all[end].name != kFirst[piece])) ++end;
    parts[piece].members = all.subspan(start, end - start);
    parts[piece].unless_empty = codec::empty_members(&by_default, parts[piece].members);
    start = end;
  }
  return parts;
}

// With the comma or the brace before them; nothing where all are empty.
void append_piece(std::string& out, const StoredRun& run, std::size_t piece) {
  static const Parts parts = make_parts();
  const std::size_t start = out.size();
  codec::write_object(out, &run, parts[piece].members, parts[piece].unless_empty);
  out.pop_back();
  if (out.size() == start + 1)
    out.pop_back();
  else if (start > 0)
    out[start] = ',';
}

// Whether the text that begins so can only be met where a key begins, if what is before it is
// looked at: the quote behind a string is followed by one of these.
bool is_clear(std::string_view key) {
  return key.empty() || (key[0] != ',' && key[0] != ':' && key[0] != '}');
}

// Where the quote before a key stands in an object of texts; npos where that is not clear.
std::size_t find_key(std::string_view object, const std::string& key) {
  if (!is_clear(key)) return std::string_view::npos;
  std::string text;
  append_json_string(text, key);
  text += ":\"";
  for (std::size_t at = object.find(text, 1); at != object.npos; at = object.find(text, at + 1))
    if (object[at - 1] == ',' || object[at - 1] == '{') return at;
  return std::string_view::npos;
}

}  // namespace

void RunText::write(std::string& out, const StoredRun& run) {
  for (std::size_t piece = 0; piece < ends_.size(); ++piece) {
    append_piece(out, run, piece);
    ends_[piece] = out.size();
  }
  if (out.empty()) out += '{';
  out += '}';
}

bool RunText::knows(std::string_view former) const {
  return ends_[head] > 0 && ends_[rest] + 1 == former.size();
}

void RunText::rewrite(std::string& out, std::string_view former, const StoredRun& run,
                      Piece piece) {
  if (!knows(former)) return write(out, run);
  const std::size_t end = ends_[piece];
  out.append(former.substr(0, piece == head ? 0 : ends_[piece - 1]));
  append_piece(out, run, piece);
  if (out.empty()) return write(out, run);
  for (std::size_t i = piece; i < ends_.size(); ++i) ends_[i] += out.size() - end;
  out.append(former.substr(end));
}

bool RunText::find_edit(std::string_view piece, const Texts& texts, const std::string& key,
                        bool is_new, Edit& edit) {
  const auto at = texts.find(key), next = std::next(at);
  const std::size_t last = piece.size() - 1;  // the brace behind all
  edit.to = next == texts.end() ? last : find_key(piece, next->first);
  edit.from = is_new ? edit.to : find_key(piece, key);
  if (edit.from == piece.npos || edit.to == piece.npos) return false;
  if (is_new && next == texts.end()) edit.text = ",";
  append_json_string(edit.text, key);
  edit.text += ':';
  append_json_string(edit.text, at->second);
  if (next != texts.end()) edit.text += ',';
  return edit.from <= edit.to;
}

void RunText::set_text(std::string& out, std::string_view former, const StoredRun& run, Piece piece,
                       const std::string& key, bool is_new) {
  const Texts& texts = piece == params ? run.params : run.tags;
  Edit edit;
  if (!knows(former)) return write(out, run);
  const std::size_t start = ends_[piece - 1];
  const auto before = former.substr(start, ends_[piece] - start);
  if (texts.size() < 2 || !find_edit(before, texts, key, is_new, edit))
    return rewrite(out, former, run, piece);
  out.append(former.substr(0, start + edit.from));
  out.append(edit.text);
  out.append(former.substr(start + edit.to));
  for (std::size_t i = piece; i < ends_.size(); ++i)
    ends_[i] += edit.text.size() - (edit.to - edit.from);
}

}  // namespace mlforge::projections
