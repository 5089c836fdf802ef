#include "events/json_tree.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <numeric>

#include "events/json.hpp"

namespace mlforge {
namespace {

constexpr int kMostLevels = 256;

void append_utf8(std::string& out, std::uint32_t c) {
  const auto add = [&](std::uint32_t byte) { out += static_cast<char>(byte); };
  if (c < 0x80) return add(c);
  if (c < 0x800) {
    add(0xC0 | c >> 6);
  } else if (c < 0x10000) {
    add(0xE0 | c >> 12);
    add(0x80 | (c >> 6 & 0x3F));
  } else {
    add(0xF0 | c >> 18);
    add(0x80 | (c >> 12 & 0x3F));
    add(0x80 | (c >> 6 & 0x3F));
  }
  add(0x80 | (c & 0x3F));
}

class TreeParser {
 public:
  explicit TreeParser(std::string_view text) : text_(text) {}

  Expected<JsonTree> whole() {
    JsonTree out;
    skip_blanks();
    const bool fine = value(out, 0) && (skip_blanks(), at_ == text_.size());
    if (fine) return out;
    return Error{ErrorCode::malformed,
                 "the text is not valid JSON at byte " + std::to_string(at_) +
                     (deep_ ? ": it is nested too deep" : ""),
                 ""};
  }

 private:
  bool done() const { return at_ >= text_.size(); }
  char peek() const { return done() ? '\0' : text_[at_]; }
  void skip_blanks() {
    while (!done() && (peek() == ' ' || peek() == '\t' || peek() == '\n' || peek() == '\r')) ++at_;
  }
  bool take(char c) {
    if (peek() != c || done()) return false;
    ++at_;
    return true;
  }
  bool take(std::string_view word) {
    if (!text_.substr(at_).starts_with(word)) return false;
    at_ += word.size();
    return true;
  }

  bool value(JsonTree& out, int level) {
    if (level > kMostLevels) {
      deep_ = true;
      return false;
    }
    switch (peek()) {
      case '{':
        return object(out, level);
      case '[':
        return list(out, level);
      case '"':
        out.kind = JsonTree::text;
        return string(out.value);
      case 't':
      case 'f':
        out.kind = JsonTree::boolean;
        out.flag = peek() == 't';
        return take(out.flag ? "true" : "false");
      case 'n':
        return take("null");
      default:
        return number(out);
    }
  }

  bool list(JsonTree& out, int level) {
    out.kind = JsonTree::list;
    ++at_;
    skip_blanks();
    if (take(']')) return true;
    do {
      skip_blanks();
      if (!value(out.items.emplace_back(), level + 1)) return false;
      skip_blanks();
    } while (take(','));
    return take(']');
  }

  bool object(JsonTree& out, int level) {
    out.kind = JsonTree::object;
    ++at_;
    skip_blanks();
    if (take('}')) return true;
    do {
      skip_blanks();
      if (peek() != '"' || !string(out.names.emplace_back())) return false;
      skip_blanks();
      if (!take(':')) return false;
      skip_blanks();
      if (!value(out.items.emplace_back(), level + 1)) return false;
      skip_blanks();
    } while (take(','));
    drop_earlier(out);
    return take('}');
  }

  // Of names that stand twice the last one's value stays.
  static void drop_earlier(JsonTree& out) {
    std::vector<std::size_t> order(out.names.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](auto a, auto b) { return out.names[a] < out.names[b]; });
    std::vector<bool> gone(order.size());
    bool any = false;
    for (std::size_t i = 0; i + 1 < order.size(); ++i)
      if (out.names[order[i]] == out.names[order[i + 1]]) any = gone[order[i]] = true;
    if (!any) return;
    JsonTree kept;
    for (std::size_t i = 0; i < gone.size(); ++i) {
      if (gone[i]) continue;
      kept.names.push_back(std::move(out.names[i]));
      kept.items.push_back(std::move(out.items[i]));
    }
    out.names = std::move(kept.names);
    out.items = std::move(kept.items);
  }

  bool hex(std::uint32_t& out) {
    if (text_.size() - at_ < 4) return false;
    const char* const first = text_.data() + at_;
    const auto [end, code] = std::from_chars(first, first + 4, out, 16);
    if (code != std::errc{} || end != first + 4) return false;
    at_ += 4;
    return true;
  }

  bool escape(std::string& out) {
    static constexpr std::string_view kFrom = "\"\\/bfnrt", kTo = "\"\\/\b\f\n\r\t";
    const char c = peek();
    ++at_;
    if (const auto i = kFrom.find(c); i != kFrom.npos) {
      out += kTo[i];
      return true;
    }
    std::uint32_t code = 0;
    if (c != 'u' || !hex(code)) return false;
    if (code >= 0xD800 && code < 0xDC00 && take("\\u")) {
      std::uint32_t low = 0;
      if (!hex(low)) return false;
      if (low >= 0xDC00 && low < 0xE000) {
        append_utf8(out, 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00));
        return true;
      }
      append_utf8(out, 0xFFFD);
      code = low;
    }
    append_utf8(out, code >= 0xD800 && code < 0xE000 ? 0xFFFD : code);
    return true;
  }

  bool string(std::string& out) {
    ++at_;
    while (!done()) {
      const char c = text_[at_];
      if (static_cast<unsigned char>(c) < 0x20) return false;
      ++at_;
      if (c == '"') return true;
      if (c != '\\')
        out += c;
      else if (!escape(out))
        return false;
    }
    return false;
  }

  std::size_t digits() {
    const auto from = at_;
    while (peek() >= '0' && peek() <= '9') ++at_;
    return at_ - from;
  }

