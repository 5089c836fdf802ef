#include "storage/s3_client.hpp"

#include <curl/curl.h>
#include <fmt/format.h>

#include <charconv>
#include <ctime>
#include <random>

#include "storage/digest.hpp"

namespace mlforge::storage {
namespace s3_client {
namespace {

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  char out[32];
  std::strftime(out, sizeof out, "%Y%m%dT%H%M%SZ", &parts);
  return out;
}

// Of a request that is under way.
struct Transfer {
  S3Answer answer;
  std::size_t most_bytes = 0;
  const std::atomic<bool>* stopping = nullptr;
  bool too_long = false;
};

std::size_t take_body(char* data, std::size_t size, std::size_t count, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  const std::size_t bytes = size * count;
  if (transfer.answer.body.size() + bytes > transfer.most_bytes) {
    transfer.too_long = true;
    return 0;
  }
  transfer.answer.body.append(data, bytes);
  return bytes;
}

std::size_t take_header(char* data, std::size_t size, std::size_t count, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  std::string_view line(data, size * count);
  while (!line.empty() && (line.back() == '\r' || line.back() == '\n')) line.remove_suffix(1);
  const auto colon = line.find(':');
  if (colon == line.npos) {  // a status line: what an interim answer said is over
    if (line.starts_with("HTTP/")) transfer.answer.headers.clear();
    return size * count;
  }
  std::string name(line.substr(0, colon));
  for (char& c : name)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  line.remove_prefix(colon + 1);
  while (line.starts_with(' ')) line.remove_prefix(1);
  transfer.answer.headers[std::move(name)] = line;
  return size * count;
}

int look_up(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return static_cast<Transfer*>(user)->stopping->load() ? 1 : 0;
}

bool may_be_tried_again(const S3Answer& answer) {
  if (answer.status == 429 || answer.status >= 500) return answer.status != 501;
  const auto code = answer.status == 400 ? answer.text_of("Code") : std::string();
  return code == "RequestTimeout";
}

std::string hint(const S3Answer& answer, const std::string& code) {
  if (code == "NoSuchBucket") return "Make the bucket, or name another one.";
  if (answer.status == 301 || code == "AuthorizationHeaderMalformed") {
    const auto region = answer.header("x-amz-bucket-region");
    return "AWS_REGION must be the bucket's" + (region.empty() ? "." : ", " + region + ".");
  }
  if (answer.status == 401 || answer.status == 403)
    return "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY must be of a key that may list this "
           "bucket, "
           "and read and write there.";
  return "Once S3 answers again it may be tried again.";
}

}  // namespace
}  // namespace s3_client

std::string S3Answer::header(const std::string& name) const {
  const auto at = headers.find(name);
  return at == headers.end() ? std::string() : at->second;
}

std::string S3Answer::text_of(const std::string& name) const {
  const auto open = "<" + name + ">";
  const auto begin = body.find(open);
  const auto end = begin == body.npos ? begin : body.find("</" + name + ">", begin);
  if (end == body.npos) return {};
  return body.substr(begin + open.size(), end - begin - open.size());
}

std::uint64_t S3Answer::object_bytes() const {
  const auto range = header("content-range");
  const auto text = range.empty() ? header("content-length") : range.substr(range.rfind('/') + 1);
  std::uint64_t bytes = 0;
  std::from_chars(text.data(), text.data() + text.size(), bytes);
  return bytes;
}

struct S3Client::Attempt {
  explicit Attempt(S3Client& client) : owner(client), handle(client.take_handle()) {}
  ~Attempt() {
    curl_slist_free_all(lines);
    if (handle) owner.give_back(handle);
  }
  Attempt(const Attempt&) = delete;
  Attempt& operator=(const Attempt&) = delete;

  void set_request(const S3Request& request, const S3Call& call);
  void set_receivers(const S3Call& call);
  void set_limits();

  S3Client& owner;
  CURL* handle;
  curl_slist* lines = nullptr;
  s3_client::Transfer transfer;
  char words[CURL_ERROR_SIZE] = "";  // what a failure was, where curl knows more than its code
};

