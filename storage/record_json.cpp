#include "storage/record_json.hpp"

#include <fmt/format.h>
#include <simdjson.h>

#include <array>
#include <optional>

#include "events/base64.hpp"
#include "events/codec.hpp"
#include "events/json.hpp"

namespace mlforge::storage {
namespace {

using simdjson::dom::element;

constexpr std::string_view kBlanks = " \t\r\n";

void append_name(std::string& out, std::string_view name, std::string_view suffix = {}) {
  out += ",\"";
  out.append(name).append(suffix).append("\":");
}

void append_text_field(std::string& out, std::string_view name, std::string_view text) {
  append_name(out, name);
  append_json_string(out, text);
}

void append_base64_field(std::string& out, std::string_view name, std::string_view bytes) {
  append_name(out, name, "_base64");
  out += '"';
  append_base64(out, bytes);
  out += '"';
}

bool is_utf8(std::string_view text) { return simdjson::validate_utf8(text.data(), text.size()); }

void append_exact(std::string& out, std::string_view name, std::string_view text) {
  if (is_utf8(text))
    append_text_field(out, name, text);
  else
    append_base64_field(out, name, text);
}

void append_hex(std::string& out, Bytes bytes) {
  for (const auto byte : bytes) out += fmt::format("{:02x}", byte);
}

// One JSON value on one line, which a reader finds again as it stands. Inside of an array it must
// parse too, for it will stand one level deeper in the line.
bool stands_in_a_line(const EventView& e) {
  const std::string_view text = e.payload;
  if (e.content_type != ContentType::json || text.empty()) return false;
  if (text.find_first_of("\r\n") != text.npos) return false;
  if (kBlanks.find(text.front()) != kBlanks.npos || kBlanks.find(text.back()) != kBlanks.npos)
    return false;
  std::string array;
  array.reserve(text.size() + 2);
  array.append("[").append(text).append("]");
  const auto parsed = codec::parse(array);
  simdjson::dom::array values;
  return parsed && parsed->get(values) == simdjson::SUCCESS && values.size() == 1;
}

std::size_t end_of_string(std::string_view text, std::size_t quote) {
  std::size_t at = quote + 1;
  while (at < text.size() && text[at] != '"') at += text[at] == '\\' ? 2 : 1;
  return std::min(at + 1, text.size());
}

std::size_t skip_blanks(std::string_view text, std::size_t at) {
  return std::min(text.find_first_not_of(kBlanks, at), text.size());
}

std::string_view value_at(std::string_view text, std::size_t start) {
  if (start >= text.size()) return {};
  if (text[start] == '"') return text.substr(start, end_of_string(text, start) - start);
  if (text[start] != '{' && text[start] != '[')
    return text.substr(start, text.find_first_of(",} \t\r\n", start) - start);
  std::size_t at = start, depth = 0;
  while (at < text.size()) {
    const char c = text[at];
    if (c == '"') {
      at = end_of_string(text, at);
      continue;
    }
    ++at;
    depth += c == '{' || c == '[';
    depth -= c == '}' || c == ']';
    if (depth == 0) break;
  }
  return text.substr(start, at - start);
}

// The text of the member "payload" of an object that has been parsed, so that its brackets match.
std::string_view payload_text(std::string_view line) {
  std::size_t at = 0, depth = 0;
  while (at < line.size()) {
    const char c = line[at];
    if (c != '"') {
      depth += c == '{' || c == '[';
      depth -= c == '}' || c == ']';
      ++at;
      continue;
    }
    const std::size_t end = end_of_string(line, at);
    const std::size_t colon = skip_blanks(line, end);
    if (depth == 1 && line.substr(at, end - at) == "\"payload\"" && colon < line.size() &&
        line[colon] == ':')
      return value_at(line, skip_blanks(line, colon + 1));
    at = end;
  }
  return {};
}

Error wrong(std::string_view field, std::string_view what,
            ErrorCode code = ErrorCode::invalid_argument) {
  return {code, fmt::format("field '{}' {}", field, what), std::string(field)};
}

bool parse_hex(std::string_view hex, std::span<std::uint8_t> out) {
  if (hex.size() != 2 * out.size()) return false;
  const auto digit = [](char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
  };
  for (std::size_t i = 0; i < out.size(); ++i) {
    const int high = digit(hex[2 * i]), low = digit(hex[2 * i + 1]);
    if (high < 0 || low < 0) return false;
    out[i] = static_cast<std::uint8_t>(high << 4 | low);
  }
  return true;
}

struct FieldRow {
  std::string_view name;
  bool required = true;
  bool may_be_base64 = false;
};

// A line while it is read: what the record is made of, and which fields were there.
class Line {
 public:
  EventView event;
  std::array<std::uint8_t, kSaltBytes> salt{};
  std::optional<Digest> commitment;

