// A bounded reader of Universal Binary JSON (draft 12), as much as XGBoost 1.6 and later write: the
// gate in front of bytes that XGBoost itself would trust.
#pragma once
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "events/error.hpp"

namespace mlforge::ml {

// Texts are views into the bytes. Numeric typed arrays land in `reals` (d, D) or `integers` (i, U,
// I, l, L).
struct UbjValue {
  enum class Kind { null, boolean, integer, real, text, object, array, reals, integers };
  Kind kind = Kind::null;
  std::int64_t integer = 0;  // also of booleans
  double real = 0;
  std::string_view text;
  struct Member;
  std::vector<Member> members;
  std::vector<UbjValue> items;
  std::vector<float> reals;
  std::vector<std::int64_t> integers;

  const UbjValue* find(std::string_view key) const;  // null when there is no such member
};

struct UbjValue::Member {
  std::string_view first;
  UbjValue second;
};

// One value that fills all the bytes. corrupt when it does not, names a length beyond the end, or
// nests deeper than 32. Memory stays in proportion to the bytes.
Expected<UbjValue> parse_ubjson(std::string_view bytes);

}  // namespace mlforge::ml
