// Integers as they are stored: little-endian, at any alignment.
#pragma once
#include <bit>
#include <cstdint>
#include <cstring>

namespace mlforge::storage {

static_assert(std::endian::native == std::endian::little);

template <class T>
void store_le(std::uint8_t* at, T value) {
  std::memcpy(at, &value, sizeof value);
}

template <class T>
T load_le(const std::uint8_t* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

}  // namespace mlforge::storage
