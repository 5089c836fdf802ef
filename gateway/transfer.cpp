#include "gateway/transfer.hpp"

#include <fmt/format.h>

#include <istream>
#include <unordered_map>

#include "events/codec.hpp"
#include "storage/lmdb_log.hpp"
#include "storage/record_json.hpp"

namespace mlforge::gateway {
namespace {

constexpr std::size_t kPieceBytes = 64 << 10;
constexpr std::uint64_t kProgressLines = 4096;

struct HeaderLine {
  std::uint64_t mlforge_export = 0;  // version of the form
  std::string log_id;
  Position from = 0, to = 0;
  static constexpr auto fields() {
    return FieldList{required("mlforge_export", &HeaderLine::mlforge_export),
                     required("log_id", &HeaderLine::log_id), field("from", &HeaderLine::from),
                     field("to", &HeaderLine::to)};
  }
};

bool wants_all(const EventFilter& f) {
  return f.tenant.empty() && f.stream.empty() && f.type.empty() && f.since == INT64_MIN &&
         f.until == INT64_MAX;
}

// What one event after another must be for a log to come about.
class History {
 public:
  Status add(const EventView& e) {
    if (e.position != position_ + 1)
      return wrong("position",
                   fmt::format("must be {}, not {}: a log begins at 1 and has no gaps (an export "
                               "of a part of a log cannot be imported)",
                               position_ + 1, e.position));
    if (e.time < time_) return wrong("time", "must not be before the time of the line above");
    std::string key(e.tenant);
    key.append(1, '\0').append(e.stream);
    auto& version = versions_[std::move(key)];
    if (e.version != version + 1)
      return wrong("version", fmt::format("must be {}, not {}: it counts the events of stream {}",
                                          version + 1, e.version, e.stream));
    ++version;
    position_ = e.position;
    time_ = e.time;
    return {};
  }

 private:
  static Error wrong(std::string_view field, std::string_view what) {
    return {ErrorCode::invalid_argument, fmt::format("field '{}' {}", field, what),
            std::string(field)};
  }
  Position position_ = 0;
  TimeUs time_ = INT64_MIN;
  std::unordered_map<std::string, std::uint64_t> versions_;
};

class Importer {
 public:
  Importer(const ImportOptions& options, storage::LogBuilder& builder)
      : options_(options), builder_(builder) {}

  Status line(std::string_view text) {
    if (++number_ == 1 && text.starts_with("{\"mlforge_export\":")) return named(header(text));
    if (number_ == 1 && options_.keep_log_id) return log_id().error();
    return named(record(text));
  }
  const storage::BlobsNamed& blobs() const { return blobs_; }

  Expected<Uuid> log_id() const {
    if (!options_.keep_log_id) {
      const auto ids = storage::system_ids();
      return ids->next(storage::system_clock()->now());
    }
    if (const auto id = parse_uuid(header_.log_id)) return *id;
    return Error{ErrorCode::invalid_argument,
                 "--keep-log-id needs the first line that 'mlforge export --header' writes: the "
                 "log's id stands there",
                 "keep-log-id"};
  }

 private:
  Status header(std::string_view text) {
    auto read = from_json<HeaderLine>(text, Unknown::refuse);
    if (!read) return read.error();
    if (read->mlforge_export != 1)
      return Error{ErrorCode::conflict,
                   fmt::format("field 'mlforge_export' is {}, a form that this program does not "
                               "know; it knows 1",
                               read->mlforge_export),
                   "mlforge_export"};
    header_ = *std::move(read);
    return {};
  }

  Status record(std::string_view text) {
    buffer_.clear();
    if (auto bad = reader_.append(text, buffer_)) return bad;
    EventView event;
    if (const char* why = storage::decode_record(storage::Bytes(buffer_), event))
      return Error{ErrorCode::internal, why, ""};
    if (auto bad = history_.add(event)) return bad;
    if (!options_.blobs.empty()) storage::add_blobs_named(event, blobs_);
    return builder_.append(buffer_);
  }

