#include "ml/ubjson.hpp"

#include <bit>

namespace mlforge::ml {
namespace {

class Parser {
 public:
  explicit Parser(std::string_view bytes) : rest_(bytes) {}

  bool value(UbjValue& out, int depth) {
    char type = 0;
    return depth <= 32 && take(type) && payload(type, out, depth);
  }
  bool finished() const { return rest_.empty(); }

 private:
  using Kind = UbjValue::Kind;

  bool take(char& c) {
    if (rest_.empty()) return false;
    c = rest_.front();
    rest_.remove_prefix(1);
    return true;
  }

  static int size_of(char type) {
    switch (type) {
      case 'i':
      case 'U':
        return 1;
      case 'I':
        return 2;
      case 'l':
      case 'd':
        return 4;
      case 'L':
      case 'D':
        return 8;
      default:
        return 0;
    }
  }

  // Big-endian bits; the caller has checked that they are there.
  std::uint64_t bits(int size) {
    std::uint64_t v = 0;
    for (int i = 0; i < size; ++i)
      v = v << 8 | static_cast<unsigned char>(rest_[static_cast<std::size_t>(i)]);
    rest_.remove_prefix(static_cast<std::size_t>(size));
    return v;
  }

  static std::int64_t as_integer(char type, std::uint64_t v) {
    switch (type) {
      case 'i':
        return static_cast<std::int8_t>(v);
      case 'I':
        return static_cast<std::int16_t>(v);
      case 'l':
        return static_cast<std::int32_t>(v);
      default:
        return static_cast<std::int64_t>(v);
    }
  }

  static double as_real(char type, std::uint64_t v) {
    return type == 'd' ? static_cast<double>(std::bit_cast<float>(static_cast<std::uint32_t>(v)))
                       : std::bit_cast<double>(v);
  }

  bool length(std::size_t& out) {
    char type = 0;
    if (!take(type) || type == 'd' || type == 'D') return false;
    const int size = size_of(type);
    if (size == 0 || rest_.size() < static_cast<std::size_t>(size)) return false;
    const auto v = as_integer(type, bits(size));
    if (v < 0 || static_cast<std::uint64_t>(v) > rest_.size()) return false;
    out = static_cast<std::size_t>(v);
    return true;
  }

  bool text(std::string_view& out) {
    std::size_t n = 0;
    if (!length(n)) return false;
    out = rest_.substr(0, n);
    rest_.remove_prefix(n);
    return true;
  }

  bool payload(char type, UbjValue& out, int depth) {
    switch (type) {
      case 'Z':
      case 'N':
        return true;
      case 'T':
      case 'F':
        out.kind = Kind::boolean;
        out.integer = type == 'T' ? 1 : 0;
        return true;
      case 'S':
        out.kind = Kind::text;
        return text(out.text);
      case '{':
        return object(out, depth);
      case '[':
        return array(out, depth);
      default:
        break;
    }
    const int size = size_of(type);
    if (size == 0 || rest_.size() < static_cast<std::size_t>(size)) return false;
    const bool real = type == 'd' || type == 'D';
    out.kind = real ? Kind::real : Kind::integer;
    if (real)
      out.real = as_real(type, bits(size));
    else
      out.integer = as_integer(type, bits(size));
    return true;
  }

  bool object(UbjValue& out, int depth) {
    out.kind = Kind::object;
    while (!rest_.empty() && rest_.front() != '}') {
      auto& [key, member] = out.members.emplace_back();
      if (!text(key) || !value(member, depth + 1)) return false;
    }
    char close = 0;
    return take(close);
  }

  bool typed_array(UbjValue& out) {
    char type = 0, mark = 0;
    std::size_t n = 0;
    if (!take(type) || !take(mark) || mark != '#' || !length(n)) return false;
    const int size = size_of(type);
    if (size == 0 || rest_.size() / static_cast<std::size_t>(size) < n) return false;
    const bool real = type == 'd' || type == 'D';
    out.kind = real ? Kind::reals : Kind::integers;
    for (std::size_t i = 0; i < n; ++i) {
      if (real)
        out.reals.push_back(static_cast<float>(as_real(type, bits(size))));
      else
        out.integers.push_back(as_integer(type, bits(size)));
    }
    return true;
  }

  bool array(UbjValue& out, int depth) {
    if (rest_.starts_with('$')) {
      rest_.remove_prefix(1);
      return typed_array(out);
    }
    out.kind = Kind::array;
    if (rest_.starts_with('#')) {
      rest_.remove_prefix(1);
      std::size_t n = 0;
      if (!length(n)) return false;
      for (; n > 0; --n)
        if (!value(out.items.emplace_back(), depth + 1)) return false;
      return true;
    }
    while (!rest_.empty() && rest_.front() != ']')
      if (!value(out.items.emplace_back(), depth + 1)) return false;
    char close = 0;
    return take(close);
  }

  std::string_view rest_;
};

}  // namespace

const UbjValue* UbjValue::find(std::string_view key) const {
  for (const auto& [name, member] : members)
    if (name == key) return &member;
  return nullptr;
}

Expected<UbjValue> parse_ubjson(std::string_view bytes) {
  UbjValue out;
  Parser parser(bytes);
  if (!parser.value(out, 0) || !parser.finished())
    return Error{ErrorCode::corrupt, "The bytes are not one whole value of Universal Binary JSON.",
                 "model"};
  return out;
}

}  // namespace mlforge::ml