  Status read(std::string_view text) {
    const auto root = codec::parse(text);
    if (!root) return root.error();
    simdjson::dom::object object;
    if (root->get(object) != simdjson::SUCCESS)
      return Error{ErrorCode::malformed, "the line is not a JSON object", ""};
    for (const auto& member : object)
      if (auto bad = take(member.key, member.value, text)) return bad;
    for (std::size_t i = 0; i < kFields; ++i)
      if (!seen_[i] && kField[i].required) return wrong(kField[i].name, "is missing");
    if (event.expired && !commitment)
      return wrong("commitment", "is missing; of an expired event it cannot be computed");
    return check();
  }

 private:
  enum Field {
    position,
    id,
    tenant,
    stream,
    version,
    type,
    schema,
    actor,
    command_id,
    causation,
    correlation,
    time,
    content_type,
    salt_field,
    commitment_field,
    expired,
    payload,
    kFields
  };
  static constexpr std::array<FieldRow, kFields> kField{{{"position"},
                                                         {"id"},
                                                         {"tenant", true, true},
                                                         {"stream", true, true},
                                                         {"version"},
                                                         {"type", true, true},
                                                         {"schema"},
                                                         {"actor", true, true},
                                                         {"command_id", false, true},
                                                         {"causation_id", false},
                                                         {"correlation_id", false},
                                                         {"time"},
                                                         {"content_type"},
                                                         {"salt"},
                                                         {"commitment", false},
                                                         {"expired", false},
                                                         {"payload", true, true}}};

  Status take(std::string_view key, const element& value, std::string_view line) {
    std::string_view name = key;
    const bool base64 = name.ends_with("_base64");
    if (base64) name.remove_suffix(7);
    std::size_t at = 0;
    while (at < kFields && kField[at].name != name) ++at;
    if (at == kFields || (base64 && !kField[at].may_be_base64))
      return wrong(key, "is not a field of an exported event", ErrorCode::unknown_field);
    if (seen_[at]) return wrong(name, "is given twice");
    seen_[at] = true;
    if (base64) return take_base64(static_cast<Field>(at), key, value);
    return take_plain(static_cast<Field>(at), value, line);
  }

  Status take_base64(Field field, std::string_view key, const element& value) {
    std::string_view text;
    auto bytes = value.get(text) == simdjson::SUCCESS ? parse_base64(text) : std::nullopt;
    if (!bytes) return wrong(key, "must be base64 text");
    set(field, keep_[field] = *std::move(bytes));
    return {};
  }

  Status take_plain(Field field, const element& value, std::string_view line) {
    const auto name = kField[field].name;
    switch (field) {
      case position:
        return take_number(name, value, event.position, UINT64_MAX);
      case version:
        return take_number(name, value, event.version, UINT64_MAX);
      case schema: {
        std::uint64_t number = 0;
        auto bad = take_number(name, value, number, UINT16_MAX);
        event.schema = static_cast<std::uint16_t>(number);
        return bad;
      }
      case payload:
        event.payload = payload_text(line);
        if (event.payload.empty()) return wrong(name, "must be spelled without escapes");
        return {};
      default:
        break;
    }
    if (field == expired) {
      if (value.get(event.expired) == simdjson::SUCCESS) return {};
      return wrong(name, "must be true or false");
    }
    if (field == time) {
      // A time outside of what RFC 3339 can write is exported as a number.
      if (std::int64_t number = 0; value.get(number) == simdjson::SUCCESS) {
        event.time = number;
        return {};
      }
    }
    std::string_view text;
    if (value.get(text) != simdjson::SUCCESS)
      return wrong(name, fmt::format("must be a string, got {}", codec::kind_name(value)));
    return take_text(field, name, text);
  }

  Status take_number(std::string_view name, const element& value, std::uint64_t& out,
                     std::uint64_t maximum) {
    if (value.get(out) != simdjson::SUCCESS || out > maximum)
      return wrong(name, fmt::format("must be a whole number up to {}", maximum));
    return {};
  }