  Status named(Status status) const {
    if (status) status->message = fmt::format("line {}: {}", number_, status->message);
    return status;
  }

  const ImportOptions& options_;
  storage::LogBuilder& builder_;
  storage::RecordJsonReader reader_;
  History history_;
  HeaderLine header_;
  storage::BlobsNamed blobs_;
  std::vector<std::uint8_t> buffer_;
  std::uint64_t number_ = 0;
};

// Into the folder that is not finished yet. The blobs must be there for the files that events name.
Expected<storage::BlobsCopied> import_blobs(const ImportOptions& options,
                                            const std::filesystem::path& folder,
                                            const storage::BlobsNamed& named) {
  if (std::error_code ignored; !std::filesystem::is_directory(options.blobs, ignored))
    return Error{ErrorCode::not_found,
                 "there is no folder " + options.blobs.string() + " to take blobs from", "blobs"};
  const auto from = storage::look_at_local_blobs(options.blobs);
  const auto to = storage::open_local_blobs(folder / "blobs");
  if (!to) return to.error();
  return storage::copy_blobs(named, *from, **to, {});
}

}  // namespace

Expected<Exporter> Exporter::open(const storage::Log& log, const ExportRequest& request) {
  Exporter out(log);
  if (request.header)
    out.header_ = to_json(HeaderLine{1, to_string(log.log_id()), request.from, request.to}) + "\n";
  const Position first = std::max<Position>(request.from, 1);
  if (first > request.to) return out;
  if (wants_all(request.filter)) {
    out.ranges_.push_back({first, request.to});
    out.total_ = request.to - first + 1;
    return out;
  }
  EventFilter filter = request.filter;
  const bool every_tenant = filter.tenant.empty();
  const auto read = log.read(first, request.to - first + 1, [&](const EventView& e) {
    if (every_tenant && filter.tenant != e.tenant) filter.tenant = e.tenant;
    if (!filter.matches(e)) return true;
    if (out.ranges_.empty() || out.ranges_.back().last + 1 != e.position)
      out.ranges_.push_back({e.position, e.position});
    else
      out.ranges_.back().last = e.position;
    ++out.total_;
    return true;
  });
  if (!read) return read.error();
  return out;
}

Status Exporter::next(std::string& out) {
  out.append(header_);
  header_.clear();
  while (range_ < ranges_.size() && out.size() < kPieceBytes) {
    Range& range = ranges_[range_];
    const auto read = log_->read_records(range.first, range.last - range.first + 1,
                                         [&](Position position, storage::Bytes record) {
                                           storage::append_record_json(out, record);
                                           range.first = position + 1;
                                           ++done_;
                                           return out.size() < kPieceBytes;
                                         });
    if (!read) return read.error();
    if (*read == 0)
      return Error{ErrorCode::corrupt, fmt::format("The log has no position {}.", range.first)};
    if (range.first > range.last) ++range_;
  }
  return {};
}

Expected<ImportReport> import_lines(std::istream& in, const ImportOptions& options,
                                    const std::function<void(std::uint64_t)>& progress) {
  auto builder = storage::LogBuilder::create(options.folder, options.map_bytes);
  if (!builder) return builder.error();
  Importer importer(options, **builder);
  std::string line;
  for (std::uint64_t lines = 1; std::getline(in, line); ++lines) {
    if (line.empty() && in.peek() == std::istream::traits_type::eof()) break;
    if (auto bad = importer.line(line)) return *bad;
    if (progress && lines % kProgressLines == 0) progress(lines);
  }
  if (in.bad()) return Error{ErrorCode::internal, "the lines cannot be read to their end", "file"};
  const auto log_id = importer.log_id();
  if (!log_id) return log_id.error();
  ImportReport report{.events = (*builder)->head(), .log_id = *log_id};
  if (!options.blobs.empty()) {
    auto blobs = import_blobs(options, (*builder)->folder(), importer.blobs());
    if (!blobs) return blobs.error();
    report.blobs = *std::move(blobs);
  }
  if (auto bad = (*builder)->finish(*log_id)) return *bad;
  return report;
}

}  // namespace mlforge::gateway
