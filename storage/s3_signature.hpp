// AWS Signature Version 4 as S3 has it ("Signature Calculations for the Authorization Header",
// Amazon S3 API Reference). Pure: the time comes in.
#pragma once
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mlforge::storage {

struct S3Credentials {
  std::string access_key, secret_key;
  std::string session_token;  // of temporary credentials; else empty
};

// What is asked of S3, before it is signed.
struct S3Request {
  std::string method;
  std::string host;  // as the Host header has it: with the port where it is not the scheme's own
  std::string path;  // decoded, begins with '/'
  std::vector<std::pair<std::string, std::string>> query;  // decoded
  // Names in lower case. All of them are signed; sign_s3() adds host and those that begin with
  // x-amz-.
  std::map<std::string, std::string> headers;
};

// Each byte but letters, digits and "-._~" as %XX; '/' stays where it separates the parts of a
// path.
std::string encode_s3(std::string_view text, bool keep_slashes);

// The path and the query as they stand in the request line: "/bucket/a%20b?uploads=".
std::string s3_target(const S3Request& request);

// Adds the headers host, x-amz-date, x-amz-content-sha256, x-amz-security-token (of temporary
// credentials) and authorization. `time`: UTC, "20130524T000000Z". `payload_sha256`: 64 hexadecimal
// digits of the body.
void sign_s3(S3Request& request, const S3Credentials& credentials, std::string_view region,
             std::string_view time, std::string_view payload_sha256);

}  // namespace mlforge::storage
