// A value of one type out of a long list: what std::variant is for short ones. A variant compiles
// what copies, moves and destroys all its types wherever one is held, and its symbols spell them
// all out; here that is compiled once, where the list's table is (one_of_table.hpp).
#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <type_traits>
#include <utility>
#include <variant>

namespace mlforge {

template <class... T>
struct TypeList {
  static constexpr std::size_t size = sizeof...(T);
  static constexpr std::size_t bytes = std::max({sizeof(T)...});
};

// Calls f(std::type_identity<T>) for each of the list.
template <class F, class... T>
constexpr void for_each_type(const TypeList<T...>&, F&& f) {
  (f(std::type_identity<T>{}), ...);
}

// The place of a type in a list; the list's size where it is not there.
template <class E, class... T>
consteval std::size_t index_in(const TypeList<T...>&) {
  std::size_t at = 0;
  (void)((__is_same(E, T) ? true : (++at, false)) || ...);
  return at;
}
template <class E, class List>
inline constexpr std::size_t kIndexIn = index_in<E>(List{});
template <class E, class List>
concept IsOneOf = kIndexIn<E, List> < List::size;

// What is done with a type where only its place is known.
struct Alternative {
  void (*make)(void* to);
  void (*copy)(void* to, const void* from);
  void (*move)(void* to, void* from);  // noexcept; `from` stays to be destroyed
  void (*destroy)(void* value);
};

// By place. Each list that is used specializes it (one_of_table.hpp).
template <class List>
const Alternative* alternatives();

// `List` derives from a TypeList, so that it has a short name. Its types are copyable and default
// constructible, and moving one does not throw. Thread-safety: as of a struct.
template <class List>
class OneOf {
 public:
  OneOf() : OneOf(std::in_place, 0) {}
  // A default one of the type at that place.
  OneOf(std::in_place_t, std::size_t index) { make(index); }
  template <class E>
  requires IsOneOf<E, List> OneOf(E value)  // NOLINT(google-explicit-constructor)
      : index_(kIndexIn<E, List>) {
    table().move(bytes_, &value);
  }
  OneOf(const OneOf& other) : index_(other.index_) { table().copy(bytes_, other.bytes_); }
  OneOf(OneOf&& other) noexcept : index_(other.index_) { table().move(bytes_, other.bytes_); }
  OneOf& operator=(const OneOf& other) { return *this = OneOf(other); }
  OneOf& operator=(OneOf&& other) noexcept {
    if (this == &other) return *this;
    table().destroy(bytes_);
    index_ = other.index_;
    table().move(bytes_, other.bytes_);
    return *this;
  }
  ~OneOf() { table().destroy(bytes_); }

  std::size_t index() const { return index_; }
  void* data() { return bytes_; }
  const void* data() const { return bytes_; }

  // A default one of the type at that place, instead of what is there. What making it throws leaves
  // what was there.
  void* emplace(std::size_t index) {
    *this = OneOf(std::in_place, index);
    return bytes_;
  }

 private:
  const Alternative& table() const { return alternatives<List>()[index_]; }
  void make(std::size_t index) {
    index_ = index;
    table().make(bytes_);
  }

  std::size_t index_;
  alignas(std::max_align_t) std::byte bytes_[List::bytes];
};

template <class E, class List>
requires IsOneOf<E, List>
bool holds_alternative(const OneOf<List>& value) { return value.index() == kIndexIn<E, List>; }

template <class E, class List>
requires IsOneOf<E, List> E* get_if(OneOf<List>* value) {
  return holds_alternative<E>(*value) ? static_cast<E*>(value->data()) : nullptr;
}
template <class E, class List>
requires IsOneOf<E, List>
const E* get_if(const OneOf<List>* value) {
  return holds_alternative<E>(*value) ? static_cast<const E*>(value->data()) : nullptr;
}

// Throws std::bad_variant_access where it is of another type.
template <class E, class List>
requires IsOneOf<E, List>
const E& get(const OneOf<List>& value) {
  const E* found = get_if<E>(&value);
  if (!found) throw std::bad_variant_access();
  return *found;
}
template <class E, class List>
requires IsOneOf<E, List> E && get(OneOf<List>&& value) {
  return std::move(const_cast<E&>(get<E>(std::as_const(value))));
}

namespace one_of {

template <class Void, class T>
using LikeVoid = std::conditional_t<std::is_const_v<Void>, const T, T>;

template <class R, class F, class E, class Void>
R call(F& f, Void* value) {
  return f(*static_cast<E*>(value));
}
// Null for a type that `f` does not take.
template <class R, class F, class E, class Void>
constexpr auto call_if_taken() -> R (*)(F&, Void*) {
  if constexpr (std::is_invocable_v<F&, E&>)
    return &call<R, F, E, Void>;
  else
    return nullptr;
}

template <class R, class F, class Void, class... T>
constexpr std::array<R (*)(F&, Void*), sizeof...(T)> calls(const TypeList<T...>&) {
  return {&call<R, F, LikeVoid<Void, T>, Void>...};
}
template <class F, class... T>
constexpr std::array<void (*)(F&, const void*), sizeof...(T)> calls_if_taken(
    const TypeList<T...>&) {
  return {call_if_taken<void, F, const T, const void>()...};
}

template <class R, class F, class Void, class List>
inline constexpr auto kCalls = calls<R, F, Void>(List{});
template <class F, class List>
inline constexpr auto kCallsIfTaken = calls_if_taken<F>(List{});

template <class First, class... T>
First first(const TypeList<First, T...>&);
template <class F, class Void, class List>
using Result = std::invoke_result_t<F&, LikeVoid<Void, decltype(first(List{}))>&>;

}  // namespace one_of

// Calls `f` with the value as what it is and gives what that returns: one type for all.
template <class F, class List>
auto visit(F&& f, const OneOf<List>& value) {
  using Function = std::remove_reference_t<F>;
  using R = one_of::Result<Function, const void, List>;
  return one_of::kCalls<R, Function, const void, List>[value.index()](f, value.data());
}
template <class F, class List>
auto visit(F&& f, OneOf<List>& value) {
  using Function = std::remove_reference_t<F>;
  using R = one_of::Result<Function, void, List>;
  return one_of::kCalls<R, Function, void, List>[value.index()](f, value.data());
}

// The same where `f` does not take every type. Says whether it takes this one.
template <class F, class List>
bool offer(F&& f, const OneOf<List>& value) {
  const auto call = one_of::kCallsIfTaken<std::remove_reference_t<F>, List>[value.index()];
  if (call) call(f, value.data());
  return call != nullptr;
}

}  // namespace mlforge
