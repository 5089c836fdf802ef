// JSON whose shape nobody knows before, as a value that can be looked into, changed and written
// again. As Python's json module has it: NaN, Infinity and -Infinity are numbers too, whole numbers
// have any length, and of a name that an object has twice the last value counts.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "events/error.hpp"

namespace mlforge {

struct JsonTree {
  enum Kind { null, boolean, number, text, list, object };
  Kind kind = null;
  bool flag = false;               // of a boolean
  std::string value;               // a text; a number as it was written
  std::vector<JsonTree> items;     // of a list; the members of an object,
  std::vector<std::string> names;  // which have these names, in the order of writing

  // The member of an object; null where there is none, or this is no object.
  const JsonTree* find(std::string_view name) const;
  // Replaces the member of that name, or appends it.
  void set(std::string_view name, JsonTree member);
  // What Python takes for false: null, false, 0, and what is empty.
  bool is_falsy() const;
  bool is_integer() const;  // a number without point and exponent

  static JsonTree of_text(std::string_view value);
};

// malformed where it is not JSON, or nested deeper than 256 levels; `text` is UTF-8.
Expected<JsonTree> parse_tree(std::string_view text);

// With a blank behind each comma and colon, as Python writes it.
void append_tree(std::string& out, const JsonTree& tree);
std::string to_text(const JsonTree& tree);
// The same in ASCII, other characters as \uXXXX: json.dumps as it is by default.
std::string ascii_text(const JsonTree& tree);

// The same for all trees that are equal: names sorted, numbers in one form.
std::string canonical_text(const JsonTree& tree);

}  // namespace mlforge
