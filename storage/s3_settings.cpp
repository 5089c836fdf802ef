#include "storage/s3_settings.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>

namespace mlforge::storage {
namespace s3_settings_of {
namespace {

constexpr std::string_view kScheme = "s3://";
constexpr unsigned kMostAttempts = 20;

Error wrong(std::string message, const char* field) {
  return {ErrorCode::invalid_argument, std::move(message), field};
}

bool is_true(const std::string& text) { return text == "true" || text == "True" || text == "1"; }

std::string first_set(const ReadVariable& variable, std::initializer_list<const char*> names) {
  for (const char* name : names)
    if (auto value = variable(name); !value.empty()) return value;
  return {};
}

Status read_place(std::string_view uri, S3Settings& out) {
  const auto rest = uri.substr(std::min(kScheme.size(), uri.size()));
  const auto slash = std::min(rest.find('/'), rest.size());
  out.bucket = rest.substr(0, slash);
  auto prefix = rest.substr(slash);
  while (prefix.starts_with('/')) prefix.remove_prefix(1);
  while (prefix.ends_with('/')) prefix.remove_suffix(1);
  out.prefix = prefix;
  const bool named = std::all_of(out.bucket.begin(), out.bucket.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_';
  });
  const bool printable = std::all_of(prefix.begin(), prefix.end(),
                                     [](unsigned char c) { return c >= 0x20 && c != 0x7f; });
  if (uri.starts_with(kScheme) && !out.bucket.empty() && named && printable &&
      prefix.find("//") == prefix.npos && prefix.find("?") == prefix.npos)
    return {};
  return wrong(fmt::format("artifacts_destination is '{}'; in S3 it is s3://BUCKET or "
                           "s3://BUCKET/PREFIX",
                           uri),
               "artifacts_destination");
}

// "http://host:9000/base" taken apart.
Status read_endpoint(std::string_view url, S3Settings& out) {
  const auto colon = url.find("://");
  out.scheme = url.substr(0, std::min(colon, url.size()));
  auto rest = colon == url.npos ? std::string_view{} : url.substr(colon + 3);
  while (rest.ends_with('/')) rest.remove_suffix(1);
  const auto slash = std::min(rest.find('/'), rest.size());
  out.host = rest.substr(0, slash);
  out.base_path = rest.substr(slash);
  const bool plain = std::all_of(rest.begin(), rest.end(), [](unsigned char c) {
    return c > 0x20 && c < 0x7f && c != '?' && c != '#' && c != '@';
  });
  if ((out.scheme == "http" || out.scheme == "https") && !out.host.empty() && plain) return {};
  return wrong(
      fmt::format("MLFLOW_S3_ENDPOINT_URL is '{}'; it is a URL such as http://127.0.0.1:9000", url),
      "MLFLOW_S3_ENDPOINT_URL");
}

// As boto3's own choice: the bucket is part of Amazon's host names, where it can be one, and part
// of the path everywhere else.
Status choose_host(const ReadVariable& variable, S3Settings& out) {
  const auto url =
      first_set(variable, {"MLFLOW_S3_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"});
  auto style = variable("MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE");
  if (!style.empty() && style != "auto" && style != "path" && style != "virtual")
    return wrong(fmt::format("MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE is '{}'; it is auto, path or "
                             "virtual",
                             style),
                 "MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE");
  if (!url.empty()) {
    if (auto bad = read_endpoint(url, out)) return bad;
    out.bucket_in_host = style == "virtual";
  } else {
    out.scheme = "https";
    out.host = "s3." + out.region + ".amazonaws.com" + (out.region.starts_with("cn-") ? ".cn" : "");
    const bool can_be = out.bucket.find_first_of("._") == out.bucket.npos &&
                        std::none_of(out.bucket.begin(), out.bucket.end(),
                                     [](char c) { return c >= 'A' && c <= 'Z'; });
    out.bucket_in_host = style != "path" && (style == "virtual" || can_be);
  }
  if (out.bucket_in_host) out.host = out.bucket + "." + out.host;
  return {};
}

}  // namespace
}  // namespace s3_settings_of

std::string environment_variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

bool is_s3_uri(std::string_view uri) { return uri.starts_with(s3_settings_of::kScheme); }

Expected<S3Settings> s3_settings(std::string_view uri, const ReadVariable& variable) {
  using namespace s3_settings_of;
  S3Settings out;
  if (auto bad = read_place(uri, out)) return *bad;
  out.credentials = {variable("AWS_ACCESS_KEY_ID"), variable("AWS_SECRET_ACCESS_KEY"),
                     variable("AWS_SESSION_TOKEN")};
  out.region = first_set(variable, {"AWS_REGION", "AWS_DEFAULT_REGION"});
  if (out.region.empty()) out.region = "us-east-1";
  if (auto bad = choose_host(variable, out)) return *bad;
  out.verify_tls = !is_true(variable("MLFLOW_S3_IGNORE_TLS"));
  out.ca_file = variable("AWS_CA_BUNDLE");
  if (const auto text = variable("AWS_MAX_ATTEMPTS"); !text.empty()) {
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), out.attempts);
    if (code != std::errc{} || end != text.data() + text.size() || out.attempts < 1 ||
        out.attempts > kMostAttempts)
      return wrong(fmt::format("AWS_MAX_ATTEMPTS is '{}'; it is a whole number of 1 to {}", text,
                               kMostAttempts),
                   "AWS_MAX_ATTEMPTS");
  }
  return out;
}

}  // namespace mlforge::storage
