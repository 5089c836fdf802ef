// Names for the members of a struct, said once: codec, schema and documents derive from them.
#pragma once
#include <cstddef>
#include <string_view>
#include <type_traits>
#include <utility>

namespace mlforge {

template <class C, class M>
struct Field {
  using Type = M;
  std::string_view name;
  M C::*member;
  bool required;
  bool personal = false;
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

// A field that may hold what has to be erased some day: where the request names a subject, it is
// encrypted under the subject's key before it is stored (docs/erasure.md). Texts and maps of texts.
template <class C, class M>
constexpr Field<C, M> personal(std::string_view name, M C::*member) {
  return {name, member, false, true};
}
template <class C, class M>
constexpr Field<C, M> required_personal(std::string_view name, M C::*member) {
  return {name, member, true, true};
}

template <std::size_t I, class F>
struct FieldSlot {
  F field;
};
template <class Places, class... F>
struct FieldSlots;
template <std::size_t... I, class... F>
struct FieldSlots<std::index_sequence<I...>, F...> : FieldSlot<I, F>... {
  static constexpr std::size_t size = sizeof...(F);
  template <class Visit>
  constexpr decltype(auto) apply(Visit&& visit) const {
    return visit(static_cast<const FieldSlot<I, F>&>(*this).field...);
  }
};

// The list that fields() returns. With a std::tuple in its place the vocabulary takes gcc twice as
// long.
template <class... F>
struct FieldList : FieldSlots<std::index_sequence_for<F...>, F...> {
  constexpr explicit FieldList(F... f) : FieldSlots<std::index_sequence_for<F...>, F...>{{f}...} {}
};

// The I-th field of a list.
template <std::size_t I, class F>
constexpr F slot(const FieldSlot<I, F>& of) {
  return of.field;
}

template <class T>
concept HasFields = requires {
  T::fields();
};

template <HasFields T, class F>
constexpr void for_each_field(F&& f) {
  T::fields().apply([&](const auto&... each) { (f(each), ...); });
}

}  // namespace mlforge
