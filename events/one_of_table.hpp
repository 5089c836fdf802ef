// What makes the table of a list's types, for the one source that holds it.
#pragma once
#include <new>

#include "events/one_of.hpp"

namespace mlforge::one_of {

template <class T>
constexpr Alternative alternative() {
  static_assert(std::is_nothrow_move_constructible_v<T>);
  return {[](void* to) { new (to) T(); },
          [](void* to, const void* from) { new (to) T(*static_cast<const T*>(from)); },
          [](void* to, void* from) { new (to) T(std::move(*static_cast<T*>(from))); },
          [](void* value) { static_cast<T*>(value)->~T(); }};
}

template <class... T>
constexpr std::array<Alternative, sizeof...(T)> table(const TypeList<T...>&) {
  return {alternative<T>()...};
}

}  // namespace mlforge::one_of