  bool number(JsonTree& out) {
    out.kind = JsonTree::number;
    const auto from = at_;
    bool fine = take("NaN") || take("Infinity") || take("-Infinity");
    if (!fine) {
      take('-');
      const bool zero = peek() == '0';
      const auto whole = digits();
      fine = whole == 1 || (whole > 1 && !zero);
      if (fine && take('.')) fine = digits() > 0;
      if (fine && (take('e') || take('E'))) {
        if (!take('+')) take('-');
        fine = digits() > 0;
      }
    }
    out.value = text_.substr(from, at_ - from);
    return fine;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  bool deep_ = false;
};

std::string canonical_number(const JsonTree& tree) {
  if (tree.is_integer()) return tree.value == "-0" ? "0" : tree.value;
  double real = 0;
  const auto& text = tree.value;
  const auto code = std::from_chars(text.data(), text.data() + text.size(), real).ec;
  if (code != std::errc{}) return text;  // NaN and its like, and what is too large
  std::string out = "f";                 // 1.0 is not 1
  append_json_double(out, real);
  return out;
}

void append_canonical(std::string& out, const JsonTree& tree) {
  if (tree.kind == JsonTree::number) {
    out += canonical_number(tree);
  } else if (tree.kind == JsonTree::list) {
    out += '[';
    for (const auto& each : tree.items) {
      append_canonical(out, each);
      out += ',';
    }
    out += ']';
  } else if (tree.kind == JsonTree::object) {
    std::vector<std::size_t> order(tree.names.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::sort(order.begin(), order.end(),
              [&](auto a, auto b) { return tree.names[a] < tree.names[b]; });
    out += '{';
    for (const auto i : order) {
      append_json_string(out, tree.names[i]);
      out += ':';
      append_canonical(out, tree.items[i]);
      out += ',';
    }
    out += '}';
  } else {
    append_tree(out, tree);
  }
}

void append_utf16(std::string& out, std::uint32_t unit) {
  constexpr std::string_view kHex = "0123456789abcdef";
  out += "\\u";
  for (int shift = 12; shift >= 0; shift -= 4) out += kHex[unit >> shift & 15];
}

// The character that `text`, of valid UTF-8, begins with, as \uXXXX; how many bytes it has.
std::size_t append_escaped(std::string& out, std::string_view text) {
  const auto byte = [&](std::size_t i) {
    return i < text.size() ? static_cast<std::uint32_t>(static_cast<unsigned char>(text[i])) : 0u;
  };
  const std::size_t bytes = byte(0) >= 0xF0 ? 4 : byte(0) >= 0xE0 ? 3 : 2;
  std::uint32_t code = byte(0) & (0xFFu >> (bytes + 1));
  for (std::size_t i = 1; i < bytes; ++i) code = code << 6 | (byte(i) & 0x3F);
  if (code < 0x10000) {
    append_utf16(out, code);
  } else {
    append_utf16(out, 0xD800 + ((code - 0x10000) >> 10));
    append_utf16(out, 0xDC00 + ((code - 0x10000) & 0x3FF));
  }
  return bytes;
}

}  // namespace

const JsonTree* JsonTree::find(std::string_view name) const {
  for (std::size_t i = 0; i < names.size(); ++i)
    if (names[i] == name) return &items[i];
  return nullptr;
}

void JsonTree::set(std::string_view name, JsonTree member) {
  kind = object;
  for (std::size_t i = 0; i < names.size(); ++i)
    if (names[i] == name) {
      items[i] = std::move(member);
      return;
    }
  names.emplace_back(name);
  items.push_back(std::move(member));
}

bool JsonTree::is_integer() const {
  return kind == number && value.find_first_not_of("-0123456789") == value.npos;
}

bool JsonTree::is_falsy() const {
  switch (kind) {
    case null:
      return true;
    case boolean:
      return !flag;
    case number:
      return value.find_first_of("123456789NI") == value.npos;
    case text:
      return value.empty();
    default:
      return items.empty();
  }
}

JsonTree JsonTree::of_text(std::string_view value) {
  JsonTree out;
  out.kind = text;
  out.value = value;
  return out;
}

Expected<JsonTree> parse_tree(std::string_view text) { return TreeParser(text).whole(); }

void append_tree(std::string& out, const JsonTree& tree) {
  switch (tree.kind) {
    case JsonTree::null:
      out += "null";
      break;
    case JsonTree::boolean:
      out += tree.flag ? "true" : "false";
      break;
    case JsonTree::number:
      out += tree.value;
      break;
    case JsonTree::text:
      append_json_string(out, tree.value);
      break;
    default: {
      const bool named = tree.kind == JsonTree::object;
      out += named ? '{' : '[';
      for (std::size_t i = 0; i < tree.items.size(); ++i) {
        if (i > 0) out += ", ";
        if (named) {
          append_json_string(out, tree.names[i]);
          out += ": ";
        }
        append_tree(out, tree.items[i]);
      }
      out += named ? '}' : ']';
    }
  }
}

std::string to_text(const JsonTree& tree) {
  std::string out;
  append_tree(out, tree);
  return out;
}

std::string ascii_text(const JsonTree& tree) {
  const std::string text = to_text(tree);
  std::string out;
  for (std::size_t at = 0; at < text.size();)
    if (static_cast<unsigned char>(text[at]) < 0x80)
      out += text[at++];
    else
      at += append_escaped(out, std::string_view(text).substr(at));
  return out;
}

std::string canonical_text(const JsonTree& tree) {
  std::string out;
  append_canonical(out, tree);
  return out;
}

}  // namespace mlforge
