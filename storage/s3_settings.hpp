// Where blobs lie in S3, and what it takes to get there: from a URI and the variables that boto3
// and MLflow read.
#pragma once
#include <chrono>
#include <functional>
#include <string>
#include <string_view>

#include "events/error.hpp"
#include "storage/s3_signature.hpp"

namespace mlforge::storage {

struct S3Settings {
  std::string bucket, prefix;  // the prefix without '/' at its ends; may be empty
  std::string scheme;          // "https" or "http"
  std::string host;            // of the endpoint, with its port where one is given
  std::string base_path;       // of the endpoint: "" or "/s3"
  bool bucket_in_host = false;
  std::string region;
  S3Credentials credentials;
  std::string ca_file;  // PEM; empty: the system's authorities
  bool verify_tls = true;
  unsigned attempts = 4;                      // of a request that S3 may answer another time
  std::chrono::milliseconds first_wait{200};  // before the second attempt; doubles
  std::chrono::milliseconds connect_timeout{5000};
  std::chrono::seconds stall_timeout{30};  // a connection that moves nothing for so long

  std::string uri() const { return "s3://" + bucket + (prefix.empty() ? "" : "/" + prefix); }
  std::string endpoint() const { return scheme + "://" + host + base_path; }
};

using ReadVariable = std::function<std::string(const char* name)>;  // "" where it is not set
std::string environment_variable(const char* name);

// `uri`: s3://bucket or s3://bucket/prefix. Read are AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY,
// AWS_SESSION_TOKEN, AWS_REGION or AWS_DEFAULT_REGION (else us-east-1), MLFLOW_S3_ENDPOINT_URL or
// AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL (else Amazon's), MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE,
// MLFLOW_S3_IGNORE_TLS, AWS_CA_BUNDLE and AWS_MAX_ATTEMPTS. invalid_argument says which of them is
// wrong. Keys that are missing are no error here.
Expected<S3Settings> s3_settings(std::string_view uri, const ReadVariable& variable);

bool is_s3_uri(std::string_view uri);

}  // namespace mlforge::storage
