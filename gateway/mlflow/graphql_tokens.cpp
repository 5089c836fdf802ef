#include "gateway/mlflow/graphql_tokens.hpp"

#include <algorithm>
#include <charconv>
#include <vector>

namespace mlforge::gateway::mlflow::graphql {
namespace tokens {
namespace {

constexpr std::string_view kQuotes = "\"\"\"";

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

void append_utf8(std::string& out, std::uint32_t code) {
  const auto put = [&out](std::uint32_t byte) { out += static_cast<char>(byte); };
  if (code < 0x80) return put(code);
  if (code < 0x800) {
    put(0xC0 | code >> 6);
  } else {
    if (code < 0x10000) {
      put(0xE0 | code >> 12);
    } else {
      put(0xF0 | code >> 18);
      put(0x80 | (code >> 12 & 0x3F));
    }
    put(0x80 | (code >> 6 & 0x3F));
  }
  put(0x80 | (code & 0x3F));
}

// A block's lines without the blanks that all have, and without empty lines around them.
std::string unindented(std::string_view raw) {
  std::vector<std::string> lines(1);
  for (std::size_t i = 0; i < raw.size(); ++i) {
    if (raw[i] == '\r' && i + 1 < raw.size() && raw[i + 1] == '\n') continue;
    if (raw[i] == '\n' || raw[i] == '\r')
      lines.emplace_back();
    else
      lines.back() += raw[i];
  }
  const auto indent = [](const std::string& line) { return line.find_first_not_of(" \t"); };
  std::size_t common = std::string::npos;
  for (std::size_t i = 1; i < lines.size(); ++i) common = std::min(common, indent(lines[i]));
  for (std::size_t i = 1; i < lines.size() && common != std::string::npos; ++i)
    lines[i].erase(0, std::min(common, lines[i].size()));
  const auto empty = [&](const std::string& line) { return indent(line) == std::string::npos; };
  while (!lines.empty() && empty(lines.back())) lines.pop_back();
  lines.erase(lines.begin(), std::find_if_not(lines.begin(), lines.end(), empty));
  std::string out;
  for (const auto& line : lines) (out += out.empty() && &line == &lines[0] ? "" : "\n") += line;
  return out;
}

}  // namespace
}  // namespace tokens

Error Tokens::error(std::string_view what, std::size_t at) const {
  const auto before = text_.substr(0, std::min(at, text_.size()));
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const auto column = before.size() - (before.rfind('\n') + 1) + 1;
  return {ErrorCode::malformed,
          "Syntax Error: " + std::string(what) + " (line " + std::to_string(line) + ", column " +
              std::to_string(column) + ")",
          "query"};
}

void Tokens::skip() {
  if (at_ == 0 && here("\xEF\xBB\xBF")) at_ = 3;
  while (at_ < text_.size()) {
    const char c = text_[at_];
    if (c == '#')
      at_ = std::min(text_.find_first_of("\r\n", at_), text_.size());
    else if (c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == ',')
      ++at_;
    else
      return;
  }
}

Expected<Token> Tokens::next() {
  skip();
  if (at_ == text_.size()) return Token{Token::Kind::end, "<EOF>", at_};
  const char c = text_[at_];
  if (tokens::is_letter(c)) return name();
  if (tokens::is_digit(c) || c == '-') return number();
  if (here(tokens::kQuotes)) return block();
  if (c == '"') return quoted();
  Token token{Token::Kind::punctuator, std::string(1, c), at_};
  if (here("..."))
    token.text = "...";
  else if (std::string_view("!$&():=@[]{|}").find(c) == std::string_view::npos)
    return error("Unexpected character '" + token.text + "'.", at_);
  at_ += token.text.size();
  return token;
}

Token Tokens::name() {
  Token token{Token::Kind::name, {}, at_};
  while (at_ < text_.size() && (tokens::is_letter(text_[at_]) || tokens::is_digit(text_[at_])))
    token.text += text_[at_++];
  return token;
}

Expected<Token> Tokens::number() {
  Token token{Token::Kind::integer, {}, at_};
  const auto take = [&] { token.text += text_[at_++]; };
  const auto digits = [&] {
    const auto start = at_;
    while (at_ < text_.size() && tokens::is_digit(text_[at_])) take();
    return at_ > start;
  };
  const auto one_of = [&](std::string_view set) {
    return at_ < text_.size() && set.find(text_[at_]) != std::string_view::npos;
  };
  if (one_of("-")) take();
  const bool zero = one_of("0");
  const auto start = at_;
  bool right = digits() && !(zero && at_ > start + 1);
  if (right && one_of(".")) {
    token.kind = Token::Kind::floating;
    take();
    right = digits();
  }
  if (right && one_of("eE")) {
    token.kind = Token::Kind::floating;
    take();
    if (one_of("+-")) take();
    right = digits();
  }
  if (!right || one_of(".") || (at_ < text_.size() && tokens::is_letter(text_[at_])))
    return error("Invalid number.", token.at);
  return token;
}

Status Tokens::escape(std::string& out) {
  static constexpr std::string_view kNames = "\"\\/bfnrt", kMeant = "\"\\/\b\f\n\r\t";
  const auto start = at_ - 1;
  const char c = at_ < text_.size() ? text_[at_++] : '\0';
  if (const auto found = kNames.find(c); c != '\0' && found != std::string_view::npos) {
    out += kMeant[found];
    return {};
  }
  const auto unit = [&]() -> std::optional<std::uint32_t> {
    std::uint32_t code = 0;
    const auto digits = text_.substr(std::min(at_, text_.size()), 4);
    const auto [end, bad] = std::from_chars(digits.data(), digits.data() + digits.size(), code, 16);
    if (digits.size() < 4 || bad != std::errc{} || end != digits.data() + 4) return std::nullopt;
    at_ += 4;
    return code;
  };
  auto code = c == 'u' ? unit() : std::nullopt;
  if (code && *code >= 0xD800 && *code < 0xDC00 && here("\\u")) {
    at_ += 2;
    const auto low = unit();
    code = low && *low >= 0xDC00 && *low < 0xE000
               ? std::optional(0x10000 + ((*code - 0xD800) << 10) + (*low - 0xDC00))
               : std::nullopt;
  }
  if (!code || (*code >= 0xD800 && *code < 0xE000))
    return error("Invalid escape sequence in a string.", start);
  tokens::append_utf8(out, *code);
  return {};
}

Expected<Token> Tokens::quoted() {
  Token token{Token::Kind::text, {}, at_++};
  while (at_ < text_.size() && text_[at_] != '\n' && text_[at_] != '\r') {
    const char c = text_[at_++];
    if (c == '"') return token;
    if (c != '\\') {
      token.text += c;
    } else if (auto bad = escape(token.text)) {
      return *bad;
    }
  }
  return error("Unterminated string.", token.at);
}

Expected<Token> Tokens::block() {
  Token token{Token::Kind::text, {}, at_};
  at_ += 3;
  std::string raw;
  while (at_ < text_.size()) {
    if (here(tokens::kQuotes)) {
      at_ += 3;
      token.text = tokens::unindented(raw);
      return token;
    }
    if (here("\\\"\"\""))
      ++at_, raw += tokens::kQuotes, at_ += 3;
    else
      raw += text_[at_++];
  }
  return error("Unterminated string.", token.at);
}

}  // namespace mlforge::gateway::mlflow::graphql