void S3Client::Attempt::set_request(const S3Request& request, const S3Call& call) {
  const auto add_line = [this](const std::string& line) {
    lines = curl_slist_append(lines, line.c_str());
  };
  for (const auto& [name, value] : request.headers) add_line(name + ": " + value);
  add_line("Expect:");  // without them curl adds its own
  add_line("Accept:");
  if (!request.headers.contains("content-type")) add_line("Content-Type:");
  const auto url = owner.settings_.scheme + "://" + request.host + s3_target(request);
  curl_easy_setopt(handle, CURLOPT_URL, url.c_str());
  curl_easy_setopt(handle, CURLOPT_PATH_AS_IS, 1L);
  curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(handle, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(handle, CURLOPT_USERAGENT, "mlforge");
  curl_easy_setopt(handle, CURLOPT_HTTPHEADER, lines);
  if (call.method == "HEAD") {
    curl_easy_setopt(handle, CURLOPT_NOBODY, 1L);
    return;
  }
  if (call.method == "PUT" || call.method == "POST") {
    const auto bytes = static_cast<curl_off_t>(call.body.size());
    curl_easy_setopt(handle, CURLOPT_POST, 1L);
    curl_easy_setopt(handle, CURLOPT_POSTFIELDS, call.body.empty() ? "" : call.body.data());
    curl_easy_setopt(handle, CURLOPT_POSTFIELDSIZE_LARGE, bytes);
  }
  curl_easy_setopt(handle, CURLOPT_CUSTOMREQUEST, call.method.c_str());
}

void S3Client::Attempt::set_receivers(const S3Call& call) {
  transfer.most_bytes = call.most_bytes;
  if (call.room) {
    transfer.answer.body = std::move(*call.room);
    transfer.answer.body.clear();
    transfer.answer.body.reserve(call.most_bytes);
  }
  transfer.stopping = &owner.stopping_;
  curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, &s3_client::take_body);
  curl_easy_setopt(handle, CURLOPT_WRITEDATA, &transfer);
  curl_easy_setopt(handle, CURLOPT_HEADERFUNCTION, &s3_client::take_header);
  curl_easy_setopt(handle, CURLOPT_HEADERDATA, &transfer);
  curl_easy_setopt(handle, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(handle, CURLOPT_XFERINFOFUNCTION, &s3_client::look_up);
  curl_easy_setopt(handle, CURLOPT_XFERINFODATA, &transfer);
  curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, words);
}

void S3Client::Attempt::set_limits() {
  const auto& settings = owner.settings_;
  curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT_MS,
                   static_cast<long>(settings.connect_timeout.count()));
  curl_easy_setopt(handle, CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(handle, CURLOPT_LOW_SPEED_TIME,
                   static_cast<long>(settings.stall_timeout.count()));
  curl_easy_setopt(handle, CURLOPT_TCP_NODELAY, 1L);
  curl_easy_setopt(handle, CURLOPT_BUFFERSIZE, 256L << 10);
  if (!settings.ca_file.empty()) curl_easy_setopt(handle, CURLOPT_CAINFO, settings.ca_file.c_str());
  if (settings.verify_tls) return;
  curl_easy_setopt(handle, CURLOPT_SSL_VERIFYPEER, 0L);
  curl_easy_setopt(handle, CURLOPT_SSL_VERIFYHOST, 0L);
}

S3Client::S3Client(S3Settings settings) : settings_(std::move(settings)) {
  static const auto started = curl_global_init(CURL_GLOBAL_DEFAULT);
  (void)started;
}

S3Client::~S3Client() {
  for (void* each : handles_) curl_easy_cleanup(each);
}

void S3Client::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  stopped_.notify_all();
}

void* S3Client::take_handle() {
  {
    const std::lock_guard lock(mutex_);
    if (!handles_.empty()) {
      void* handle = handles_.back();
      handles_.pop_back();
      return handle;
    }
  }
  return curl_easy_init();
}

// Its connections stay open for the next request.
void S3Client::give_back(void* handle) {
  curl_easy_reset(handle);
  const std::lock_guard lock(mutex_);
  handles_.push_back(handle);
}

