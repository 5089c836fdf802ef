// Requests to S3, one at a time a thread: signed, sent over kept connections, tried again where
// that may help.
#pragma once
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "events/error.hpp"
#include "storage/s3_settings.hpp"

namespace mlforge::storage {

struct S3Call {
  std::string method;
  std::string key;  // decoded; empty: of the bucket itself
  std::vector<std::pair<std::string, std::string>> query;
  std::map<std::string, std::string> headers;  // names in lower case
  std::string_view body;                       // lives until send() answers
  std::string body_sha256;                     // 64 digits, where they are known
  std::size_t most_bytes = 1 << 20;            // of the answer's body; more is an error
  bool once = false;                           // not tried again
  std::string* room = nullptr;  // its memory is taken for the answer's body, all at once
};

struct S3Answer {
  int status = 0;
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;

  bool ok() const { return status >= 200 && status < 300; }
  std::string header(const std::string& name) const;
  // Of the XML in the body: what stands in the first <name>; empty where there is none.
  std::string text_of(const std::string& name) const;
  // Content-Length of a HEAD's answer, or what stands behind the '/' of Content-Range.
  std::uint64_t object_bytes() const;
};

// All methods from any thread.
class S3Client {
 public:
  explicit S3Client(S3Settings settings);
  ~S3Client();
  S3Client(const S3Client&) = delete;
  S3Client& operator=(const S3Client&) = delete;

  const S3Settings& settings() const { return settings_; }

  // S3's answer, also one that refuses. `unavailable` where none could be had, or only such as say
  // that it may be tried again, after all attempts; the message names the destination. Blocks.
  Expected<S3Answer> send(const S3Call& call);

  // What a refusal means: `unavailable` with S3's code and words and the destination. `doing`:
  // "storing", "reading".
  Error refusal(const S3Answer& answer, std::string_view doing) const;

  // Ends all requests under way, and those to come, with `unavailable`.
  void stop();

 private:
  struct Attempt;
  // `in_vain` becomes true where another attempt would end in the same way.
  Expected<S3Answer> send_once(const S3Call& call, bool& in_vain);
  Error unreachable(std::string_view why) const;
  Error not_trusted(std::string_view why) const;
  bool wait_before(unsigned attempt);
  void* take_handle();
  void give_back(void* handle);

  const S3Settings settings_;
  std::mutex mutex_;
  std::condition_variable stopped_;
  std::atomic<bool> stopping_{false};
  std::vector<void*> handles_;  // CURL*, those that nobody uses
};

}  // namespace mlforge::storage
