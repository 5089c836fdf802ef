#include "events/envelope.hpp"

#include <chrono>
#include <cstdio>

namespace mlforge {
namespace {

constexpr auto kHexValues = [] {
  std::array<std::int8_t, 256> values{};
  values.fill(-1);
  for (int i = 0; i < 10; ++i) values[std::size_t('0' + i)] = std::int8_t(i);
  for (int i = 0; i < 6; ++i)
    values[std::size_t('a' + i)] = values[std::size_t('A' + i)] = std::int8_t(10 + i);
  return values;
}();

int hex_value(char c) { return kHexValues[static_cast<unsigned char>(c)]; }

// Reads exactly `count` digits at `at`; -1 where they are not digits.
int digits(std::string_view s, std::size_t at, std::size_t count) {
  if (at + count > s.size()) return -1;
  int value = 0;
  for (std::size_t i = at; i < at + count; ++i) {
    if (s[i] < '0' || s[i] > '9') return -1;
    value = value * 10 + (s[i] - '0');
  }
  return value;
}

void put_digits(std::string& text, std::size_t at, std::size_t count, unsigned value) {
  for (; count-- > 0; value /= 10) text[at + count] = static_cast<char>('0' + value % 10);
}

// Only times that nothing in a log has.
std::string odd_year(const std::chrono::year_month_day& date,
                     const std::chrono::hh_mm_ss<std::chrono::microseconds>& clock) {
  char text[40];
  std::snprintf(text, sizeof text, "%04d-%02u-%02uT%02d:%02d:%02d.%06dZ", int(date.year()),
                unsigned(date.month()), unsigned(date.day()), int(clock.hours().count()),
                int(clock.minutes().count()), int(clock.seconds().count()),
                int(clock.subseconds().count()));
  return text;
}

}  // namespace

std::string to_string(const Uuid& id) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out(36, '-');
  std::size_t at = 0;
  for (std::size_t i = 0; i < 16; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) ++at;
    out[at++] = kHex[id.bytes[i] >> 4];
    out[at++] = kHex[id.bytes[i] & 15];
  }
  return out;
}

std::optional<Uuid> parse_uuid(std::string_view text) {
  if (text.size() != 36) return std::nullopt;
  Uuid id;
  std::size_t at = 0;
  for (std::size_t i = 0; i < 16; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10)
      if (text[at++] != '-') return std::nullopt;
    const int high = hex_value(text[at]), low = hex_value(text[at + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    id.bytes[i] = static_cast<std::uint8_t>(high << 4 | low);
    at += 2;
  }
  return id;
}

std::string format_time(TimeUs time) {
  using namespace std::chrono;
  const auto day = floor<days>(microseconds{time});
  const year_month_day date{sys_days{day}};
  constexpr TimeUs kDay = microseconds{days{1}}.count();
  // Not time - day: the first day that 64 bits reach began before their first microsecond.
  const hh_mm_ss clock{microseconds{(time % kDay + kDay) % kDay}};
  if (const int year = int(date.year()); year < 0 || year > 9999) return odd_year(date, clock);
  std::string text = "0000-00-00T00:00:00.000000Z";
  put_digits(text, 0, 4, unsigned(int(date.year())));
  put_digits(text, 5, 2, unsigned(date.month()));
  put_digits(text, 8, 2, unsigned(date.day()));
  put_digits(text, 11, 2, unsigned(clock.hours().count()));
  put_digits(text, 14, 2, unsigned(clock.minutes().count()));
  put_digits(text, 17, 2, unsigned(clock.seconds().count()));
  put_digits(text, 20, 6, unsigned(clock.subseconds().count()));
  return text;
}

std::optional<TimeUs> parse_time(std::string_view s) {
  using namespace std::chrono;
  const int year_ = digits(s, 0, 4), month_ = digits(s, 5, 2), day_ = digits(s, 8, 2);
  if (year_ < 0 || month_ < 0 || day_ < 0 || s[4] != '-' || s[7] != '-') return std::nullopt;
  const year_month_day date{year{year_}, month(unsigned(month_)), day(unsigned(day_))};
  if (!date.ok()) return std::nullopt;
  const auto day_us = duration_cast<microseconds>(sys_days{date}.time_since_epoch()).count();
  if (s.size() == 10) return day_us;
  if (s.size() < 20 || (s[10] != 'T' && s[10] != 't' && s[10] != ' ')) return std::nullopt;
  const int h = digits(s, 11, 2), m = digits(s, 14, 2), sec = digits(s, 17, 2);
  if (h < 0 || h > 23 || m < 0 || m > 59 || sec < 0 || sec > 60 || s[13] != ':' || s[16] != ':')
    return std::nullopt;
  std::size_t at = 19;
  std::int64_t fraction = 0, scale = 100000;
  if (s[at] == '.') {
    if (digits(s, ++at, 1) < 0) return std::nullopt;
    for (; at < s.size() && s[at] >= '0' && s[at] <= '9'; ++at, scale /= 10)
      fraction += (s[at] - '0') * scale;
  }
  std::int64_t offset_min = 0;
  if (at >= s.size()) return std::nullopt;
  if (s[at] == 'Z' || s[at] == 'z') {
    if (at + 1 != s.size()) return std::nullopt;
  } else {
    const int oh = digits(s, at + 1, 2), om = digits(s, at + 4, 2);
    if ((s[at] != '+' && s[at] != '-') || s.size() != at + 6 || s[at + 3] != ':' || oh < 0 ||
        om < 0)
      return std::nullopt;
    offset_min = (s[at] == '-' ? -1 : 1) * (oh * 60 + om);
  }
  return day_us + ((h * 3600LL + m * 60LL + sec - offset_min * 60) * 1000000) + fraction;
}

Envelope::Envelope(const EventView& e)
    : position(e.position),
      id(e.id),
      tenant(e.tenant),
      stream(e.stream),
      version(e.version),
      type(e.type),
      schema(e.schema),
      actor(e.actor),
      time(e.time),
      causation(e.causation),
      correlation(e.correlation),
      command_id(e.command_id),
      content_type(e.content_type),
      payload(e.payload),
      expired(e.expired) {}

EventView Envelope::view() const {
  return {position, id,        tenant,      stream,     version,      type,    schema, actor,
          time,     causation, correlation, command_id, content_type, payload, expired};
}

}  // namespace mlforge
