#include "events/columns.hpp"

#include "events/codec.hpp"

namespace mlforge::columns {
namespace {

template <class T>
T load(std::string_view bytes, std::size_t at = 0) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

template <class T>
void put_bits(std::string& out, const T& value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void put_kind(std::string& out, Kind kind) { out += static_cast<char>(kind); }

void put_u32(std::string& out, std::size_t value) {
  put_bits(out, static_cast<std::uint32_t>(value));
}

// So many values may stand for less than their bytes: a damaged count must not take gigabytes.
constexpr std::size_t kMostShort = 65'536;

template <class T>
void put_all(std::string& out, const std::vector<T>& values) {
  put_u32(out, values.size());
  out.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
}

template <class T>
void get_all(const RawField& f, std::vector<T>& out) {
  out.resize(load<std::uint32_t>(f.bytes));
  if (!out.empty()) std::memcpy(out.data(), f.bytes.data() + 4, out.size() * sizeof(T));
}

// Wraps, as the values of any column may lie that far apart.
std::uint64_t difference(const std::vector<std::int64_t>& values, std::size_t i) {
  return static_cast<std::uint64_t>(values[i]) - static_cast<std::uint64_t>(values[i - 1]);
}

bool is_even(const std::vector<std::int64_t>& values) {
  if (values.size() < 3 || values.size() > kMostShort) return false;
  const auto first = difference(values, 1);
  for (std::size_t i = 2; i < values.size(); ++i)
    if (difference(values, i) != first) return false;
  return true;
}

// How many runs of one string these are, where written in runs they are shorter; else 0.
std::size_t runs_of(const std::vector<std::string>& values) {
  if (values.size() < 2 || values.size() > kMostShort) return 0;
  std::size_t runs = 1, repeated = 0;
  for (std::size_t i = 1; i < values.size(); ++i)
    if (values[i] == values[i - 1])
      repeated += values[i].size();
    else
      ++runs;
  return 4 + 8 * runs < 4 * values.size() + repeated ? runs : 0;
}

template <class Visit>
void each_run(const std::vector<std::string>& values, Visit visit) {
  for (std::size_t i = 0, end = 0; i < values.size(); i = end) {
    while (end < values.size() && values[end] == values[i]) ++end;
    visit(values[i], end - i);
  }
}

// Nothing where the runs are not as many strings as are said.
std::optional<std::size_t> runs_size(std::string_view s) {
  if (s.size() < 8) return std::nullopt;
  const std::uint64_t count = load<std::uint32_t>(s), runs = load<std::uint32_t>(s, 4);
  if (count > kMostShort || s.size() < 8 + 8 * runs) return std::nullopt;
  std::uint64_t total = 8 + 8 * runs, sum = 0;
  for (std::uint64_t i = 0; i < runs; ++i) {
    sum += load<std::uint32_t>(s, 8 + 8 * i);
    total += load<std::uint32_t>(s, 12 + 8 * i);
  }
  if (sum != count) return std::nullopt;
  return total;
}

constexpr std::uint64_t kNoSize = UINT64_MAX;

// How many bytes the value takes; kNoSize where `s` ends before it is known.
inline std::uint64_t value_size(Kind kind, std::string_view s) {
  if (kind == Kind::int64 || kind == Kind::real) return 8;
  if (s.size() < 4) return kNoSize;
  const std::uint64_t count = load<std::uint32_t>(s);
  if (kind == Kind::int64s || kind == Kind::reals) return 4 + 8 * count;
  if (kind == Kind::text) return 4 + count;
  if (kind == Kind::even_int64s && count <= kMostShort) return 20;
  if (kind == Kind::text_runs) return runs_size(s).value_or(kNoSize);
  std::uint64_t total = 4 + 4 * count;
  if (kind != Kind::texts || s.size() < total) return kNoSize;
  const char* size = s.data() + 4;
  for (const char* const end = s.data() + total; size != end; size += 4) {
    std::uint32_t bytes;
    std::memcpy(&bytes, size, sizeof bytes);
    total += bytes;
  }
  return total;
}

// Events that follow each other mostly bring the same names: what is there already is left as it
// is.
inline void set_text(std::string& out, std::string_view text) {
  if (out != text) out.assign(text);
}

void put_runs(std::string& out, const std::vector<std::string>& values, std::size_t runs) {
  put_kind(out, Kind::text_runs);
  put_u32(out, values.size());
  put_u32(out, runs);
  each_run(values, [&](const std::string& text, std::size_t times) {
    put_u32(out, times);
    put_u32(out, text.size());
  });
  each_run(values, [&](const std::string& text, std::size_t) { out += text; });
}

void get_runs(const RawField& f, std::vector<std::string>& out) {
  out.resize(load<std::uint32_t>(f.bytes));
  const std::uint32_t runs = load<std::uint32_t>(f.bytes, 4);
  std::size_t at = 8 + 8ull * runs, next = 0;
  for (std::uint32_t run = 0; run < runs; ++run) {
    const auto times = load<std::uint32_t>(f.bytes, 8 + 8ull * run);
    const auto text = f.bytes.substr(at, load<std::uint32_t>(f.bytes, 12 + 8ull * run));
    for (std::uint32_t i = 0; i < times; ++i) set_text(out[next++], text);
    at += text.size();
  }
}

}  // namespace

void put(std::string& out, std::int64_t value) {
  put_kind(out, Kind::int64);
  put_bits(out, value);
}
void put(std::string& out, double value) {
  put_kind(out, Kind::real);
  put_bits(out, value);
}
void put(std::string& out, const std::string& value) {
  put_kind(out, Kind::text);
  put_u32(out, value.size());
  out += value;
}
void put(std::string& out, const std::vector<std::int64_t>& values) {
  if (!is_even(values)) {
    put_kind(out, Kind::int64s);
    return put_all(out, values);
  }
  put_kind(out, Kind::even_int64s);
  put_u32(out, values.size());
  put_bits(out, values[0]);
  put_bits(out, difference(values, 1));
}
void put(std::string& out, const std::vector<double>& values) {
  put_kind(out, Kind::reals);
  put_all(out, values);
}
void put(std::string& out, const std::vector<std::string>& values) {
  if (const auto runs = runs_of(values)) return put_runs(out, values, runs);
  put_kind(out, Kind::texts);
  put_u32(out, values.size());
  for (const auto& each : values) put_u32(out, each.size());
  for (const auto& each : values) out += each;
}

Reader::Reader(std::string_view bytes) : rest_(bytes) {
  if (bytes.size() < 2) {
    ok_ = false;
    return;
  }
  left_ = load<std::uint16_t>(bytes);
  rest_.remove_prefix(2);
}

std::optional<RawField> Reader::fail() {
  ok_ = false;
  left_ = 0;
  return std::nullopt;
}

std::optional<RawField> Reader::next() {
  if (left_ == 0) return std::nullopt;
  --left_;
  if (rest_.empty()) return fail();
  const auto name_size = static_cast<unsigned char>(rest_[0]);
  if (rest_.size() < 2u + name_size) return fail();
  RawField f{{rest_.data() + 1, name_size}, static_cast<Kind>(rest_[1u + name_size]), {}};
  rest_.remove_prefix(2 + name_size);
  const std::uint64_t size = value_size(f.kind, rest_);
  if (size > rest_.size()) return fail();
  f.bytes = {rest_.data(), size};
  rest_.remove_prefix(size);
  return f;
}

void get(const RawField& f, std::int64_t& out) { out = load<std::int64_t>(f.bytes); }
void get(const RawField& f, double& out) { out = load<double>(f.bytes); }
void get(const RawField& f, std::string& out) { out.assign(f.bytes.substr(4)); }
void get(const RawField& f, std::vector<std::int64_t>& out) {
  if (f.kind == Kind::int64s) return get_all(f, out);
  out.resize(load<std::uint32_t>(f.bytes));
  auto next = load<std::uint64_t>(f.bytes, 4);
  const auto step = load<std::uint64_t>(f.bytes, 12);
  for (auto& each : out) {
    each = static_cast<std::int64_t>(next);
    next += step;
  }
}
void get(const RawField& f, std::vector<double>& out) { get_all(f, out); }
void get(const RawField& f, std::vector<std::string>& out) {
  if (f.kind == Kind::text_runs) return get_runs(f, out);
  const auto count = load<std::uint32_t>(f.bytes);
  out.resize(count);
  std::size_t at = 4 + 4ull * count;
  for (std::uint32_t i = 0; i < count; ++i) {
    const auto size = load<std::uint32_t>(f.bytes, 4 + 4ull * i);
    set_text(out[i], f.bytes.substr(at, size));
    at += size;
  }
}

namespace {

template <class T>
void append_value(std::string& out, const RawField& f) {
  T value{};
  get(f, value);
  codec::write(out, value);
}

void append_value(std::string& out, const RawField& f) {
  switch (f.kind) {
    case Kind::int64:
      return append_value<std::int64_t>(out, f);
    case Kind::real:
      return append_value<double>(out, f);
    case Kind::text:
      return append_value<std::string>(out, f);
    case Kind::int64s:
    case Kind::even_int64s:
      return append_value<std::vector<std::int64_t>>(out, f);
    case Kind::reals:
      return append_value<std::vector<double>>(out, f);
    case Kind::texts:
    case Kind::text_runs:
      return append_value<std::vector<std::string>>(out, f);
  }
}

}  // namespace

void append_json(std::string& out, std::string_view bytes) {
  std::string object = "{";
  Reader reader(bytes);
  while (const auto field = reader.next()) {
    if (object.size() > 1) object += ',';
    append_json_string(object, field->name);
    object += ':';
    append_value(object, *field);
  }
  if (reader.ok())
    out += object + "}";
  else
    append_json_string(out, bytes);
}

}  // namespace mlforge::columns