Error S3Client::unreachable(std::string_view why) const {
  return {
      ErrorCode::unavailable,
      fmt::format("{} cannot be reached at {}: {}. Once S3 answers again it may be tried again.",
                  settings_.uri(), settings_.endpoint(), why),
      "artifacts_destination"};
}

Error S3Client::not_trusted(std::string_view why) const {
  return {
      ErrorCode::unavailable,
      fmt::format(
          "The certificate of {} is not trusted ({}), so nothing was sent to {}. Name a PEM file "
          "with its authority in AWS_CA_BUNDLE; or set MLFLOW_S3_IGNORE_TLS=true, and anybody "
          "between may read and change what is sent.",
          settings_.endpoint(), why, settings_.uri()),
      "artifacts_destination"};
}

Error S3Client::refusal(const S3Answer& answer, std::string_view doing) const {
  auto code = answer.text_of("Code");
  if (code.empty()) code = answer.status == 403 ? "Forbidden" : "no code";
  auto words = answer.text_of("Message");
  while (words.ends_with('.')) words.pop_back();
  return {ErrorCode::unavailable,
          fmt::format("{} at {} failed {}: S3 answers {} ({}){}{}. {}", settings_.uri(),
                      settings_.endpoint(), doing, answer.status, code, words.empty() ? "" : ": ",
                      words, s3_client::hint(answer, code)),
          "artifacts_destination"};
}

// Grows with each attempt, and differs between those that wait at the same time. False: stopping.
bool S3Client::wait_before(unsigned attempt) {
  thread_local std::minstd_rand engine{std::random_device{}()};
  const auto longest = settings_.first_wait * (1u << std::min(attempt, 6u));
  const auto wait = longest / 2 + longest / 2 * (engine() % 1000) / 1000;
  std::unique_lock lock(mutex_);
  return !stopped_.wait_for(lock, wait, [this] { return stopping_.load(); });
}

Expected<S3Answer> S3Client::send(const S3Call& call) {
  Expected<S3Answer> answer = unreachable("the server is stopping");
  const unsigned most = call.once ? 1 : settings_.attempts;
  bool in_vain = false;
  for (unsigned attempt = 0; attempt < most && !in_vain; ++attempt) {
    if (attempt > 0 && !wait_before(attempt - 1)) break;
    if (stopping_) return unreachable("the server is stopping");
    answer = send_once(call, in_vain);
    if (answer && !s3_client::may_be_tried_again(*answer)) return answer;
  }
  if (answer) return refusal(*answer, "after all attempts");
  return answer;
}

Expected<S3Answer> S3Client::send_once(const S3Call& call, bool& in_vain) {
  S3Request request{call.method, settings_.host, settings_.base_path, call.query, call.headers};
  if (!settings_.bucket_in_host) request.path += "/" + settings_.bucket;
  if (!call.key.empty() || settings_.bucket_in_host) request.path += "/" + call.key;
  const auto digest =
      call.body_sha256.empty() ? to_string(sha256(as_bytes(call.body))) : call.body_sha256;
  sign_s3(request, settings_.credentials, settings_.region, s3_client::utc_now(), digest);

  Attempt attempt(*this);
  if (!attempt.handle) return unreachable("there is no memory for a connection");
  attempt.set_request(request, call);
  attempt.set_receivers(call);
  attempt.set_limits();
  const CURLcode code = curl_easy_perform(attempt.handle);
  if (attempt.transfer.too_long) return unreachable("an answer is longer than what was asked for");
  if (code == CURLE_ABORTED_BY_CALLBACK) return unreachable("the server is stopping");
  const std::string_view why = *attempt.words ? attempt.words : curl_easy_strerror(code);
  in_vain = code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE;
  if (in_vain) return not_trusted(why);
  if (code != CURLE_OK) return unreachable(why);
  long status = 0;
  curl_easy_getinfo(attempt.handle, CURLINFO_RESPONSE_CODE, &status);
  attempt.transfer.answer.status = static_cast<int>(status);
  return std::move(attempt.transfer.answer);
}

}  // namespace mlforge::storage
