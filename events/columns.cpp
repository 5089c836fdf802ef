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

// How many bytes the value takes; nothing where `s` ends before it does.
std::optional<std::size_t> value_size(Kind kind, std::string_view s) {
  if (kind == Kind::int64 || kind == Kind::real) return 8;
  if (s.size() < 4) return std::nullopt;
  const std::uint64_t count = load<std::uint32_t>(s);
  if (kind == Kind::text) return 4 + count;
  if (kind == Kind::int64s || kind == Kind::reals) return 4 + 8 * count;
  if (kind != Kind::texts || s.size() < 4 + 4 * count) return std::nullopt;
  std::uint64_t total = 4 + 4 * count;
  for (std::uint64_t i = 0; i < count; ++i) total += load<std::uint32_t>(s, 4 + 4 * i);
  return total;
}

}  // namespace

void put_u32(std::string& out, std::size_t value) {
  put_bits(out, static_cast<std::uint32_t>(value));
}
void put(std::string& out, std::int64_t value) { put_bits(out, value); }
void put(std::string& out, double value) { put_bits(out, value); }
void put(std::string& out, const std::string& value) {
  put_u32(out, value.size());
  out += value;
}
void put(std::string& out, const std::vector<std::int64_t>& values) { put_all(out, values); }
void put(std::string& out, const std::vector<double>& values) { put_all(out, values); }
void put(std::string& out, const std::vector<std::string>& values) {
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
  RawField f{rest_.substr(1, name_size), static_cast<Kind>(rest_[1 + name_size]), {}};
  rest_.remove_prefix(2 + name_size);
  const auto size = value_size(f.kind, rest_);
  if (!size || *size > rest_.size()) return fail();
  f.bytes = rest_.substr(0, *size);
  rest_.remove_prefix(*size);
  return f;
}

void get(const RawField& f, std::int64_t& out) { out = load<std::int64_t>(f.bytes); }
void get(const RawField& f, double& out) { out = load<double>(f.bytes); }
void get(const RawField& f, std::string& out) { out.assign(f.bytes.substr(4)); }
void get(const RawField& f, std::vector<std::int64_t>& out) { get_all(f, out); }
void get(const RawField& f, std::vector<double>& out) { get_all(f, out); }
void get(const RawField& f, std::vector<std::string>& out) {
  const auto count = load<std::uint32_t>(f.bytes);
  out.resize(count);
  std::size_t at = 4 + 4ull * count;
  for (std::uint32_t i = 0; i < count; ++i) {
    const auto size = load<std::uint32_t>(f.bytes, 4 + 4ull * i);
    out[i].assign(f.bytes.substr(at, size));
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
      return append_value<std::vector<std::int64_t>>(out, f);
    case Kind::reals:
      return append_value<std::vector<double>>(out, f);
    case Kind::texts:
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
