#include "gateway/artifacts.hpp"

#include <fmt/format.h>

#include <charconv>

#include "events/checks.hpp"
#include "gateway/media_type.hpp"
#include "gateway/read_ahead.hpp"

namespace mlforge::gateway {
namespace {

using http::Flow;

bool is_remote(const App& app) { return !app.blobs->remote().empty(); }

constexpr std::size_t kPiece = 64 << 10;

class StoreUpload : public http::Upload {
 public:
  StoreUpload(App& app, std::string path, http::Reply reply,
              std::unique_ptr<storage::BlobWriter> writer, RecordFile record, Refuse refuse)
      : app_(app),
        path_(std::move(path)),
        reply_(std::move(reply)),
        writer_(std::move(writer)),
        record_(std::move(record)),
        refuse_(refuse) {}

  Flow on_chunk(std::string_view chunk) override {
    if (auto bad = writer_->append(storage::as_bytes(chunk)))
      reply_.send(refuse_(reply_.request(), *bad));
    return Flow::more;
  }

  // The sync of the file must not hold up the server's thread.
  void on_end() override {
    run_blocking(
        app_, std::move(reply_),
        [&app = app_, path = std::move(path_), writer = std::shared_ptr(std::move(writer_)),
         record = std::move(record_), refuse = refuse_](http::Reply reply) {
          const auto stored = writer->finish();
          if (!stored) return reply.send(refuse(reply.request(), stored.error()));
          const StoredFile file{{path, to_string(stored->digest), stored->bytes},
                                !stored->deduplicated};
          const http::Request& request = reply.request();
          record(app, request, std::move(reply), file);
        });
  }

  void on_abort(const Error&) override {}  // the writer goes, and with it what it has written

 private:
  App& app_;
  std::string path_;
  http::Reply reply_;
  std::unique_ptr<storage::BlobWriter> writer_;
  RecordFile record_;
  Refuse refuse_;
};

// "bytes=a-b", "bytes=a-" and "bytes=-n" (the last n) as a range of so many bytes; nothing for any
// other form, which HTTP lets a server ignore.
std::optional<storage::BlobRange> parse_range(std::string_view text, std::uint64_t bytes) {
  if (!text.starts_with("bytes=")) return std::nullopt;
  text.remove_prefix(6);
  const char* end = text.data() + text.size();
  storage::BlobRange range;
  if (text.starts_with('-')) {
    std::uint64_t last = 0;
    const auto [stop, bad] = std::from_chars(text.data() + 1, end, last);
    if (bad != std::errc{} || stop != end) return std::nullopt;
    range.offset = bytes - std::min(last, bytes);
    return range;
  }
  auto [at, code] = std::from_chars(text.data(), end, range.offset);
  if (code != std::errc{} || at == end || *at != '-') return std::nullopt;
  if (++at == end) return range;
  std::uint64_t last = 0;
  const auto [stop, bad] = std::from_chars(at, end, last);
  if (bad != std::errc{} || stop != end || last < range.offset) return std::nullopt;
  range.length = last == UINT64_MAX ? last : last - range.offset + 1;
  return range;
}

Error damaged_file(const App& app, const FileRef& file, const std::string& how) {
  const auto remote = app.blobs->remote();
  return {ErrorCode::corrupt,
          "the stored bytes of '" + file.path + "' " + how +
              ": upload the file again, or restore " +
              (remote.empty() ? "the folder 'blobs' from a backup"
                              : "the object " + file.digest + " at " + remote),
          ""};
}

// The whole blob in pieces; the last one is held back when the bytes are not those of the digest.
// A small file is read and checked before the answer begins.
class CheckedBlob {
 public:
  static constexpr std::uint64_t kSmall = 1 << 20;

  CheckedBlob(const App& app, std::unique_ptr<storage::BlobReader> reader,
              const storage::Digest& digest, FileRef file)
      : app_(app), reader_(std::move(reader)), digest_(digest), file_(std::move(file)) {}

