#include "events/codec.hpp"

#include <simdjson.h>
#include <algorithm>
#include <charconv>
#include <cstring>
#include <utility>

namespace mlforge::codec {

using simdjson::dom::element;
using simdjson::dom::element_type;

std::string_view kind_name(const element& e) {
  switch (e.type()) {
    case element_type::ARRAY:
      return "an array";
    case element_type::OBJECT:
      return "an object";
    case element_type::INT64:
    case element_type::UINT64:
      return "an integer";
    case element_type::DOUBLE:
      return "a number";
    case element_type::STRING:
      return "a string";
    case element_type::BOOL:
      return "true or false";
    case element_type::NULL_VALUE:
      return "null";
  }
  return "something else";
}

namespace {

Error wrong_type(std::string_view wanted, const element& got) {
  if (wanted == "an integer" && got.type() == element_type::UINT64)
    return {ErrorCode::invalid_argument, "is out of range", ""};
  std::string message = "must be ";
  message.append(wanted).append(", got ").append(kind_name(got));
  return {ErrorCode::invalid_argument, std::move(message), ""};
}

}  // namespace

void prefix(Error& error, std::string_view name) {
  std::string path(name);
  if (!error.field.empty() && error.field[0] != '[') path += '.';
  error.field = path + error.field;
}

void prefix(Error& error, std::size_t index) {
  std::string path = "[" + std::to_string(index) + "]";
  if (!error.field.empty() && error.field[0] != '[') path += '.';
  error.field = path + error.field;
}

Error given_twice() { return {ErrorCode::invalid_argument, "is given twice", ""}; }

Status read_bool(const element& in, bool& out) {
  return in.get(out) == simdjson::SUCCESS ? Status{} : wrong_type("true or false", in);
}

Status read_integer(const element& in, std::int64_t lowest, std::uint64_t highest,
                    std::uint64_t& out) {
  if (std::int64_t value; in.get(value) == simdjson::SUCCESS) {
    if (value < lowest || (value > 0 && static_cast<std::uint64_t>(value) > highest))
      return Error{ErrorCode::invalid_argument, "is out of range", ""};
    out = static_cast<std::uint64_t>(value);
    return {};
  }
  if (std::uint64_t value; in.get(value) == simdjson::SUCCESS && value <= highest) {
    out = value;
    return {};
  }
  return wrong_type("an integer", in);
}

Status read_string(const element& in, std::string& out) {
  std::string_view text;
  if (in.get(text) != simdjson::SUCCESS) return wrong_type("a string", in);
  out.assign(text);
  return {};
}

bool is_null(const element& in) { return in.is_null(); }

Status read_array(const element& in, void* all, Unknown unknown,
                  Status (*add)(const element& each, void* all, Unknown unknown)) {
  simdjson::dom::array array;
  if (in.get(array) != simdjson::SUCCESS) return wrong_type("an array", in);
  std::size_t at = 0;
  for (const element each : array) {
    if (auto failed = add(each, all, unknown)) {
      prefix(*failed, at);
      return failed;
    }
    ++at;
  }
  return {};
}

Status read_map(const element& in, void* all, Unknown unknown,
                Status (*add)(std::string_view key, const element& each, void* all,
                              Unknown unknown)) {
  simdjson::dom::object object;
  if (in.get(object) != simdjson::SUCCESS) return wrong_type("an object", in);
  for (const auto& [key, each] : object)
    if (auto failed = add(key, each, all, unknown)) {
      prefix(*failed, key);
      return failed;
    }
  return {};
}

Status read_double(const element& in, double& out) {
  if (in.get(out) == simdjson::SUCCESS) return {};
  std::string_view text;
  if (in.get(text) == simdjson::SUCCESS) {
    if (text == "NaN")
      out = std::numeric_limits<double>::quiet_NaN();
    else if (text == "Infinity")
      out = std::numeric_limits<double>::infinity();
    else if (text == "-Infinity")
      out = -std::numeric_limits<double>::infinity();
    else
      return Error{
          ErrorCode::invalid_argument,
          "must be a number (or one of the strings NaN, Infinity, -Infinity), got a string", ""};
    return {};
  }
  return wrong_type("a number", in);
}

Status read_scalar(const element& in, Scalar& out) {
  double number = 0;
  std::string_view text;
  bool flag = false;
  if (in.is_null())
    out = std::monostate{};
  else if (in.get(number) == simdjson::SUCCESS)
    out = number;
  else if (in.get(text) == simdjson::SUCCESS)
    out = std::string(text);
  else if (in.get(flag) == simdjson::SUCCESS)
    out = flag ? 1.0 : 0.0;
  else
    return wrong_type("a number, a string or null", in);
  return {};
}

Status read_raw(const element& in, RawJson& out) {
  out.text = simdjson::minify(in);
  return {};
}

namespace {

// Gathers short pieces of JSON, so that the string grows once for many.
class Pieces {
 public:
  explicit Pieces(std::string& out) : out_(out) {}
  void put(char c) {
    make_room(1);
    bytes_[used_++] = c;
  }
  // A character, and a JSON string behind it.
  void put(char before, std::string_view text) {
    if (is_plain_json(text)) return put_plain(before, text);
    put(before);
    append_json_string(flush(), text);
  }
  // The same of a text that needs no escapes.
  void put_plain(char before, std::string_view text) {
    if (text.size() > kMost) {
      put(before);
      return append_json_string(flush(), text);
    }
    make_room(text.size() + 3);
    char* at = bytes_ + used_;
    *at++ = before;
    *at++ = '"';
    std::memcpy(at, text.data(), text.size());
    at[text.size()] = '"';
    used_ += text.size() + 3;
  }
  void put(char before, std::uint64_t number) {
    make_room(1 + std::numeric_limits<std::uint64_t>::digits10 + 1);
    bytes_[used_++] = before;
    const auto end = std::to_chars(bytes_ + used_, std::end(bytes_), number).ptr;
    used_ = static_cast<std::size_t>(end - bytes_);
  }
  std::string& flush() {
    out_.append(bytes_, std::exchange(used_, 0));
    return out_;
  }

