// Records as lines of JSON and back without losing a byte: docs/time-travel.md names the fields.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "storage/record.hpp"

namespace mlforge::storage {

// Appends a record that decode_record() accepts as one JSON object and a line feed. The payload
// stands in it as it is where it is one JSON value on one line, else in base64, and so does a name
// that is not UTF-8 (`<field>_base64`). Any thread.
void append_record_json(std::string& out, Bytes record);

// The record that a line stands for, appended to `out`. Fields may stand in any order; `commitment`
// may be missing. Errors name the field: malformed (no JSON), unknown_field, invalid_argument, and
// corrupt where the commitment does not fit what the line says. One parser a thread.
class RecordJsonReader {
 public:
  Status append(std::string_view line, std::vector<std::uint8_t>& out);

 private:
  RecordEncoder encoder_;
};

}  // namespace mlforge::storage
