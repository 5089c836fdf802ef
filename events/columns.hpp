// Typed columns: the payload of high-rate events (ContentType::columns). NaN and infinities keep
// their bits.
//
// Layout, little-endian: u16 number of fields, then per field u8 length of the name, the name, u8
// kind, and
//   1 int64: 8 bytes           4 int64 column:  u32 count, count x 8 bytes
//   2 double: 8 bytes          5 double column: u32 count, count x 8 bytes
//   3 string: u32, bytes       6 string column: u32 count, count x u32 length, all bytes
// Columns of at most 65,536 values that so are shorter (the steps of a series, the one time of a
// batch, a key that repeats) are written as
//   7 int64 column of equal differences: u32 count, 8 bytes the first, 8 bytes the difference
//   8 string column in runs of one string: u32 count, u32 runs, runs x (u32 times, u32 length), all
//     bytes of the runs
// A reader takes the fields that it knows by name and kind, and leaves the others; an absent one
// keeps its default.
#pragma once
#include <array>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "events/error.hpp"
#include "events/fields.hpp"

namespace mlforge::columns {

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the stored form is little-endian");

enum class Kind : std::uint8_t {
  int64 = 1,
  real = 2,
  text = 3,
  int64s = 4,
  reals = 5,
  texts = 6,
  even_int64s = 7,
  text_runs = 8
};

// The kind, and the value.
void put(std::string& out, std::int64_t value);
void put(std::string& out, double value);
void put(std::string& out, const std::string& value);
void put(std::string& out, const std::vector<std::int64_t>& values);
void put(std::string& out, const std::vector<double>& values);
void put(std::string& out, const std::vector<std::string>& values);

// Whether a member of type T takes values of this kind.
template <class T>
constexpr bool holds(Kind kind) {
  if constexpr (std::is_same_v<T, std::int64_t>)
    return kind == Kind::int64;
  else if constexpr (std::is_same_v<T, double>)
    return kind == Kind::real;
  else if constexpr (std::is_same_v<T, std::string>)
    return kind == Kind::text;
  else if constexpr (std::is_same_v<T, std::vector<std::int64_t>>)
    return kind == Kind::int64s || kind == Kind::even_int64s;
  else if constexpr (std::is_same_v<T, std::vector<double>>)
    return kind == Kind::reals;
  else {
    static_assert(std::is_same_v<T, std::vector<std::string>>, "no column of this type");
    return kind == Kind::texts || kind == Kind::text_runs;
  }
}

// One field as it stands in the bytes.
struct RawField {
  std::string_view name;
  Kind kind{};
  std::string_view bytes;  // what follows the kind
};

class Reader {
 public:
  explicit Reader(std::string_view bytes);
  // The next field; nothing at the end or where the bytes are damaged (ok() tells which).
  std::optional<RawField> next();
  bool ok() const { return ok_; }

 private:
  std::optional<RawField> fail();
  std::string_view rest_;
  std::size_t left_ = 0;
  bool ok_ = true;
};

void get(const RawField& f, std::int64_t& out);
void get(const RawField& f, double& out);
void get(const RawField& f, std::string& out);
void get(const RawField& f, std::vector<std::int64_t>& out);
void get(const RawField& f, std::vector<double>& out);
void get(const RawField& f, std::vector<std::string>& out);

template <HasFields T>
std::string encode(const T& value) {
  std::string out;
  const auto count = static_cast<std::uint16_t>(decltype(T::fields())::size);
  out.append(reinterpret_cast<const char*>(&count), 2);
  for_each_field<T>([&](const auto& f) {
    out += static_cast<char>(f.name.size());
    out.append(f.name);
    put(out, value.*(f.member));
  });
  return out;
}

// Whether personal fields are decoded, or keep their defaults.
enum class Personal { decoded, left_out };

// Over what `value` holds, whose memory is used again. `corrupt` where the bytes end early or name
// an unknown kind; the value is then undefined.
template <HasFields T>
Status decode_into(std::string_view bytes, T& value, Personal personal = Personal::decoded) {
  constexpr std::size_t kFields = decltype(T::fields())::size;
  std::array<bool, kFields> seen{};
  Reader reader(bytes);
  while (const auto raw = reader.next()) {
    std::size_t at = 0;
    bool found = false;
    for_each_field<T>([&](const auto& f) {
      using M = std::remove_cvref_t<decltype(value.*(f.member))>;
      const std::size_t i = at++;
      if (found || raw->name != f.name || !holds<M>(raw->kind)) return;
      found = true;
      if (f.personal && personal == Personal::left_out) return;
      get(*raw, value.*(f.member));
      seen[i] = true;
    });
  }
  if (!reader.ok()) return Error{ErrorCode::corrupt, "the columns of this payload end early", ""};
  static const T kDefault{};
  std::size_t at = 0;
  for_each_field<T>([&](const auto& f) {
    if (!seen[at++]) value.*(f.member) = kDefault.*(f.member);
  });
  return {};
}

template <HasFields T>
Expected<T> decode(std::string_view bytes) {
  T value{};
  if (auto bad = decode_into(bytes, value)) return *std::move(bad);
  return value;
}

// Any columns as a JSON object; bytes that are none become a JSON string.
void append_json(std::string& out, std::string_view bytes);

}  // namespace mlforge::columns
