#include "storage/s3_signature.hpp"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <array>

#include "storage/digest.hpp"

namespace mlforge::storage {
namespace {

std::string hmac(std::string_view key, std::string_view text) {
  std::array<unsigned char, 32> out{};
  unsigned int size = out.size();
  const auto bytes = as_bytes(text);
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), bytes.data(), bytes.size(),
       out.data(), &size);
  return {reinterpret_cast<const char*>(out.data()), out.size()};
}

std::string hex_of(std::string_view bytes) {
  std::string out;
  for (const unsigned char c : bytes) {
    out += "0123456789abcdef"[c >> 4];
    out += "0123456789abcdef"[c & 15];
  }
  return out;
}

std::string canonical_query(const S3Request& request) {
  std::vector<std::pair<std::string, std::string>> pairs;
  for (const auto& [name, value] : request.query)
    pairs.emplace_back(encode_s3(name, false), encode_s3(value, false));
  std::sort(pairs.begin(), pairs.end());
  std::string out;
  for (const auto& [name, value] : pairs) out += (out.empty() ? "" : "&") + name + "=" + value;
  return out;
}

// Blanks at both ends go, those in between become one.
std::string trimmed(std::string_view value) {
  std::string out;
  for (const char c : value)
    if (c != ' ' || (!out.empty() && out.back() != ' ')) out += c;
  while (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

}  // namespace

std::string encode_s3(std::string_view text, bool keep_slashes) {
  std::string out;
  for (const unsigned char c : text) {
    const bool plain = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '.' || c == '_' || c == '~';
    if (plain || (c == '/' && keep_slashes)) {
      out += static_cast<char>(c);
    } else {
      out += '%';
      out += "0123456789ABCDEF"[c >> 4];
      out += "0123456789ABCDEF"[c & 15];
    }
  }
  return out;
}

std::string s3_target(const S3Request& request) {
  const auto query = canonical_query(request);
  return encode_s3(request.path, true) + (query.empty() ? "" : "?" + query);
}

void sign_s3(S3Request& request, const S3Credentials& credentials, std::string_view region,
             std::string_view time, std::string_view payload_sha256) {
  auto& headers = request.headers;
  headers["host"] = request.host;
  headers["x-amz-date"] = time;
  headers["x-amz-content-sha256"] = payload_sha256;
  if (!credentials.session_token.empty())
    headers["x-amz-security-token"] = credentials.session_token;
  std::string canonical = request.method + "\n" + encode_s3(request.path, true) + "\n" +
                          canonical_query(request) + "\n";
  std::string names;
  for (const auto& [name, value] : headers) {
    canonical += name + ":" + trimmed(value) + "\n";
    names += (names.empty() ? "" : ";") + name;
  }
  canonical += "\n" + names + "\n" + std::string(payload_sha256);
  const std::string day(time.substr(0, 8));
  const auto scope = day + "/" + std::string(region) + "/s3/aws4_request";
  const auto text = "AWS4-HMAC-SHA256\n" + std::string(time) + "\n" + scope + "\n" +
                    to_string(sha256(as_bytes(canonical)));
  const auto key =
      hmac(hmac(hmac(hmac("AWS4" + credentials.secret_key, day), region), "s3"), "aws4_request");
  headers["authorization"] = "AWS4-HMAC-SHA256 Credential=" + credentials.access_key + "/" + scope +
                             ",SignedHeaders=" + names + ",Signature=" + hex_of(hmac(key, text));
}

}  // namespace mlforge::storage
