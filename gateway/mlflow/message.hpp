// MLflow's messages as they travel: protobuf's JSON in, protobuf's JSON out.
//
// In: a JSON object, or a query string where a field that is a list is repeated. A 64-bit integer
// may be a number or a string of digits, names may be snake_case or camelCase, null is absent,
// unknown fields are passed over. Out: integers as numbers, names in snake_case, as MLflow's server
// has it.
#pragma once
#include <simdjson.h>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "events/vocabulary.hpp"
#include "gateway/http/reply.hpp"
#include "gateway/http/request.hpp"

namespace mlforge::gateway::mlflow {

// {"error_code","message"} with the HTTP status that goes with it.
http::Response error_response(const Error& error);
void fail(http::Reply& reply, const Error& error);

enum class Need { optional, required };

// The fields of one message. What is wrong is remembered, the first error only: read everything,
// then look at error(). Views into the request; not for longer than the handler's call.
class Fields {
 public:
  // The body, or the query string where there is none. Answers no fields, and an error, for a body
  // that is no JSON object.
  explicit Fields(const http::Request& request);

  bool has(std::string_view name) const;
  bool is_number(std::string_view name) const;  // in a body, not of a query string
  std::string text(std::string_view name, Need need = Need::optional);
  // An enum's name, or its number in digits; empty where it is absent.
  std::string enumerator(std::string_view name);
  std::optional<std::int64_t> integer(std::string_view name, Need need = Need::optional);
  double number(std::string_view name, Need need = Need::optional);
  bool boolean(std::string_view name);
  std::vector<std::string> texts(std::string_view name, Need need = Need::optional);
  std::vector<Fields> list(std::string_view name, Need need = Need::optional);
  // The same as it was parsed; nothing where it is absent or no list, or no object.
  std::optional<simdjson::dom::array> array(std::string_view name) const;
  std::optional<simdjson::dom::object> object(std::string_view name) const;
  Fields nested(std::string_view name);
  Texts dictionary(std::string_view name);  // {"key": "value", ...}
  // [{"key":..,"value":..}, ...]
  std::vector<std::pair<std::string, std::string>> pairs(std::string_view name);
  Texts map(std::string_view name);  // the same; the last of a key counts

  void set_error(Error error);
  const Status& error() const { return shared_->error; }

 private:
  struct Shared {
    const http::Request* request = nullptr;  // of a query string
    Status error;
  };
  Fields(std::shared_ptr<Shared> shared, std::string path)
      : shared_(std::move(shared)), path_(std::move(path)) {}
  std::optional<simdjson::dom::element> find(std::string_view name) const;
  std::optional<std::string_view> query(std::string_view name) const;
  std::string full(std::string_view name) const { return path_ + std::string(name); }
  void missing(std::string_view name);
  void wrong(std::string_view name, const simdjson::dom::element& value);

  std::shared_ptr<Shared> shared_;
  std::optional<simdjson::dom::object> object_;
  std::string path_;  // "metrics[3]."
};

// One JSON object being written; closed by its destructor.
class Object {
 public:
  explicit Object(std::string& out) : out_(out) { out_ += '{'; }
  ~Object() { out_ += '}'; }
  Object(const Object&) = delete;
  Object& operator=(const Object&) = delete;

  Object& text(std::string_view name, std::string_view value);
  Object& some_text(std::string_view name, std::string_view value);  // left out where empty
  Object& integer(std::string_view name, std::int64_t value);
  Object& number(std::string_view name, double value);
  Object& boolean(std::string_view name, bool value);
  Object& pairs(std::string_view name, const Texts& texts);  // [{"key":..,"value":..}]
  // A member whose value `write(std::string&)` appends.
  template <class Write>
  Object& raw(std::string_view name, Write write) {
    begin(name);
    write(out_);
    return *this;
  }
  // A list; left out where it has no items, as protobuf's JSON has it.
  template <class Items, class Write>
  Object& array(std::string_view name, const Items& items, Write write) {
    if (std::begin(items) == std::end(items)) return *this;
    begin(name);
    out_ += '[';
    bool first = true;
    for (const auto& item : items) {
      if (!first) out_ += ',';
      first = false;
      write(out_, item);
    }
    out_ += ']';
    return *this;
  }

 private:
  void begin(std::string_view name);
  std::string& out_;
  bool first_ = true;
};

// Milliseconds since 1970 of a row's time; 0 where it has none.
std::int64_t milliseconds(std::string_view row_time);

// Opaque to clients: base64 of {"offset": N}, as MLflow's. An empty token is the beginning.
std::string page_token(std::size_t offset);
Expected<std::size_t> page_offset(std::string_view token);

}  // namespace mlforge::gateway::mlflow
