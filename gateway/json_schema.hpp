// JSON schemas of request and response bodies, derived from the same fields() as the codec.
#pragma once
#include <string>

#include "events/codec.hpp"

namespace mlforge::gateway {

namespace schema {

// Series of metrics may hold what JSON has no numbers for, written as these texts; settings and
// thresholds may not.
enum class Numbers { finite, any };

template <class T, Numbers kNumbers>
void write(std::string& out);

// The members of the schema of an object with the fields of T.
template <class T, Numbers kNumbers>
void write_properties(std::string& out) {
  out += "\"properties\":{";
  std::string needed;
  bool first = true;
  for_each_field<T>([&](const auto& f) {
    if (!std::exchange(first, false)) out += ',';
    append_json_string(out, f.name);
    out += ':';
    write<std::remove_cvref_t<decltype(std::declval<T>().*(f.member))>, kNumbers>(out);
    if (!f.required) return;
    if (!needed.empty()) needed += ',';
    append_json_string(needed, f.name);
  });
  out += "}";
  if (!needed.empty()) out += ",\"required\":[" + needed + "]";
}

template <class T, Numbers kNumbers>
void write(std::string& out) {
  using codec::IsMap, codec::IsOptional, codec::IsVector;
  if constexpr (std::same_as<T, bool>)
    out += R"({"type":"boolean"})";
  else if constexpr (std::integral<T>)
    out += R"({"type":"integer"})";
  else if constexpr (std::same_as<T, double> && kNumbers == Numbers::finite)
    out += R"({"type":"number"})";
  else if constexpr (std::same_as<T, double>)
    out += R"({"oneOf":[{"type":"number"},{"enum":["NaN","Infinity","-Infinity"]}]})";
  else if constexpr (std::same_as<T, std::string>)
    out += R"({"type":"string"})";
  else if constexpr (std::same_as<T, Scalar>)
    out += R"({"type":["number","string","boolean","null"]})";
  else if constexpr (std::same_as<T, RawJson>)
    out += "{}";
  else if constexpr (IsOptional<T>::value)
    write<typename T::value_type, kNumbers>(out);
  else if constexpr (IsVector<T>::value) {
    out += R"({"type":"array","items":)";
    write<typename T::value_type, kNumbers>(out);
    out += '}';
  } else if constexpr (IsMap<T>::value) {
    out += R"({"type":"object","additionalProperties":)";
    write<typename T::mapped_type, kNumbers>(out);
    out += '}';
  } else {
    out += kNumbers == Numbers::any ? R"({"type":"object",)"
                                    : R"({"type":"object","additionalProperties":false,)";
    write_properties<T, kNumbers>(out);
    out += "}";
  }
}

}  // namespace schema

// Of a request: other fields are refused. With Numbers::any, of one whose numbers may be NaN.
template <class T, schema::Numbers kNumbers = schema::Numbers::finite>
std::string json_schema() {
  std::string out;
  schema::write<T, kNumbers>(out);
  return out;
}

// Of an answer: the fields of T beside the position that it reflects.
template <class T>
std::string answer_schema() {
  std::string out = R"({"type":"object","required":["position"],"properties":{"position":)"
                    R"({"type":"integer"}},"allOf":[)";
  schema::write<T, schema::Numbers::any>(out);
  return out + "]}";
}

}  // namespace mlforge::gateway
