#include "gateway/http/response_head.hpp"

#include <charconv>
#include <ctime>

namespace mlforge::http {
namespace {

template <class Number>
void append_number(std::string& out, Number number, int base = 10) {
  char text[24];
  const auto end = std::to_chars(text, text + sizeof text, number, base).ptr;
  out.append(text, end);
}

// "Date: ...\r\n", made anew once a second.
std::string_view date_line() {
  thread_local std::time_t at = 0;
  thread_local char line[48];
  thread_local std::size_t size = 0;
  timespec now{};
  clock_gettime(CLOCK_REALTIME_COARSE, &now);
  if (now.tv_sec != at) {
    at = now.tv_sec;
    std::tm utc{};
    gmtime_r(&at, &utc);
    static constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                              "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    char rest[32];
    std::strftime(rest, sizeof rest, "%Y %H:%M:%S GMT", &utc);
    size = static_cast<std::size_t>(std::snprintf(line, sizeof line, "Date: %s, %02d %s %s\r\n",
                                                  kDays[utc.tm_wday], utc.tm_mday,
                                                  kMonths[utc.tm_mon], rest));
  }
  return {line, size};
}

void append_safe(std::string& out, std::string_view value) {
  for (const char c : value) out += c == '\r' || c == '\n' || c == '\0' ? ' ' : c;
}

}  // namespace

std::string_view reason_phrase(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 202:
      return "Accepted";
    case 204:
      return "No Content";
    case 206:
      return "Partial Content";
    case 301:
      return "Moved Permanently";
    case 302:
      return "Found";
    case 303:
      return "See Other";
    case 304:
      return "Not Modified";
    case 307:
      return "Temporary Redirect";
    case 308:
      return "Permanent Redirect";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 406:
      return "Not Acceptable";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 410:
      return "Gone";
    case 412:
      return "Precondition Failed";
    case 413:
      return "Content Too Large";
    case 415:
      return "Unsupported Media Type";
    case 416:
      return "Range Not Satisfiable";
    case 417:
      return "Expectation Failed";
    case 422:
      return "Unprocessable Content";
    case 426:
      return "Upgrade Required";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return "Status";
  }
}

void append_head(std::string& out, const ResponseHead& head) {
  if (head.status == 200) {
    out += "HTTP/1.1 200 OK\r\n";
  } else {
    out += "HTTP/1.1 ";
    append_number(out, head.status);
    out += ' ';
    out += reason_phrase(head.status);
    out += "\r\n";
  }
  out += date_line();
  if (!head.content_type.empty()) {
    out += "Content-Type: ";
    append_safe(out, head.content_type);
    out += "\r\nX-Content-Type-Options: nosniff\r\n";
  }
  if (head.content_length) {
    out += "Content-Length: ";
    append_number(out, *head.content_length);
    out += "\r\n";
  }
  if (head.chunked) out += "Transfer-Encoding: chunked\r\n";
  if (head.close) out += "Connection: close\r\n";
  if (head.keep_alive) out += "Connection: keep-alive\r\n";
  out += "X-Correlation-Id: ";
  out += head.correlation_id;
  out += "\r\n";
  if (!head.allowed_origin.empty()) {
    out += "Access-Control-Allow-Origin: ";
    append_safe(out, head.allowed_origin);
    out += "\r\nAccess-Control-Expose-Headers: X-Correlation-Id\r\nVary: Origin\r\n";
  }
  if (head.headers) {
    for (const auto& [name, value] : *head.headers) {
      append_safe(out, name);
      out += ": ";
      append_safe(out, value);
      out += "\r\n";
    }
  }
  out += "\r\n";
}

void append_chunk(std::string& out, std::string_view data) {
  append_number(out, data.size(), 16);
  out += "\r\n";
  out += data;
  out += "\r\n";
}

}  // namespace mlforge::http
