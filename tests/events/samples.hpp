// Values for every field of every event, without a second list: random ones from a seed, and one
// fixed sample of each type for the golden files.
#pragma once
#include <bit>
#include <cmath>
#include <cstdint>
#include <random>
#include <string>

#include "events/event_codec.hpp"

namespace mlforge::test {

// Calls visit(std::type_identity<E>{}) for every event that can be written.
template <class F>
void each_event_type(F&& visit) {
  for_each_type(EventTypes{}, [&]<class E>(std::type_identity<E> type) {
    if constexpr (!std::is_same_v<E, UnknownEvent>) visit(type);
  });
}

// Equal to the last bit: a NaN equals itself, and 0 is not -0.
template <class T>
bool same_bits(const T& x, const T& y) {
  if constexpr (std::is_same_v<T, double>) {
    return std::bit_cast<std::uint64_t>(x) == std::bit_cast<std::uint64_t>(y);
  } else if constexpr (HasFields<T>) {
    bool same = true;
    for_each_field<T>(
        [&](const auto& f) { same = same && same_bits(x.*(f.member), y.*(f.member)); });
    return same;
  } else if constexpr (codec::IsVector<T>::value) {
    bool same = x.size() == y.size();
    for (std::size_t i = 0; same && i < x.size(); ++i) same = same_bits(x[i], y[i]);
    return same;
  } else if constexpr (codec::IsMap<T>::value) {
    bool same = x.size() == y.size();
    for (auto i = x.begin(), j = y.begin(); same && i != x.end(); ++i, ++j)
      same = i->first == j->first && same_bits(i->second, j->second);
    return same;
  } else {
    return x == y;
  }
}

// Awkward values of every type. With `any_bits` doubles are drawn from all bit patterns, NaN
// payloads too (columns keep them); without, NaN is the one that JSON reads back.
class Random {
 public:
  Random(std::uint64_t seed, bool any_bits) : engine_(seed), any_bits_(any_bits) {}

  template <class T>
  void fill(T& out) {
    if constexpr (std::is_same_v<T, bool>) {
      out = engine_() & 1;
    } else if constexpr (std::is_integral_v<T>) {
      out = static_cast<T>(engine_() >> (engine_() % 64));
      if constexpr (std::is_signed_v<T>)
        if (engine_() & 1) out = ~out;
    } else if constexpr (std::is_same_v<T, double>) {
      out = real();
    } else if constexpr (std::is_same_v<T, std::string>) {
      out = text();
    } else if constexpr (codec::IsVector<T>::value) {
      out.resize(engine_() % 5);
      for (auto& each : out) fill(each);
      if (engine_() % 3 == 0) make_regular(out);
    } else if constexpr (codec::IsMap<T>::value) {
      for (auto count = engine_() % 5; count > 0; --count) fill(out[text()]);
    } else {
      for_each_field<T>([&](const auto& f) { fill(out.*(f.member)); });
    }
  }

 private:
  // As columns write in a shorter form: equal differences, or runs.
  void make_regular(std::vector<std::int64_t>& out) {
    if (out.size() < 2) return;
    const auto first = static_cast<std::uint64_t>(out[0]);
    const auto step = engine_() % 4 == 0 ? 0 : static_cast<std::uint64_t>(out[1]) - first;
    for (std::size_t i = 1; i < out.size(); ++i)
      out[i] = static_cast<std::int64_t>(first + i * step);
  }
  void make_regular(std::vector<std::string>& out) {
    for (std::size_t i = 1; i < out.size(); ++i)
      if (engine_() % 2 == 0) out[i] = out[i - 1];
  }
  template <class T>
  void make_regular(std::vector<T>&) {}

  double real() {
    const auto bits = std::bit_cast<double>(engine_());
    if (any_bits_) return bits;
    constexpr double inf = std::numeric_limits<double>::infinity();
    constexpr double odd[] = {0.0,
                              -0.0,
                              0.1,
                              inf,
                              -inf,
                              std::numeric_limits<double>::quiet_NaN(),
                              std::numeric_limits<double>::denorm_min(),
                              std::numeric_limits<double>::max()};
    // json_test.cpp has those that JSON does not bring back.
    const bool unreadable = bits != bits || (std::abs(bits) > 9e18 && std::abs(bits) < 1e22);
    return engine_() % 3 == 0 || unreadable ? odd[engine_() % std::size(odd)] : bits;
  }
  std::string text() {
    static const std::string parts[] = {
        "a", "\"",   "\\", "\n", "\t", std::string(1, '\0'), "\x1f",  "\x7f",
        "é", "日本", "😀",  "/",  " ",  "</script>",          "\u2028"};
    std::string out;
    for (auto count = engine_() % 6; count > 0; --count) out += parts[engine_() % std::size(parts)];
    return out;
  }

  std::mt19937_64 engine_;
  bool any_bits_;
};

// The same value for ever: what golden files hold. No field keeps its default, no two are equal.
class Sample {
 public:
  template <class E>
  static E of() {
    E event;
    Sample sample;
    sample.fill("", event);
    return event;
  }

 private:
  template <class T>
  void fill(const std::string& name, T& out) {
    if constexpr (std::is_same_v<T, bool>) {
      out = true;
    } else if constexpr (std::is_integral_v<T>) {
      out = static_cast<T>(++count_ * 1000 + 1);
    } else if constexpr (std::is_same_v<T, double>) {
      out = static_cast<double>(++count_) + 0.1;
    } else if constexpr (std::is_same_v<T, std::string>) {
      out = name + " \"" + std::to_string(++count_) + "\" é\n";
    } else if constexpr (codec::IsVector<T>::value) {
      out.resize(2);
      for (auto& each : out) fill(name, each);
    } else if constexpr (codec::IsMap<T>::value) {
      for (const char* key : {"one", "two"}) fill(name, out[key]);
    } else {
      for_each_field<T>([&](const auto& f) { fill(std::string(f.name), out.*(f.member)); });
    }
  }
  int count_ = 0;
};

}  // namespace mlforge::test
