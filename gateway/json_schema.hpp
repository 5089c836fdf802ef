// JSON schemas of request bodies, derived from the same fields() as the codec.
#pragma once
#include <string>

#include "events/codec.hpp"

namespace mlforge::gateway {

namespace schema {

template <class T>
void write(std::string& out) {
  using codec::IsMap, codec::IsOptional, codec::IsVector;
  if constexpr (std::same_as<T, bool>)
    out += R"({"type":"boolean"})";
  else if constexpr (std::integral<T>)
    out += R"({"type":"integer"})";
  else if constexpr (std::same_as<T, double>)
    out += R"({"oneOf":[{"type":"number"},{"enum":["NaN","Infinity","-Infinity"]}]})";
  else if constexpr (std::same_as<T, std::string>)
    out += R"({"type":"string"})";
  else if constexpr (std::same_as<T, Scalar>)
    out += R"({"type":["number","string","boolean","null"]})";
  else if constexpr (std::same_as<T, RawJson>)
    out += "{}";
  else if constexpr (IsOptional<T>::value)
    write<typename T::value_type>(out);
  else if constexpr (IsVector<T>::value) {
    out += R"({"type":"array","items":)";
    write<typename T::value_type>(out);
    out += '}';
  } else if constexpr (IsMap<T>::value) {
    out += R"({"type":"object","additionalProperties":)";
    write<typename T::mapped_type>(out);
    out += '}';
  } else {
    out += R"({"type":"object","additionalProperties":false,"properties":{)";
    std::string needed;
    bool first = true;
    for_each_field<T>([&](const auto& f) {
      if (!std::exchange(first, false)) out += ',';
      append_json_string(out, f.name);
      out += ':';
      write<std::remove_cvref_t<decltype(std::declval<T>().*(f.member))>>(out);
      if (!f.required) return;
      if (!needed.empty()) needed += ',';
      append_json_string(needed, f.name);
    });
    out += "}";
    if (!needed.empty()) out += ",\"required\":[" + needed + "]";
    out += "}";
  }
}

}  // namespace schema

template <class T>
std::string json_schema() {
  std::string out;
  schema::write<T>(out);
  return out;
}

}  // namespace mlforge::gateway
