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
#include <algorithm>
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

// How one field of T is read.
template <class T>
struct FieldReader {
  std::string_view name;
  bool (*holds)(Kind);
  void (*read)(const RawField&, T&);
  void (*reset)(T&);  // to its default
  bool personal;
};

template <class T, std::size_t I>
constexpr FieldReader<T> field_reader() {
  constexpr auto kField = slot<I>(T::fields());
  using M = typename decltype(kField)::Type;
  return {kField.name, &holds<M>,
          [](const RawField& raw, T& value) {
            constexpr auto kMember = slot<I>(T::fields()).member;
            get(raw, value.*kMember);
          },
          [](T& value) {
            constexpr auto kMember = slot<I>(T::fields()).member;
            static const T kDefault{};
            value.*kMember = kDefault.*kMember;
          },
          kField.personal};
}

template <class T>
inline constexpr auto kFieldReaders = []<std::size_t... I>(std::index_sequence<I...>) {
  return std::array{field_reader<T, I>()...};
}
(std::make_index_sequence<decltype(T::fields())::size>());

// Over what `value` holds, whose memory is used again. `corrupt` where the bytes end early or name
// an unknown kind; the value is then undefined.
template <HasFields T>
Status decode_into(std::string_view bytes, T& value, Personal personal = Personal::decoded) {
  const auto& fields = kFieldReaders<T>;
  std::array<bool, fields.size()> seen{};
  Reader reader(bytes);
  std::size_t next = 0;  // fields mostly come in the order of ours
  while (const auto raw = reader.next()) {
    const auto is_it = [&](const auto& f) { return f.name == raw->name && f.holds(raw->kind); };
    std::size_t i = next;
    if (i == fields.size() || !is_it(fields[i]))
      i = static_cast<std::size_t>(std::find_if(fields.begin(), fields.end(), is_it) -
                                   fields.begin());
    if (i == fields.size()) continue;
    next = i + 1;
    if (fields[i].personal && personal == Personal::left_out) continue;
    fields[i].read(*raw, value);
    seen[i] = true;
  }
  if (!reader.ok()) return Error{ErrorCode::corrupt, "the columns of this payload end early", ""};
  for (std::size_t i = 0; i < fields.size(); ++i)
    if (!seen[i]) fields[i].reset(value);
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
