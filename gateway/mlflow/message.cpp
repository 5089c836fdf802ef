#include "gateway/mlflow/message.hpp"

#include <charconv>
#include <cmath>

#include "events/base64.hpp"
#include "events/checks.hpp"

namespace mlforge::gateway::mlflow {
namespace {

constexpr const char* kSeeDocs = " See the API docs for more information about request parameters.";

struct Row {
  ErrorCode code;
  const char* name;
  int status;
  const char* error_class = nullptr;  // as MLflow's server says it; not of all of them
};
constexpr Row kRows[] = {
    {ErrorCode::not_found, "RESOURCE_DOES_NOT_EXIST", 404, "RESOURCE_NOT_FOUND"},
    {ErrorCode::already_exists, "RESOURCE_ALREADY_EXISTS", 400, "RESOURCE_ALREADY_EXISTS"},
    {ErrorCode::invalid_argument, "INVALID_PARAMETER_VALUE", 400, "INVALID_PARAMETER_VALUE"},
    {ErrorCode::malformed, "INVALID_PARAMETER_VALUE", 400, "INVALID_PARAMETER_VALUE"},
    {ErrorCode::unknown_field, "INVALID_PARAMETER_VALUE", 400, "INVALID_PARAMETER_VALUE"},
    {ErrorCode::conflict, "INVALID_STATE", 400, "CLIENT_INTERNAL_ERROR"},
    {ErrorCode::refused, "PERMISSION_DENIED", 403, "PERMISSION_DENIED"},
    {ErrorCode::forbidden, "PERMISSION_DENIED", 403, "PERMISSION_DENIED"},
    {ErrorCode::unauthorized, "UNAUTHENTICATED", 401},
    {ErrorCode::method_not_allowed, "ENDPOINT_NOT_FOUND", 405, "RESOURCE_NOT_FOUND"},
    {ErrorCode::payload_too_large, "INVALID_PARAMETER_VALUE", 413, "INVALID_PARAMETER_VALUE"},
    {ErrorCode::too_many_requests, "REQUEST_LIMIT_EXCEEDED", 429},
    {ErrorCode::read_only, "TEMPORARILY_UNAVAILABLE", 503, "CLIENT_INTERNAL_ERROR"},
    {ErrorCode::unavailable, "TEMPORARILY_UNAVAILABLE", 503, "CLIENT_INTERNAL_ERROR"},
    {ErrorCode::timeout, "DEADLINE_EXCEEDED", 504},
    {ErrorCode::corrupt, "DATA_LOSS", 500},
    {ErrorCode::range_not_satisfiable, "INVALID_PARAMETER_VALUE", 416, "INVALID_PARAMETER_VALUE"}};

Row row_of(const Error& error) {
  // A condition of the request's headers that does not hold.
  if (error.code == ErrorCode::conflict &&
      (error.field == "X-Mlforge-Expect" || error.field == "Idempotency-Key"))
    return {error.code, "RESOURCE_CONFLICT", 409};
  for (const auto& row : kRows)
    if (row.code == error.code) return row;
  return {error.code, "INTERNAL_ERROR", 500, "CLIENT_INTERNAL_ERROR"};
}

const char* python_type(const simdjson::dom::element& value) {
  switch (value.type()) {
    case simdjson::dom::element_type::ARRAY:
      return "list";
    case simdjson::dom::element_type::OBJECT:
      return "dict";
    case simdjson::dom::element_type::INT64:
    case simdjson::dom::element_type::UINT64:
      return "int";
    case simdjson::dom::element_type::DOUBLE:
      return "float";
    case simdjson::dom::element_type::STRING:
      return "str";
    case simdjson::dom::element_type::BOOL:
      return "bool";
    default:
      return "NoneType";
  }
}

std::string camel_case(std::string_view name) {
  std::string out;
  bool upper = false;
  for (const char c : name) {
    if (c != '_') out += upper && c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
    upper = c == '_';
  }
  return out;
}

std::optional<std::int64_t> whole_number(double real) {
  if (real != std::floor(real) || std::abs(real) >= 9e18) return std::nullopt;
  return static_cast<std::int64_t>(real);
}

// Digits, or a whole number with an exponent.
std::optional<std::int64_t> to_integer(std::string_view text) {
  std::int64_t value = 0;
  const char* const last = text.data() + text.size();
  const auto [end, code] = std::from_chars(text.data(), last, value);
  if (code == std::errc{} && end == last) return value;
  double real = 0;
  const auto [stop, wrong] = std::from_chars(text.data(), last, real);
  return wrong == std::errc{} && stop == last && !text.empty() ? whole_number(real) : std::nullopt;
}

std::optional<double> to_number(std::string_view text) {
  if (text == "NaN" || text == "nan") return std::nan("");
  if (text == "Infinity" || text == "inf") return INFINITY;
  if (text == "-Infinity" || text == "-inf") return -INFINITY;
  double value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// What a page of another origin may send without being asked (text/plain, a form) is no message.
Status check_content_type(const http::Request& request) {
  if (request.method != http::Method::post) return {};
  const auto type = request.header("Content-Type");
  if (type.empty())
    return Error{ErrorCode::invalid_argument, "Bad Request. Content-Type header is missing.",
                 "Content-Type"};
  if (type.substr(0, type.find(';')) == "application/json") return {};
  return Error{ErrorCode::invalid_argument,
               "Bad Request. Content-Type must be one of ['application/json'].", "Content-Type"};
}

}  // namespace

http::Response error_response(const Error& error) {
  const auto row = row_of(error);
  std::string out;
  {
    Object body(out);
    body.text("error_code", row.name).text("message", error.message);
    const std::string_view kind = row.error_class ? row.error_class : "";
    if (!kind.empty())
      body.text("sqlstate", kind == "CLIENT_INTERNAL_ERROR" ? "XXM00" : "KAM00")
          .text("error_class", kind);
  }
  auto response = http::Response::json(std::move(out), row.status);
  if (row.status == 429 || row.status == 503) response.headers.emplace_back("Retry-After", "1");
  return response;
}

void fail(http::Reply& reply, const Error& error) { reply.send(error_response(error)); }

Fields::Fields(const http::Request& request) : shared_(std::make_shared<Shared>()) {
  if (auto bad = check_content_type(request)) set_error(*bad);
  if (request.body.empty()) {
    shared_->request = &request;
    return;
  }
  const auto element = codec::parse(request.body);
  simdjson::dom::object object;
  if (!element)
    set_error({ErrorCode::malformed, "Invalid request: " + element.error().message, ""});
  else if (element->get(object) != simdjson::SUCCESS)
    set_error({ErrorCode::malformed, "Invalid request: the body must be a JSON object", ""});
  else
    object_ = object;
}

std::optional<simdjson::dom::element> Fields::find(std::string_view name) const {
  if (!object_) return std::nullopt;
  simdjson::dom::element value;
  if (object_->at_key(name).get(value) != simdjson::SUCCESS &&
      (name.find('_') == name.npos ||
       object_->at_key(camel_case(name)).get(value) != simdjson::SUCCESS))
    return std::nullopt;
  return value.is_null() ? std::nullopt : std::optional(value);
}

std::optional<std::string_view> Fields::query(std::string_view name) const {
  return shared_->request && path_.empty() ? shared_->request->query(name) : std::nullopt;
}

bool Fields::has(std::string_view name) const { return find(name) || query(name); }

bool Fields::is_number(std::string_view name) const {
  const auto value = find(name);
  return value && value->is_number();
}

void Fields::set_error(Error error) {
  if (!shared_->error) shared_->error = std::move(error);
}

void Fields::missing(std::string_view name) {
  set_error({ErrorCode::invalid_argument,
             "Missing value for required parameter '" + full(name) + "'." + kSeeDocs, full(name)});
}

void Fields::wrong(std::string_view name, const simdjson::dom::element& value) {
  std::string shown(simdjson::minify(value));
  if (shown.size() > 500) shown = shown.substr(0, 500) + "...";
  set_error({ErrorCode::invalid_argument,
             "Invalid value " + shown + " for parameter '" + full(name) +
                 "' supplied:  Hint: Value was of type '" + python_type(value) + "'." + kSeeDocs,
             full(name)});
}

std::string Fields::text(std::string_view name, Need need) {
  std::string_view out;
  if (const auto value = find(name)) {
    if (value->get(out) != simdjson::SUCCESS) {
      wrong(name, *value);
      return {};
    }
  } else if (const auto parameter = query(name)) {
    out = *parameter;
  }
  if (out.empty() && need == Need::required) missing(name);
  return std::string(out);
}

std::string Fields::enumerator(std::string_view name) {
  if (!is_number(name)) return text(name);
  const auto number = integer(name);
  return number ? std::to_string(*number) : "";
}

std::optional<std::int64_t> Fields::integer(std::string_view name, Need need) {
  std::optional<std::int64_t> out;
  if (const auto value = find(name)) {
    std::int64_t whole = 0;
    double real = 0;
    std::string_view digits;
    if (value->get(whole) == simdjson::SUCCESS)
      out = whole;
    else if (value->get(digits) == simdjson::SUCCESS)
      out = to_integer(digits);
    else if (value->is_double() && value->get(real) == simdjson::SUCCESS)
      out = whole_number(real);
    if (!out) wrong(name, *value);
    return out;
  }
  if (const auto parameter = query(name)) {
    out = to_integer(*parameter);
    if (!out)
      set_error({ErrorCode::invalid_argument,
                 "Invalid value \"" + std::string(*parameter) + "\" for parameter '" + full(name) +
                     "' supplied:  Hint: Value was of type 'str'." + kSeeDocs,
                 full(name)});
    return out;
  }
  if (need == Need::required) missing(name);
  return out;
}

double Fields::number(std::string_view name, Need need) {
  if (const auto value = find(name)) {
    double out = 0;
    std::string_view written;
    if (value->is_number() && value->get(out) == simdjson::SUCCESS) return out;
    if (value->get(written) == simdjson::SUCCESS) {
      if (const auto real = to_number(written)) return *real;
      if (written.empty() && need == Need::required) {
        missing(name);
        return 0;
      }
    }
    wrong(name, *value);
    return 0;
  }
  if (need == Need::required) missing(name);
  return 0;
}

bool Fields::boolean(std::string_view name) {
  if (const auto value = find(name)) {
    bool out = false;
    if (value->get(out) != simdjson::SUCCESS) wrong(name, *value);
    return out;
  }
  const auto parameter = query(name);
  return parameter && (*parameter == "true" || *parameter == "True" || *parameter == "1");
}

std::vector<std::string> Fields::texts(std::string_view name, Need need) {
  std::vector<std::string> out;
  if (const auto value = find(name)) {
    simdjson::dom::array array;
    if (value->get(array) != simdjson::SUCCESS) {
      wrong(name, *value);
      return out;
    }
    for (const simdjson::dom::element each : array) {
      std::string_view item;
      if (each.get(item) != simdjson::SUCCESS)
        wrong(name, *value);
      else
        out.emplace_back(item);
    }
  } else if (shared_->request && path_.empty()) {
    for (const auto& parameter : shared_->request->query_params)
      if (parameter.name == name) out.emplace_back(parameter.value);
  }
  if (out.empty() && need == Need::required) missing(name);
  return out;
}

std::vector<Fields> Fields::list(std::string_view name, Need need) {
  std::vector<Fields> out;
  const auto value = find(name);
  if (!value && need == Need::required) missing(name);
  if (!value) return out;
  simdjson::dom::array array;
  if (value->get(array) != simdjson::SUCCESS) {
    wrong(name, *value);
    return out;
  }
  for (const simdjson::dom::element each : array) {
    simdjson::dom::object object;
    Fields fields(shared_, full(name) + "[" + std::to_string(out.size()) + "].");
    if (each.get(object) == simdjson::SUCCESS)
      fields.object_ = object;
    else
      wrong(name, *value);
    out.push_back(std::move(fields));
  }
  return out;
}

std::optional<simdjson::dom::array> Fields::array(std::string_view name) const {
  const auto value = find(name);
  simdjson::dom::array out;
  if (!value || value->get(out) != simdjson::SUCCESS) return std::nullopt;
  return out;
}

std::optional<simdjson::dom::object> Fields::object(std::string_view name) const {
  const auto value = find(name);
  simdjson::dom::object out;
  if (!value || value->get(out) != simdjson::SUCCESS) return std::nullopt;
  return out;
}

Texts Fields::dictionary(std::string_view name) {
  Texts out;
  const auto members = object(name);
  if (const auto value = find(name); value && !members) wrong(name, *value);
  if (!members) return out;
  for (const auto& [key, each] : *members) {
    std::string_view text;
    if (each.get(text) != simdjson::SUCCESS)
      wrong(name, each);
    else
      out.insert_or_assign(std::string(key), std::string(text));
  }
  return out;
}

Fields Fields::nested(std::string_view name) {
  Fields out(shared_, full(name) + ".");
  const auto value = find(name);
  simdjson::dom::object object;
  if (value && value->get(object) == simdjson::SUCCESS)
    out.object_ = object;
  else if (value)
    wrong(name, *value);
  return out;
}

std::vector<std::pair<std::string, std::string>> Fields::pairs(std::string_view name) {
  std::vector<std::pair<std::string, std::string>> out;
  for (auto& each : list(name)) {
    auto key = each.text("key", Need::required);
    out.emplace_back(std::move(key), each.text("value"));
  }
  return out;
}

Texts Fields::map(std::string_view name) {
  Texts out;
  for (auto& [key, value] : pairs(name)) out.insert_or_assign(std::move(key), std::move(value));
  return out;
}

void Object::begin(std::string_view name) {
  if (!first_) out_ += ',';
  first_ = false;
  append_json_string(out_, name);
  out_ += ':';
}

Object& Object::text(std::string_view name, std::string_view value) {
  begin(name);
  append_json_string(out_, value);
  return *this;
}

Object& Object::some_text(std::string_view name, std::string_view value) {
  return value.empty() ? *this : text(name, value);
}

Object& Object::integer(std::string_view name, std::int64_t value) {
  begin(name);
  append_json_int(out_, value);
  return *this;
}

Object& Object::number(std::string_view name, double value) {
  begin(name);
  append_json_double(out_, value);
  return *this;
}

Object& Object::boolean(std::string_view name, bool value) {
  begin(name);
  out_ += value ? "true" : "false";
  return *this;
}

Object& Object::pairs(std::string_view name, const Texts& texts) {
  return array(name, texts, [](std::string& out, const auto& each) {
    Object(out).text("key", each.first).text("value", each.second);
  });
}

std::int64_t milliseconds(std::string_view row_time) {
  const auto time = row_time.empty() ? std::nullopt : parse_time(row_time);
  return time ? (*time - (*time < 0 ? 999 : 0)) / 1000 : 0;
}

std::string page_token(std::size_t offset) {
  std::string out;
  append_base64(out, "{\"offset\": " + std::to_string(offset) + "}");
  return out;
}

Expected<std::size_t> page_offset(std::string_view token) {
  if (token.empty()) return std::size_t{0};
  const Error bad{ErrorCode::invalid_argument,
                  "Invalid page token, could not base64-decode or read an offset: it must be the "
                  "next_page_token of the page before",
                  "page_token"};
  const auto plain = parse_base64(token);
  if (!plain) return bad;
  const auto element = codec::parse(*plain);
  std::uint64_t offset = 0;
  if (!element || element->at_key("offset").get(offset) != simdjson::SUCCESS || offset > 1u << 31)
    return bad;
  return static_cast<std::size_t>(offset);
}

}  // namespace mlforge::gateway::mlflow
