// Writing JSON text. Reading goes through codec.hpp.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace mlforge {

// Appends `text` quoted and escaped. Bytes that are not UTF-8 become U+FFFD, so that the output is
// always valid JSON.
void append_json_string(std::string& out, std::string_view text);

// Whether `text` can stand in a JSON string as it is. It may say no where the answer is yes.
bool is_plain_json(std::string_view text);

// Shortest text that reads back to the same bits. JSON has no NaN and infinities: they become the
// strings "NaN", "Infinity" and "-Infinity", which codec.hpp reads back.
void append_json_double(std::string& out, double value);

void append_json_int(std::string& out, std::int64_t value);
void append_json_uint(std::string& out, std::uint64_t value);

}  // namespace mlforge
