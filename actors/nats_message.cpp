#include "actors/nats_message.hpp"

#include <charconv>

namespace mlforge::actors {
namespace {

constexpr std::size_t kMaxToken = 64;
constexpr std::size_t kHeaderFrame = 12;  // "NATS/1.0\r\n" and the empty line at the end

bool is_token_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_';
}

void append_token(std::string& out, std::string_view token) {
  out += '.';
  if (token.empty()) out += '_';
  for (const char c : token.substr(0, kMaxToken)) out += is_token_char(c) ? c : '_';
}

bool is_plain(std::string_view value) {
  for (const char c : value)
    if (c < 0x21 || c > 0x7e || c == '"' || c == '%') return false;
  return true;
}

// The text of a JSON string that starts behind `key`; escapes stay as they are, it is only shown to
// people.
std::string_view string_after(std::string_view json, std::string_view key) {
  const auto at = json.find(key);
  if (at == std::string_view::npos) return {};
  const auto begin = json.find('"', at + key.size());
  if (begin == std::string_view::npos) return {};
  const auto end = json.find('"', begin + 1);
  if (end == std::string_view::npos) return {};
  return json.substr(begin + 1, end - begin - 1);
}

}  // namespace

std::string event_subject(std::string_view prefix, const EventView& event) {
  std::string subject;
  subject.reserve(prefix.size() + event.tenant.size() + event.stream.size() + event.type.size() +
                  4);
  subject += prefix;
  append_token(subject, event.tenant);
  append_token(subject, event.stream.substr(0, event.stream.find('/')));
  const auto dot = event.type.find('.');
  append_token(subject, dot == std::string_view::npos ? event.type : event.type.substr(dot + 1));
  return subject;
}

std::string encode_header(std::string_view value) {
  if (is_plain(value)) return std::string(value);
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : value) {
    if (c >= 0x21 && c <= 0x7e && c != '"' && c != '%') {
      out += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    out += '%';
    out += kHex[byte >> 4];
    out += kHex[byte & 15];
  }
  return out;
}

void BroadcastMessage::clear() {
  subject.clear();
  body = {};
  text_.clear();
  headers_.clear();
}

void BroadcastMessage::add(std::string_view name, std::string_view value) {
  const auto at = text_.size();
  text_.append(name).push_back('\0');
  text_.append(value).push_back('\0');
  headers_.emplace_back(at, at + name.size() + 1);
}

// On the wire a header is "name: value\r\n", where we keep two zeros.
std::size_t BroadcastMessage::bytes() const {
  return kHeaderFrame + text_.size() + 2 * headers_.size() + body.size();
}

void render_message(const Publication& publication, std::string_view prefix,
                    std::string_view source, std::size_t max_payload, BroadcastMessage& out) {
  const auto& event = publication.event;
  out.clear();
  out.subject = event_subject(prefix, event);
  out.body = publication.body;
  const auto id = to_string(event.id);
  out.add("Nats-Msg-Id", id);
  out.add("Nats-Expected-Last-Sequence", std::to_string(publication.expected_last_sequence));
  if (publication.expected_last_id)
    out.add("Nats-Expected-Last-Msg-Id", to_string(*publication.expected_last_id));
  out.add("ce-specversion", "1.0");
  out.add("ce-id", id);
  out.add("ce-source", source);
  out.add("ce-type", encode_header(event.type));
  out.add("ce-time", format_time(event.time));
  out.add("ce-subject", encode_header(event.stream));
  out.add("ce-datacontenttype", "application/json");
  if (!event.causation.is_nil()) out.add("ce-causationid", to_string(event.causation));
  if (!event.correlation.is_nil()) out.add("ce-correlationid", to_string(event.correlation));
  out.add("Mlforge-Position", std::to_string(event.position));
  out.add("Mlforge-Version", std::to_string(event.version));
  out.add("Mlforge-Schema", std::to_string(event.schema));
  out.add("Mlforge-Tenant", encode_header(event.tenant));
  if (!event.actor.empty()) out.add("Mlforge-Actor", encode_header(event.actor));
  if (out.bytes() > max_payload) {
    out.body = {};
    out.add("Mlforge-Body", "by-position");
  }
}

PublishAck parse_ack(std::uint64_t token, std::string_view json) {
  PublishAck ack;
  ack.token = token;
  if (json.find("\"error\"") != std::string_view::npos) {
    const auto description = string_after(json, "\"description\":");
    ack.error = description.empty() ? std::string(json.substr(0, 200)) : std::string(description);
    return ack;
  }
  constexpr std::string_view kSequence = "\"seq\":";
  auto at = json.find(kSequence);
  if (at != std::string_view::npos) {
    at += kSequence.size();
    while (at < json.size() && json[at] == ' ') ++at;
    const auto parsed = std::from_chars(json.data() + at, json.data() + json.size(), ack.sequence);
    if (parsed.ec == std::errc() && ack.sequence > 0) return ack;
  }
  ack.sequence = 0;
  ack.error = "an answer that is not understood: " + std::string(json.substr(0, 200));
  return ack;
}

}  // namespace mlforge::actors
