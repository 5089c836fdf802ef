// The one table of error codes: what went wrong, as HTTP status and as exit code.
#pragma once
#include <array>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace mlforge {

enum class ErrorCode {
  invalid_argument,  // a value of the wrong type or out of range
  malformed,         // text that does not parse (JSON, YAML, CSV)
  unknown_field,     // a field that the request does not have
  unauthorized,
  forbidden,
  not_found,
  method_not_allowed,
  conflict,  // the state does not allow it
  already_exists,
  refused,  // a gate or a policy said no; the decision is in the log
  payload_too_large,
  unsupported_media_type,
  headers_too_large,
  too_many_requests,
  internal,
  corrupt,    // stored bytes do not match their checksum
  read_only,  // the log does not accept writes (full disk, failed sync)
  unavailable,
  timeout,
  request_timeout,        // the client sent too slowly
  range_not_satisfiable,  // a range behind the end of what it is asked of
  expectation_failed,     // an Expect header that is not understood
  upgrade_required,       // the path speaks another protocol
};

struct ErrorRow {
  ErrorCode code;
  std::string_view name;
  int http_status;
  int exit_code;  // 1 failed, 2 usage, 3 not found, 4 not allowed, 5 conflict
};

inline constexpr std::array kErrorTable{
    ErrorRow{ErrorCode::invalid_argument, "invalid_argument", 400, 2},
    ErrorRow{ErrorCode::malformed, "malformed", 400, 2},
    ErrorRow{ErrorCode::unknown_field, "unknown_field", 400, 2},
    ErrorRow{ErrorCode::unauthorized, "unauthorized", 401, 4},
    ErrorRow{ErrorCode::forbidden, "forbidden", 403, 4},
    ErrorRow{ErrorCode::not_found, "not_found", 404, 3},
    ErrorRow{ErrorCode::method_not_allowed, "method_not_allowed", 405, 2},
    ErrorRow{ErrorCode::conflict, "conflict", 409, 5},
    ErrorRow{ErrorCode::already_exists, "already_exists", 409, 5},
    ErrorRow{ErrorCode::refused, "refused", 409, 5},
    ErrorRow{ErrorCode::payload_too_large, "payload_too_large", 413, 2},
    ErrorRow{ErrorCode::unsupported_media_type, "unsupported_media_type", 415, 2},
    ErrorRow{ErrorCode::headers_too_large, "headers_too_large", 431, 2},
    ErrorRow{ErrorCode::too_many_requests, "too_many_requests", 429, 1},
    ErrorRow{ErrorCode::internal, "internal", 500, 1},
    ErrorRow{ErrorCode::corrupt, "corrupt", 500, 6},
    ErrorRow{ErrorCode::read_only, "read_only", 503, 1},
    ErrorRow{ErrorCode::unavailable, "unavailable", 503, 1},
    ErrorRow{ErrorCode::timeout, "timeout", 504, 1},
    ErrorRow{ErrorCode::request_timeout, "request_timeout", 408, 1},
    ErrorRow{ErrorCode::range_not_satisfiable, "range_not_satisfiable", 416, 2},
    ErrorRow{ErrorCode::expectation_failed, "expectation_failed", 417, 2},
    ErrorRow{ErrorCode::upgrade_required, "upgrade_required", 426, 2},
};

constexpr const ErrorRow& error_row(ErrorCode code) {
  for (const auto& row : kErrorTable)
    if (row.code == code) return row;
  return kErrorTable[14];
}

struct Error {
  ErrorCode code = ErrorCode::internal;
  std::string message;  // a sentence for a person: what is wrong and what would be right
  std::string field;    // the field it is about, dotted; empty where none is
};

// A value or an Error (std::expected is C++23). Access to the absent side is undefined.
template <class T>
class [[nodiscard]] Expected {
 public:
  Expected(T value) : value_(std::move(value)), has_value_(true) {}
  Expected(Error error) : error_(std::move(error)), has_value_(false) {}
  Expected(const Expected& other) requires std::is_copy_constructible_v<T> {
    put(other, other.has_value_);
  }
  Expected(Expected&& other) noexcept { put(std::move(other), other.has_value_); }
  Expected& operator=(Expected other) noexcept {
    drop();
    put(std::move(other), other.has_value_);
    return *this;
  }
  ~Expected() { drop(); }

  explicit operator bool() const { return has_value_; }
  bool has_value() const { return has_value_; }
  // Throws where there is none.
  T& value() {
    if (!has_value_) throw std::logic_error(error_.message);
    return value_;
  }
  T& operator*() & { return value_; }
  T&& operator*() && { return std::move(value_); }
  const T& operator*() const& { return value_; }
  T* operator->() { return std::addressof(value_); }
  const T* operator->() const { return std::addressof(value_); }
  Error& error() { return error_; }
  const Error& error() const { return error_; }

 private:
  template <class Other>
  void put(Other&& other, bool value) {
    has_value_ = value;
    if (value)
      ::new (static_cast<void*>(std::addressof(value_))) T(std::forward<Other>(other).value_);
    else
      ::new (static_cast<void*>(std::addressof(error_))) Error(std::forward<Other>(other).error_);
  }
  void drop() {
    if (has_value_)
      value_.~T();
    else
      error_.~Error();
  }

  union {
    T value_;
    Error error_;
  };
  bool has_value_;
};

using Status = std::optional<Error>;  // empty means that it went well

}  // namespace mlforge
