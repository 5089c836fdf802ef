// Writes the head of an answer by hand: measured, the only cost of an answer that is worth saving.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mlforge::http {

struct ResponseHead {
  int status = 200;
  std::string_view content_type;                // empty: none is written
  std::optional<std::uint64_t> content_length;  // none: not written
  bool chunked = false;
  bool close = false;       // "Connection: close"
  bool keep_alive = false;  // "Connection: keep-alive", which HTTP/1.0 clients need
  std::string_view correlation_id;
  std::string_view allowed_origin;  // listed origin of a foreign page; empty: no CORS headers
  const std::vector<std::pair<std::string, std::string>>* headers = nullptr;
};

void append_head(std::string& out, const ResponseHead& head);

// "%x\r\n" data "\r\n"
void append_chunk(std::string& out, std::string_view data);

std::string_view reason_phrase(int status);

}  // namespace mlforge::http