 private:
  static constexpr std::size_t kMost = 256;
  void make_room(std::size_t n) {
    if (n > sizeof bytes_ - used_) flush();
  }

  std::string& out_;
  std::size_t used_ = 0;
  char bytes_[2 * kMost];
};

}  // namespace

void write_object(std::string& out, const void* object, std::span<const Member> members,
                  std::uint64_t unless_empty) {
  Pieces pieces(out);
  char before = '{';
  for (const Member& m : members) {
    const void* value = static_cast<const char*>(object) + m.offset;
    const bool may_miss = std::exchange(unless_empty, unless_empty >> 1) & 1;
    if (may_miss && m.ops->empty(value)) continue;
    if (m.ops->absent && m.ops->absent(value)) continue;
    pieces.put_plain(std::exchange(before, ','), m.name);
    if (m.ops == &kOps<std::string>) {
      pieces.put(':', *static_cast<const std::string*>(value));
    } else if (m.ops == &kOps<std::uint64_t>) {
      pieces.put(':', *static_cast<const std::uint64_t*>(value));
    } else {
      pieces.put(':');
      m.ops->write(pieces.flush(), value);
    }
  }
  if (before == '{') pieces.put(before);
  pieces.put('}');
  pieces.flush();
}

std::uint64_t empty_members(const void* object, std::span<const Member> members) {
  std::uint64_t bits = 0;
  for (std::size_t i = 0; i < members.size(); ++i)
    if (members[i].ops->empty &&
        members[i].ops->empty(static_cast<const char*>(object) + members[i].offset))
      bits |= std::uint64_t{1} << i;
  return bits;
}

void write_texts(std::string& out, const std::map<std::string, std::string>& texts) {
  Pieces pieces(out);
  char before = '{';
  for (const auto& [key, value] : texts) {
    pieces.put(std::exchange(before, ','), key);
    pieces.put(':', value);
  }
  if (before == '{') pieces.put(before);
  pieces.put('}');
  pieces.flush();
}

Status read_object(const element& in, void* object, std::span<const Member> members,
                   Unknown unknown) {
  simdjson::dom::object fields;
  if (in.get(fields) != simdjson::SUCCESS) return wrong_type("an object", in);
  const bool strict = unknown == Unknown::refuse;
  std::uint64_t seen = 0;
  auto expected = members.begin();  // they mostly come in the order in which we write them
  for (const auto& [key, value] : fields) {
    const auto is_it = [&key = key](const Member& each) { return each.name == key; };
    auto m = std::find_if(expected, members.end(), is_it);
    if (m == members.end()) {
      m = std::find_if(members.begin(), expected, is_it);
      if (m == expected) m = members.end();
    }
    Status failed;
    if (m != members.end()) {
      const std::uint64_t bit = std::uint64_t{1} << (m - members.begin());
      if ((seen & bit) && strict)
        failed = given_twice();
      else
        failed = m->ops->read(value, static_cast<char*>(object) + m->offset, unknown);
      seen |= bit;
      expected = m + 1;
    } else if (strict) {
      failed = Error{ErrorCode::unknown_field, "is not a field of this request", ""};
    }
    if (failed) {
      prefix(*failed, key);
      return failed;
    }
  }
  if (!strict) return {};
  for (std::size_t i = 0; i < members.size(); ++i)
    if (members[i].required && !(seen >> i & 1))
      return Error{ErrorCode::invalid_argument, "is missing", std::string(members[i].name)};
  return {};
}

Status read_text(std::string_view text, void* value, const Ops& ops, Unknown unknown) {
  const auto element = parse(text);
  if (!element) return element.error();
  auto failed = ops.read(*element, value, unknown);
  if (failed && !failed->field.empty())
    failed->message = "field '" + failed->field + "' " + failed->message;
  else if (failed)
    failed->message = "the body " + failed->message;
  return failed;
}

bool is_json(std::string_view text) { return parse(text).has_value(); }

Expected<element> parse(std::string_view text) {
  // A parser keeps the capacity of the largest body it has read: a rare big one must not stay for
  // ever.
  constexpr std::size_t kKeep = 1 << 20;
  thread_local std::optional<simdjson::dom::parser> parser;
  if (!parser || (parser->capacity() > kKeep && text.size() < kKeep)) parser.emplace();
  element root;
  const auto code = parser->parse(text.data(), text.size()).get(root);
  if (code == simdjson::SUCCESS) return root;
  std::string message = "the text is not valid JSON: ";
  message += code == simdjson::EMPTY ? "it is empty" : simdjson::error_message(code);
  if (text.find("NaN") != text.npos || text.find("Infinity") != text.npos)
    message += " (JSON has no NaN or Infinity; where they are allowed, send them as strings)";
  return Error{ErrorCode::malformed, std::move(message), ""};
}

}  // namespace mlforge::codec
