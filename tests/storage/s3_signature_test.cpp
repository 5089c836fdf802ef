#include "storage/s3_signature.hpp"

#include <catch2/catch.hpp>

#include "storage/digest.hpp"
#include "storage/s3_client.hpp"
#include "storage/s3_settings.hpp"

using namespace mlforge;
using namespace mlforge::storage;

namespace {

// The examples of "Signature Calculations for the Authorization Header" in Amazon's reference, with
// the keys that they are computed with.
const S3Credentials kExample{"AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
                             ""};

std::string signature_of(S3Request request, std::string_view body = {}) {
  sign_s3(request, kExample, "us-east-1", "20130524T000000Z", to_string(sha256(as_bytes(body))));
  const auto& line = request.headers["authorization"];
  return line.substr(line.rfind('=') + 1);
}

S3Request asked(std::string method, std::string path) {
  return {std::move(method), "examplebucket.s3.amazonaws.com", std::move(path), {}, {}};
}

ReadVariable variables(std::map<std::string, std::string> set) {
  return [set = std::move(set)](const char* name) {
    const auto at = set.find(name);
    return at == set.end() ? std::string() : at->second;
  };
}

}  // namespace

TEST_CASE("Requests to S3 are signed as Amazon's examples are", "[s3]") {
  auto get = asked("GET", "/test.txt");
  get.headers["range"] = "bytes=0-9";
  CHECK(signature_of(get) == "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
  auto put = asked("PUT", "/test$file.text");
  put.headers = {{"date", "Fri, 24 May 2013 00:00:00 GMT"},
                 {"x-amz-storage-class", "REDUCED_REDUNDANCY"}};
  CHECK(signature_of(put, "Welcome to Amazon S3.") ==
        "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
  auto lifecycle = asked("GET", "/");
  lifecycle.query = {{"lifecycle", ""}};
  CHECK(signature_of(lifecycle) ==
        "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
  auto list = asked("GET", "/");
  list.query = {{"prefix", "J"}, {"max-keys", "2"}};
  CHECK(signature_of(list) == "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

TEST_CASE("Paths and queries of S3 are encoded byte by byte", "[s3]") {
  CHECK(encode_s3("a b/ü+%~", true) == "a%20b/%C3%BC%2B%25~");
  CHECK(encode_s3("a/b", false) == "a%2Fb");
  auto request = asked("GET", "/b/t-%41/x y");
  request.query = {{"uploadId", "a+b/="}, {"partNumber", "1"}};
  CHECK(s3_target(request) == "/b/t-%2541/x%20y?partNumber=1&uploadId=a%2Bb%2F%3D");
}

TEST_CASE("Temporary credentials are part of what is signed", "[s3]") {
  auto request = asked("GET", "/x");
  S3Credentials credentials = kExample;
  credentials.session_token = "token";
  sign_s3(request, credentials, "us-east-1", "20130524T000000Z", to_string(sha256({})));
  CHECK(request.headers["x-amz-security-token"] == "token");
  CHECK(request.headers["authorization"].find(";x-amz-security-token,") != std::string::npos);
}

TEST_CASE("A destination in S3 is found by the variables that MLflow and boto3 read", "[s3]") {
  const auto amazon = s3_settings("s3://models/a/b/", variables({{"AWS_REGION", "eu-west-1"}}));
  REQUIRE(amazon);
  CHECK(amazon->endpoint() == "https://models.s3.eu-west-1.amazonaws.com");
  CHECK(amazon->uri() == "s3://models/a/b");
  CHECK(amazon->verify_tls);
  const auto own =
      s3_settings("s3://models", variables({{"MLFLOW_S3_ENDPOINT_URL", "http://127.0.0.1:9000/"},
                                            {"AWS_ENDPOINT_URL", "http://elsewhere"},
                                            {"AWS_DEFAULT_REGION", "mars-1"},
                                            {"AWS_ACCESS_KEY_ID", "me"},
                                            {"AWS_SECRET_ACCESS_KEY", "secret"},
                                            {"AWS_SESSION_TOKEN", "token"},
                                            {"MLFLOW_S3_IGNORE_TLS", "true"}}));
  REQUIRE(own);
  CHECK(own->endpoint() == "http://127.0.0.1:9000");
  CHECK_FALSE(own->bucket_in_host);
  CHECK(own->region == "mars-1");
  CHECK(own->credentials.access_key == "me");
  CHECK(own->credentials.session_token == "token");
  CHECK_FALSE(own->verify_tls);
  CHECK(own->prefix.empty());
  const auto dotted = s3_settings("s3://my.models", variables({}));
  REQUIRE(dotted);
  CHECK(dotted->endpoint() == "https://s3.us-east-1.amazonaws.com");
}

TEST_CASE("A destination or variable that cannot be right is refused by name", "[s3]") {
  for (const char* uri :
       {"s3://", "s3:///prefix", "s3://a b", "s3://a/b//c", "gs://a", "s3://a/b\n"})
    CHECK_FALSE(s3_settings(uri, variables({})));
  const auto field = [](const char* name, const char* value) {
    const auto bad = s3_settings("s3://a", variables({{name, value}}));
    return bad ? std::string() : bad.error().field;
  };
  CHECK(field("MLFLOW_S3_ENDPOINT_URL", "127.0.0.1:9000") == "MLFLOW_S3_ENDPOINT_URL");
  CHECK(field("MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE", "sub") ==
        "MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE");
  CHECK(field("AWS_MAX_ATTEMPTS", "0") == "AWS_MAX_ATTEMPTS");
}
