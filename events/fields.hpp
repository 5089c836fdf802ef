// Names for the members of a struct, said once: codec, schema and documents derive from them.
#pragma once
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

namespace mlforge {

template <class C, class M>
struct Field {
  std::string_view name;
  M C::*member;
  bool required;
};

// A field that may be absent: it keeps its default.
template <class C, class M>
constexpr Field<C, M> field(std::string_view name, M C::*member) {
  return {name, member, false};
}

// A field that a request must carry.
template <class C, class M>
constexpr Field<C, M> required(std::string_view name, M C::*member) {
  return {name, member, true};
}

template <class T>
concept HasFields = requires {
  T::fields();
};

template <HasFields T, class F>
constexpr void for_each_field(F&& f) {
  std::apply([&](const auto&... each) { (f(each), ...); }, T::fields());
}

}  // namespace mlforge
