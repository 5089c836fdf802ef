// The fields of a protobuf message as they travel, one after the other
// (https://protobuf.dev/programming-guides/encoding/).
#pragma once
#include <cstdint>
#include <string_view>

namespace mlforge::gateway::mlflow {

class ProtobufReader {
 public:
  explicit ProtobufReader(std::string_view bytes) : left_(bytes) {}

  // False at the end, and where the bytes are no message (then failed() too).
  bool next() {
    std::uint64_t key = 0;
    if (left_.empty() || failed_ || !varint(key)) return false;
    field_ = key >> 3;
    wire_ = static_cast<unsigned>(key & 7);
    if (field_ == 0) return fail();
    switch (wire_) {
      case 0:
        return varint(number_);
      case 1:
        return fixed(8);
      case 2: {
        std::uint64_t size = 0;
        if (!varint(size) || size > left_.size()) return fail();
        bytes_ = left_.substr(0, size);
        left_.remove_prefix(size);
        return true;
      }
      case 5:
        return fixed(4);
      default:
        return fail();
    }
  }

  bool failed() const { return failed_; }
  std::uint64_t field() const { return field_; }
  // Whether it is this field, with bytes (a text or a message) or as a number.
  bool is_bytes(std::uint64_t field) const { return field_ == field && wire_ == 2; }
  bool is_number(std::uint64_t field) const { return field_ == field && wire_ != 2; }
  std::string_view bytes() const { return bytes_; }
  std::uint64_t number() const { return number_; }  // a double or fixed: its bits

 private:
  bool fail() {
    failed_ = true;
    return false;
  }
  bool varint(std::uint64_t& out) {
    out = 0;
    for (unsigned shift = 0; shift < 64 && !left_.empty(); shift += 7) {
      const auto byte = static_cast<std::uint8_t>(left_.front());
      left_.remove_prefix(1);
      out |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
      if (byte < 0x80) return true;
    }
    return fail();
  }
  bool fixed(std::size_t size) {
    if (left_.size() < size) return fail();
    number_ = 0;
    for (std::size_t i = 0; i < size; ++i)
      number_ |= static_cast<std::uint64_t>(static_cast<std::uint8_t>(left_[i])) << (8 * i);
    left_.remove_prefix(size);
    return true;
  }

  std::string_view left_, bytes_;
  std::uint64_t field_ = 0, number_ = 0;
  unsigned wire_ = 0;
  bool failed_ = false;
};

}  // namespace mlforge::gateway::mlflow
