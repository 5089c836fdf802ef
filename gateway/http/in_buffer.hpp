// Bytes received and not yet used, contiguous. Grows to what a request needs and shrinks between
// requests.
#pragma once
#include <cstring>
#include <memory>
#include <string_view>

namespace mlforge::http {

class InBuffer {
 public:
  static constexpr std::size_t kBase = 16 << 10;
  static constexpr std::size_t kKept = 128 << 10;  // larger ones are given back when empty

  std::size_t size() const { return end_ - begin_; }
  bool empty() const { return begin_ == end_; }
  const char* data() const { return bytes_.get() + begin_; }
  std::string_view view() const { return {data(), size()}; }

  // Room for `total` bytes counted from the first unused one. Moves the bytes: views into them end.
  void reserve(std::size_t total) {
    if (begin_ + total <= capacity_) return;
    if (total <= capacity_) {
      std::memmove(bytes_.get(), bytes_.get() + begin_, size());
    } else {
      std::unique_ptr<char[]> bigger(new char[total]);
      if (size()) std::memcpy(bigger.get(), data(), size());
      bytes_ = std::move(bigger);
      capacity_ = total;
    }
    end_ -= begin_;
    begin_ = 0;
  }

  char* tail() { return bytes_.get() + end_; }
  std::size_t room() const { return capacity_ - end_; }
  void commit(std::size_t n) { end_ += n; }

  void consume(std::size_t n) {
    begin_ += n;
    if (begin_ == end_) begin_ = end_ = 0;
  }
  void shrink() {
    if (empty() && capacity_ > kKept) release();
  }
  void release() {
    bytes_.reset();
    capacity_ = begin_ = end_ = 0;
  }

 private:
  std::unique_ptr<char[]> bytes_;
  std::size_t capacity_ = 0, begin_ = 0, end_ = 0;
};

}  // namespace mlforge::http
