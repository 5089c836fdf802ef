#include "gateway/mlflow/request_names.hpp"

#include <algorithm>
#include <charconv>

#include "events/checks.hpp"
#include "events/mlflow_checks.hpp"

namespace mlforge::gateway::mlflow {
namespace request_names_local {
namespace {

constexpr std::size_t kMostRunId = 256;

bool is_word(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         c == '-';
}

std::string_view trimmed(std::string_view text) {
  const auto from = text.find_first_not_of(" \t\r\n");
  if (from == text.npos) return {};
  return text.substr(from, text.find_last_not_of(" \t\r\n") - from + 1);
}

Error no_experiment(std::string_view text) {
  return {
      ErrorCode::invalid_argument,
      "Invalid experiment ID '" + std::string(text) + "'. Experiment ID must be a valid integer.",
      "experiment_id"};
}

int hex(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char l = static_cast<char>(c | 0x20);
  return l >= 'a' && l <= 'f' ? l - 'a' + 10 : -1;
}

}  // namespace
}  // namespace request_names_local

std::string fully_unquoted(std::string text) {
  using request_names_local::hex;
  for (;;) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
      const bool escape =
          text[i] == '%' && i + 2 < text.size() && hex(text[i + 1]) >= 0 && hex(text[i + 2]) >= 0;
      out += escape ? static_cast<char>(hex(text[i + 1]) << 4 | hex(text[i + 2])) : text[i];
      if (escape) i += 2;
    }
    if (out == text) return out;
    text = std::move(out);
  }
}

std::string read_run_id(Fields& fields) {
  const bool old = !fields.has("run_id") && fields.has("run_uuid");
  return fields.text(old ? "run_uuid" : "run_id", Need::required);
}

Status check_run_id(const std::string& id) {
  if (!check_name("run_id", id)) return {};
  return Error{ErrorCode::not_found, "Run with id=" + id + " not found", "run_id"};
}

Status check_strict_run_id(const std::string& id) {
  using namespace request_names_local;
  if (!id.empty() && id.size() <= kMostRunId && id.front() != '_' && id.front() != '-' &&
      std::all_of(id.begin(), id.end(), is_word))
    return check_run_id(id);
  std::string message = "Invalid value ";
  append_json_string(message, id);
  return Error{ErrorCode::invalid_argument, message + " for parameter 'run_id' supplied.",
               "run_id"};
}

Expected<std::string> experiment_id_of(std::string_view text) {
  using namespace request_names_local;
  auto digits = trimmed(text);
  const bool negative = digits.starts_with('-');
  if (negative || digits.starts_with('+')) digits.remove_prefix(1);
  if (digits.empty() || digits.find_first_not_of("0123456789") != digits.npos)
    return no_experiment(text);
  digits.remove_prefix(std::min(digits.find_first_not_of('0'), digits.size() - 1));
  return (negative && digits != "0" ? "-" : "") + std::string(digits);
}

std::string read_experiment_id(Fields& fields, Need need) {
  const auto text = fields.text("experiment_id", need);
  if (text.empty()) return {};
  auto id = experiment_id_of(text);
  if (id) return *std::move(id);
  fields.set_error(id.error());
  return {};
}

Status check_registered_name(const std::string& name) {
  if (!check_name("name", name, kMostModelNameBytes) && mlforge::mlflow::length(name) <= 256)
    return {};
  if (mlforge::mlflow::length(name) > 256)
    return Error{ErrorCode::not_found, "Registered Model with name=" + name + " not found", "name"};
  return mlforge::mlflow::check_model_name(name);
}

std::uint64_t read_version(Fields& fields) {
  if (fields.is_number("version")) {
    const auto number = fields.integer("version", Need::required).value_or(0);
    return number < 0 ? 0 : static_cast<std::uint64_t>(number);
  }
  const auto text = fields.text("version", Need::required);
  const auto digits = request_names_local::trimmed(text);
  std::int64_t value = 0;
  const auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  const bool whole = !digits.empty() && end == digits.data() + digits.size();
  if (whole && code == std::errc::result_out_of_range) return 0;
  if (!whole || code != std::errc{})
    fields.set_error({ErrorCode::invalid_argument,
                      "Parameter 'version' must be an integer, got '" + text + "'.", "version"});
  return value < 0 ? 0 : static_cast<std::uint64_t>(value);
}

}  // namespace mlforge::gateway::mlflow
