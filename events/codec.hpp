// JSON for every struct with fields(), in both directions, without a second list.
//
// Types: bool, integers, double, std::string, Scalar, RawJson, std::vector, std::map<std::string,
// T>, std::optional, and structs with fields(). An empty optional is not written.
#pragma once
#include <array>
#include <concepts>
#include <limits>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "events/error.hpp"
#include "events/fields.hpp"
#include "events/json.hpp"

// Not its header: half of what this one costs where it is included.
namespace simdjson::dom {
class element;
}

namespace mlforge {

// null, a number or a text: the value of a feature.
using Scalar = std::variant<std::monostate, double, std::string>;

// JSON text that is passed on as it is.
struct RawJson {
  std::string text = "null";
  bool operator==(const RawJson&) const = default;
};

enum class Unknown {
  refuse,  // requests: a field that nobody reads is a mistake, and so is one given twice
  skip,    // stored events: an older program reads what it knows
};

namespace codec {

template <class T>
struct IsVector : std::false_type {};
template <class T>
struct IsVector<std::vector<T>> : std::true_type {};
template <class T>
struct IsMap : std::false_type {};
template <class T>
struct IsMap<std::map<std::string, T>> : std::true_type {};
template <class T>
struct IsOptional : std::false_type {};
template <class T>
struct IsOptional<std::optional<T>> : std::true_type {};

// How values of one type are written and read where the type itself is not known: what stands in
// tables, so that a struct costs the compiler a row a field and not a loop of its own.
struct Ops {
  void (*write)(std::string& out, const void* value);
  Status (*read)(const simdjson::dom::element& in, void* value, Unknown unknown);
  bool (*absent)(const void* value);  // of an optional: whether it is empty; null for the others
  bool (*empty)(const void* value);   // of a string, a vector and a map; null for the others
};

struct Member {
  std::string_view name;
  std::size_t offset;  // in the struct, in bytes
  const Ops* ops;
  bool required;
};

// The members of T in the order of fields().
template <HasFields T>
std::span<const Member> members();

// Without those of `unless_empty`, a bit a member, that are empty.
void write_object(std::string& out, const void* object, std::span<const Member> members,
                  std::uint64_t unless_empty = 0);
// The bits of the members that are empty in `object`.
std::uint64_t empty_members(const void* object, std::span<const Member> members);
void write_texts(std::string& out, const std::map<std::string, std::string>& texts);
Status read_object(const simdjson::dom::element& in, void* object, std::span<const Member> members,
                   Unknown unknown);

template <class T>
void write(std::string& out, const T& value) {
  if constexpr (std::same_as<T, bool>) {
    out += value ? "true" : "false";
  } else if constexpr (std::unsigned_integral<T>) {
    append_json_uint(out, value);
  } else if constexpr (std::signed_integral<T>) {
    append_json_int(out, value);
  } else if constexpr (std::floating_point<T>) {
    append_json_double(out, value);
  } else if constexpr (std::same_as<T, std::string>) {
    append_json_string(out, value);
  } else if constexpr (std::same_as<T, RawJson>) {
    out += value.text;
  } else if constexpr (std::same_as<T, Scalar>) {
    if (const auto* number = std::get_if<double>(&value))
      append_json_double(out, *number);
    else if (const auto* text = std::get_if<std::string>(&value))
      append_json_string(out, *text);
    else
      out += "null";
  } else if constexpr (IsOptional<T>::value) {
    if (value)
      write(out, *value);
    else
      out += "null";
  } else if constexpr (IsVector<T>::value) {
    out += '[';
    bool first = true;
    for (const typename T::value_type& each : value) {
      if (!first) out += ',';
      first = false;
      write(out, each);
    }
    out += ']';
  } else if constexpr (std::same_as<T, std::map<std::string, std::string>>) {
    write_texts(out, value);
  } else if constexpr (IsMap<T>::value) {
    out += '{';
    bool first = true;
    for (const auto& [key, each] : value) {
      if (!first) out += ',';
      first = false;
      append_json_string(out, key);
      out += ':';
      write(out, each);
    }
    out += '}';
  } else {
    static_assert(HasFields<T>, "this type has no fields()");
    write_object(out, &value, members<T>());
  }
}

std::string_view kind_name(const simdjson::dom::element& e);  // "a number", "a string", ...
void prefix(Error& error, std::string_view name);             // name.field
void prefix(Error& error, std::size_t index);                 // [i].field

Status read_bool(const simdjson::dom::element& in, bool& out);
Status read_double(const simdjson::dom::element& in, double& out);
Status read_string(const simdjson::dom::element& in, std::string& out);
Status read_scalar(const simdjson::dom::element& in, Scalar& out);
Status read_raw(const simdjson::dom::element& in, RawJson& out);
bool is_null(const simdjson::dom::element& in);
// From `lowest` to `highest`; a negative one as its two's complement.
Status read_integer(const simdjson::dom::element& in, std::int64_t lowest, std::uint64_t highest,
                    std::uint64_t& out);
// `add` reads each and adds it to what `all` points to; its error is told with the place.
Status read_array(const simdjson::dom::element& in, void* all, Unknown unknown,
                  Status (*add)(const simdjson::dom::element& each, void* all, Unknown unknown));
Status read_map(const simdjson::dom::element& in, void* all, Unknown unknown,
                Status (*add)(std::string_view key, const simdjson::dom::element& each, void* all,
                              Unknown unknown));
Error given_twice();

template <class T>
Status read(const simdjson::dom::element& in, T& out, Unknown unknown);

template <class T>
Status read_element(const simdjson::dom::element& in, void* all, Unknown unknown) {
  typename T::value_type each{};
  if (auto failed = read(in, each, unknown)) return failed;
  static_cast<T*>(all)->push_back(std::move(each));
  return {};
}

template <class T>
Status read_entry(std::string_view key, const simdjson::dom::element& in, void* all,
                  Unknown unknown) {
  typename T::mapped_type each{};
  if (auto failed = read(in, each, unknown)) return failed;
  if (!static_cast<T*>(all)->emplace(std::string(key), std::move(each)).second &&
      unknown == Unknown::refuse)
    return given_twice();
  return {};
}

template <class T>
Status read(const simdjson::dom::element& in, T& out, Unknown unknown) {
  if constexpr (std::same_as<T, bool>) {
    return read_bool(in, out);
  } else if constexpr (std::integral<T>) {
    using Limits = std::numeric_limits<T>;
    std::uint64_t bits = 0;
    auto failed = read_integer(in, Limits::min(), Limits::max(), bits);
    if (!failed) out = static_cast<T>(bits);
    return failed;
  } else if constexpr (std::same_as<T, double>) {
    return read_double(in, out);
  } else if constexpr (std::same_as<T, std::string>) {
    return read_string(in, out);
  } else if constexpr (std::same_as<T, RawJson>) {
    return read_raw(in, out);
  } else if constexpr (std::same_as<T, Scalar>) {
    return read_scalar(in, out);
  } else if constexpr (IsOptional<T>::value) {
    if (is_null(in)) {
      out.reset();
      return {};
    }
    return read(in, out.emplace(), unknown);
  } else if constexpr (IsVector<T>::value) {
    out.clear();
    return read_array(in, &out, unknown, &read_element<T>);
  } else if constexpr (IsMap<T>::value) {
    out.clear();
    return read_map(in, &out, unknown, &read_entry<T>);
  } else {
    return read_object(in, &out, members<T>(), unknown);
  }
}

template <class T>
inline constexpr bool (*kEmpty)(const void*) = nullptr;
template <class T>
requires std::same_as<T, std::string> || IsVector<T>::value ||
    IsMap<T>::value inline constexpr bool (*kEmpty<T>)(const void*) =
        [](const void* value) { return static_cast<const T*>(value)->empty(); };

template <class T>
inline constexpr Ops kOps{
    [](std::string& out, const void* value) { write(out, *static_cast<const T*>(value)); },
    [](const simdjson::dom::element& in, void* value, Unknown unknown) {
      return read(in, *static_cast<T*>(value), unknown);
    },
    nullptr, kEmpty<T>};
template <class T>
inline constexpr Ops kOps<std::optional<T>>{
    [](std::string& out, const void* value) {
      write(out, *static_cast<const std::optional<T>*>(value));
    },
    [](const simdjson::dom::element& in, void* value, Unknown unknown) {
      return read(in, *static_cast<std::optional<T>*>(value), unknown);
    },
    [](const void* value) { return !*static_cast<const std::optional<T>*>(value); }, nullptr};

template <HasFields T>
std::span<const Member> members() {
  // Room for a T that is never made: only the places of its members are looked at.
  union Room {
    Room() {}
    ~Room() {}
    char bytes[sizeof(T)];
    T value;
  };
  static const auto table = T::fields().apply([]<class... F>(const F&... f) {
    static_assert(sizeof...(F) <= 64, "there are 64 bits, one a field");
    const Room room;
    const auto at = [&](const void* member) {
      return static_cast<std::size_t>(static_cast<const char*>(member) - room.bytes);
    };
    return std::array<Member, sizeof...(F)>{
        Member{f.name, at(&(room.value.*f.member)), &kOps<typename F::Type>, f.required}...};
  });
  return table;
}

// Parses `text` with a parser that each thread keeps; the element lives until the thread parses
// again.
Expected<simdjson::dom::element> parse(std::string_view text);
bool is_json(std::string_view text);

// read_json() of what `ops` tells.
Status read_text(std::string_view text, void* value, const Ops& ops, Unknown unknown);

}  // namespace codec

template <class T>
std::string to_json(const T& value) {
  std::string out;
  codec::write(out, value);
  return out;
}

// What is stored and only from_json() reads: members that are empty, as they are by default, are
// not written.
template <HasFields T>
void append_short_json(std::string& out, const T& value) {
  static const auto unless_empty = [] {
    const T by_default{};
    return codec::empty_members(&by_default, codec::members<T>());
  }();
  codec::write_object(out, &value, codec::members<T>(), unless_empty);
}

// Reads one JSON value over a default one. The error names the field ("metrics[3].value") and says
// what would be right:
//   malformed (not JSON, not UTF-8), unknown_field, invalid_argument (type, range, missing).
template <class T>
Status read_json(std::string_view text, T& value, Unknown unknown) {
  return codec::read_text(text, &value, codec::kOps<T>, unknown);
}

template <class T>
Expected<T> from_json(std::string_view text, Unknown unknown) {
  T value{};
  if (auto failed = read_json(text, value, unknown)) return *std::move(failed);
  return value;
}

}  // namespace mlforge