  Status take_text(Field field, std::string_view name, std::string_view text) {
    if (field == id || field == causation || field == correlation) {
      const auto parsed = parse_uuid(text);
      if (!parsed) return wrong(name, "must be a UUID of 36 characters");
      (field == id ? event.id : field == causation ? event.causation : event.correlation) = *parsed;
    } else if (field == time) {
      const auto parsed = parse_time(text);
      if (!parsed) return wrong(name, "must be an RFC 3339 time such as 2026-11-21T09:30:00Z");
      event.time = *parsed;
    } else if (field == content_type) {
      if (text != "json" && text != "columns") return wrong(name, "must be json or columns");
      event.content_type = text == "json" ? ContentType::json : ContentType::columns;
    } else if (field == salt_field) {
      if (!parse_hex(text, salt)) return wrong(name, "must be 32 lower-case hexadecimal digits");
    } else if (field == commitment_field) {
      commitment = parse_digest(text);
      if (!commitment) return wrong(name, "must be 64 lower-case hexadecimal digits");
    } else {
      set(field, keep_[field] = text);
    }
    return {};
  }

  void set(Field field, std::string_view text) {
    if (field == tenant) event.tenant = text;
    if (field == stream) event.stream = text;
    if (field == type) event.type = text;
    if (field == actor) event.actor = text;
    if (field == command_id) event.command_id = text;
    if (field == payload) event.payload = text;
  }

  Status check() const {
    const std::pair<Field, std::string_view> names[] = {{tenant, event.tenant},
                                                        {stream, event.stream},
                                                        {type, event.type},
                                                        {actor, event.actor},
                                                        {command_id, event.command_id}};
    for (const auto& [field, text] : names) {
      const auto name = kField[field].name;
      if (text.empty() && field != actor && field != command_id)
        return wrong(name, "is empty; it must name something");
      if (text.size() > kMaxNameBytes) return wrong(name, "is longer than 65535 bytes");
      if (text.find('\0') != text.npos)
        return wrong(name, "has a NUL byte, which names must not have");
    }
    if (event.payload.size() > kMaxPayload)
      return wrong("payload", fmt::format("has {} bytes; at most {} fit into one event",
                                          event.payload.size(), kMaxPayload));
    return {};
  }

  static constexpr std::size_t kMaxPayload = 8u << 20;
  std::array<bool, kFields> seen_{};
  std::array<std::string, kFields> keep_;  // the bytes behind the views of `event`
};

}  // namespace

void append_record_json(std::string& out, Bytes record) {
  EventView e;
  if (decode_record(record, e) != nullptr) return;
  out += "{\"position\":";
  append_json_uint(out, e.position);
  append_text_field(out, "id", to_string(e.id));
  append_exact(out, "tenant", e.tenant);
  append_exact(out, "stream", e.stream);
  append_name(out, "version");
  append_json_uint(out, e.version);
  append_exact(out, "type", e.type);
  append_name(out, "schema");
  append_json_uint(out, e.schema);
  append_exact(out, "actor", e.actor);
  if (!e.command_id.empty()) append_exact(out, "command_id", e.command_id);
  if (!e.causation.is_nil()) append_text_field(out, "causation_id", to_string(e.causation));
  if (!e.correlation.is_nil()) append_text_field(out, "correlation_id", to_string(e.correlation));
  if (const auto time = format_time(e.time); parse_time(time) == e.time) {
    append_text_field(out, "time", time);
  } else {
    append_name(out, "time");
    append_json_int(out, e.time);
  }
  append_text_field(out, "content_type", e.content_type == ContentType::json ? "json" : "columns");
  append_name(out, "salt");
  out += '"';
  append_hex(out, record_salted_body(record).first(kSaltBytes));
  out += '"';
  append_text_field(out, "commitment", to_string(record_commitment(record)));
  if (e.expired) out += ",\"expired\":true";
  if (stands_in_a_line(e)) {
    append_name(out, "payload");
    out.append(e.payload);
  } else {
    append_base64_field(out, "payload", e.payload);
  }
  out += "}\n";
}

Status RecordJsonReader::append(std::string_view text, std::vector<std::uint8_t>& out) {
  Line line;
  if (auto bad = line.read(text)) return bad;
  const std::size_t before = out.size();
  encoder_.append(line.event, line.salt, out);
  if (line.event.expired) {
    const auto body =
        expire_body(record_salted_body(Bytes(out).subspan(before)), line.event.payload);
    std::vector<std::uint8_t> record;
    assemble_record(*line.commitment, Bytes(body), record);
    out.resize(before);
    out.insert(out.end(), record.begin(), record.end());
    return {};
  }
  if (line.commitment && record_commitment(Bytes(out).subspan(before)) != *line.commitment) {
    out.resize(before);
    return wrong("commitment",
                 "does not fit the rest of the line, which has been changed since its export",
                 ErrorCode::corrupt);
  }
  return {};
}

}  // namespace mlforge::storage
