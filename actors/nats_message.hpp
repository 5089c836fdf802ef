// How an event looks on NATS: its subject, its headers (CloudEvents 1.0, binary mode), and what the
// broker answers. Pure.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "actors/nats_protocol.hpp"
#include "events/envelope.hpp"

namespace mlforge::actors {

// One message, in memory that is used again for the next.
class BroadcastMessage {
 public:
  std::string subject;
  std::string_view body;  // the publication's, or empty when it had to be left out

  void clear();
  void add(std::string_view name, std::string_view value);
  std::size_t header_count() const { return headers_.size(); }
  // Zero-terminated, valid until the next clear() or add().
  const char* header_name(std::size_t i) const { return text_.data() + headers_[i].first; }
  const char* header_value(std::size_t i) const { return text_.data() + headers_[i].second; }
  std::size_t bytes() const;  // headers and body, as the broker counts them against its limit

 private:
  std::string text_;
  std::vector<std::pair<std::size_t, std::size_t>> headers_;  // offsets of name and value
};

// "<prefix>.<tenant>.<stream kind>.<event>": the kind is the stream's name up to '/', the event the
// type's after its first '.' (all of it where there is none). Characters other than letters,
// digits, '-' and '_' become '_', an empty part "_"; parts are cut at 64 characters. So a subject
// always has exactly three parts after the prefix.
std::string event_subject(std::string_view prefix, const EventView& event);

// Fills `out`, whose memory is used again. A message that would exceed `max_payload` bytes (headers
// and body, as the broker counts) goes without its body and with the header "Mlforge-Body:
// by-position".
void render_message(const Publication& publication, std::string_view prefix,
                    std::string_view source, std::size_t max_payload, BroadcastMessage& out);

// Percent-encodes as the CloudEvents binding asks: everything outside printable ASCII, space, '"'
// and '%'.
std::string encode_header(std::string_view value);

// The broker's answer to a publish, JSON: {"stream":"S","seq":7}, with "duplicate":true or
// "error":{"description":...}. What is not understood is answered as an error.
PublishAck parse_ack(std::uint64_t token, std::string_view json);

}  // namespace mlforge::actors
