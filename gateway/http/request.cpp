#include "gateway/http/request.hpp"

#include <boost/beast/core/string.hpp>

#include "events/json.hpp"

namespace mlforge::http {
namespace {

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// FNV-1a with a final mix (from MurmurHash3), for ids made from text.
std::uint64_t hash_text(std::string_view text, std::uint64_t seed) {
  std::uint64_t h = 14695981039346656037ull ^ seed;
  for (const unsigned char c : text) h = (h ^ c) * 1099511628211ull;
  h = (h ^ (h >> 33)) * 0xff51afd7ed558ccdull;
  h = (h ^ (h >> 33)) * 0xc4ceb9fe1a85ec53ull;
  return h ^ (h >> 33);
}

template <class Fields>
const Field* find_field(const Fields& fields, std::string_view name) {
  for (const auto& field : fields)
    if (field.name == name) return &field;
  return nullptr;
}

}  // namespace

std::string_view to_string(Method method) {
  switch (method) {
    case Method::get:
      return "GET";
    case Method::head:
      return "HEAD";
    case Method::post:
      return "POST";
    case Method::put:
      return "PUT";
    case Method::patch:
      return "PATCH";
    case Method::delete_:
      return "DELETE";
    case Method::options:
      return "OPTIONS";
    case Method::other:
      break;
  }
  return "OTHER";
}

std::string_view Request::header(std::string_view name) const {
  for (const auto& field : headers)
    if (boost::beast::iequals({field.name.data(), field.name.size()}, {name.data(), name.size()}))
      return field.value;
  return {};
}

std::optional<std::string_view> Request::query(std::string_view name) const {
  const auto* field = find_field(query_params, name);
  return field ? std::optional(field->value) : std::nullopt;
}

std::string_view Request::param(std::string_view name) const {
  const auto* field = find_field(path_params, name);
  return field ? field->value : std::string_view{};
}

Uuid Request::correlation() const {
  if (const auto id = parse_uuid(correlation_id)) return *id;
  Uuid made;
  for (int half = 0; half < 2; ++half) {
    const auto h = hash_text(correlation_id, half ? 0x9e3779b97f4a7c15ull : 0);
    for (int i = 0; i < 8; ++i)
      made.bytes[std::size_t(half * 8 + i)] = static_cast<std::uint8_t>(h >> (8 * i));
  }
  made.bytes[6] = static_cast<std::uint8_t>((made.bytes[6] & 0x0f) | 0x80);  // version 8
  made.bytes[8] = static_cast<std::uint8_t>((made.bytes[8] & 0x3f) | 0x80);  // variant
  return made;
}

Response error_response(const Error& error, std::string_view correlation_id) {
  const auto& row = error_row(error.code);
  Response response;
  response.status = row.http_status;
  auto& out = response.body;
  out.reserve(error.message.size() + correlation_id.size() + 96);
  out += R"({"error":{"code":")";
  out += row.name;
  out += R"(","message":)";
  append_json_string(out, error.message);
  if (!error.field.empty()) {
    out += R"(,"field":)";
    append_json_string(out, error.field);
  }
  out += R"(,"correlation_id":)";
  append_json_string(out, correlation_id);
  out += "}}";
  if (error.code == ErrorCode::too_many_requests || error.code == ErrorCode::unavailable)
    response.headers.emplace_back("Retry-After", "1");
  return response;
}

std::optional<std::string> percent_decode(std::string_view text, bool plus) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%') {
      if (i + 2 >= text.size()) return std::nullopt;
      const int high = hex_value(text[i + 1]), low = hex_value(text[i + 2]);
      if (high < 0 || low < 0) return std::nullopt;
      out += static_cast<char>(high << 4 | low);
      i += 2;
    } else {
      out += plus && text[i] == '+' ? ' ' : text[i];
    }
  }
  return out;
}

bool is_safe_token(std::string_view text) {
  if (text.empty() || text.size() > 64) return false;
  for (const char c : text) {
    const bool ok = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                    c == '-' || c == '_' || c == '.' || c == ':';
    if (!ok) return false;
  }
  return true;
}

}  // namespace mlforge::http