  Status prepare() {
    if (file_.bytes > kSmall) return {};
    std::string piece;
    for (bool more = true; more;) {
      if (auto bad = read(piece)) return bad;
      more = !piece.empty();
      small_ += piece;
    }
    return {};
  }

  Status next(std::string& out) {
    if (file_.bytes > kSmall) return read(out);
    out = std::exchange(small_, {});
    return {};
  }

 private:
  Status read(std::string& out) {
    out.resize(kPiece);
    const auto got = reader_->read({reinterpret_cast<std::uint8_t*>(out.data()), out.size()});
    if (!got) return got.error();
    out.resize(*got);
    if (*got == 0) return {};
    hash_.update(storage::as_bytes(out));
    done_ += *got;
    if (done_ != file_.bytes || hash_.finish() == digest_) return {};
    app_.blobs->doubt(kTenant, digest_);
    return damaged_file(app_, file_, "do not match their digest");
  }

  const App& app_;
  std::unique_ptr<storage::BlobReader> reader_;
  storage::Digest digest_;
  FileRef file_;
  storage::Sha256 hash_;
  std::uint64_t done_ = 0;
  std::string small_;
};

// Of a range, which has no digest of its own, only the length of the file can be checked.
Status check_stored(const App& app, const FileRef& file, const storage::Digest& digest) {
  const auto bytes = app.blobs->size(kTenant, digest);
  if (!bytes && bytes.error().code == ErrorCode::not_found)
    return damaged_file(app, file, "are missing");
  if (!bytes) return bytes.error();
  if (*bytes != file.bytes)
    return damaged_file(app, file, "have another length than they were stored with");
  return {};
}

// As RFC 6266 has it: a plain name, and the whole one where it is not plain.
std::string attachment(std::string_view name) {
  std::string plain, escaped;
  for (const unsigned char c : name) {
    const bool safe = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                      c == '.' || c == '-' || c == '_' || c == '+';
    plain += safe ? static_cast<char>(c) : '_';
    if (safe)
      escaped += static_cast<char>(c);
    else
      escaped += fmt::format("%{:02X}", c);
  }
  if (plain == name) return "attachment; filename=" + plain;
  return "attachment; filename=" + plain + "; filename*=UTF-8''" + escaped;
}

http::Response behind_the_end(const http::Request& request, std::uint64_t length, Refuse refuse) {
  const auto bytes = std::to_string(length);
  auto refusal = refuse(
      request, {ErrorCode::range_not_satisfiable,
                "Range begins behind the end of the file, which has " + bytes + " bytes", "Range"});
  refusal.headers.emplace_back("Content-Range", "bytes */" + bytes);
  return refusal;
}

void stream_blob(App& app, const FileRef& file, std::string_view range_header, Position position,
                 http::Reply reply, const std::string& saved_as, Refuse refuse) {
  const auto digest = storage::parse_digest(file.digest);
  if (!digest)
    return reply.send(
        refuse(reply.request(),
               {ErrorCode::corrupt, "the digest of '" + file.path + "' is no digest", ""}));
  const auto range = parse_range(range_header, file.bytes);
  if (range && range->offset >= file.bytes)
    return reply.send(behind_the_end(reply.request(), file.bytes, refuse));
  if (auto bad = check_stored(app, file, *digest)) return reply.send(refuse(reply.request(), *bad));
  auto reader = app.blobs->open(kTenant, *digest, range.value_or(storage::BlobRange{}));
  if (!reader) return reply.send(refuse(reply.request(), reader.error()));
  http::StreamedResponse response;
  response.content_length = (*reader)->size();
  const bool whole = !range || (*reader)->size() == file.bytes;
  response.headers.emplace_back("ETag", "\"" + file.digest + "\"");
  response.headers.emplace_back("Accept-Ranges", "bytes");
  if (!saved_as.empty()) name_attachment(response, saved_as);
  response.headers.emplace_back("X-Mlforge-Position", std::to_string(position));
  if (range) {
    response.status = 206;
    response.headers.emplace_back("Content-Range",
                                  "bytes " + std::to_string(range->offset) + "-" +
                                      std::to_string(range->offset + (*reader)->size() - 1) + "/" +
                                      std::to_string(file.bytes));
  }
  if (whole) {
    auto blob = std::make_shared<CheckedBlob>(app, *std::move(reader), *digest, file);
    if (auto bad = blob->prepare()) return reply.send(refuse(reply.request(), *bad));
    response.next = [blob](std::string& out) { return blob->next(out); };
    if (is_remote(app)) read_ahead(app, response);
    return reply.stream(std::move(response));
  }
  response.next = [reader = std::shared_ptr(*std::move(reader))](std::string& out) -> Status {
    out.resize(kPiece);
    const auto got = reader->read({reinterpret_cast<std::uint8_t*>(out.data()), out.size()});
    if (!got) return got.error();
    out.resize(*got);
    return {};
  };
  if (is_remote(app)) read_ahead(app, response);
  reply.stream(std::move(response));
}

}  // namespace

void name_attachment(http::StreamedResponse& response, const std::string& saved_as) {
  response.content_type = media_type(saved_as);
  response.headers.emplace_back("Content-Disposition", attachment(saved_as));
}

std::string StoredFile::json() const {
  return json_member("path", std::string_view(ref.path)) + "," +
         json_member("digest", std::string_view(ref.digest)) + "," +
         json_member("bytes", ref.bytes) + "," + json_member("stored", stored);
}

http::Response refuse_natively(const http::Request& request, const Error& error) {
  return http::error_response(error, request.correlation_id);
}

http::UploadHandler upload_route(App& app, RecordFile record, Refuse refuse) {
  return [&app, record, refuse](const http::Request& request, http::Reply reply,
                                http::UploadFlow) -> std::unique_ptr<http::Upload> {
    std::string path(request.param("path"));
    if (auto bad = check_path("path", path)) {
      reply.send(refuse(reply.request(), *bad));
      return nullptr;
    }
    if (const auto stopped = app.log->writable()) {
      reply.send(refuse(reply.request(), *stopped));
      return nullptr;
    }
    auto writer = app.blobs->create(kTenant);
    if (!writer) {
      reply.send(refuse(reply.request(), writer.error()));
      return nullptr;
    }
    return std::make_unique<StoreUpload>(app, std::move(path), std::move(reply), *std::move(writer),
                                         record, refuse);
  };
}

void send_file(App& app, const http::Request& request, http::Reply reply,
               std::function<Expected<FileRef>(const QueryContext&)> find, std::string saved_as,
               Refuse refuse) {
  const auto as_of = query_as_of(app, request);
  if (!as_of) return reply.send(refuse(reply.request(), as_of.error()));
  auto answer = [&app, find, saved_as, refuse,
                 shared = std::make_shared<http::Reply>(std::move(reply)),
                 now = !request.query("as_of"), position = *as_of] {
    if (app.projected.position() < position)
      return shared->send(refuse(shared->request(), standing_still(app)));
    // Before the snapshot, which is then at least as new as it says.
    const Position seen = now ? std::max(position, app.projected.position()) : position;
    auto reader = app.views->reader();
    if (!reader) return shared->send(refuse(shared->request(), reader.error()));
    reader->require(position);
    const auto file = find(QueryContext{*reader, now ? projections::kLatest : position, seen});
    if (!file) return shared->send(refuse(shared->request(), file.error()));
    const std::string range(shared->request().header("Range"));
    if (!is_remote(app))
      return stream_blob(app, *file, range, seen, std::move(*shared), saved_as, refuse);
    run_blocking(app, std::move(*shared),
                 [&app, file = *file, range, seen, saved_as, refuse](http::Reply to) {
                   stream_blob(app, file, range, seen, std::move(to), saved_as, refuse);
                 });
  };
  if (app.projected.position() >= *as_of) return answer();
  app.projected.when(*as_of, [&app, answer] { app.server->post(answer); });
}

}  // namespace mlforge::gateway
