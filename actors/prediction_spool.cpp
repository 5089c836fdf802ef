#include "actors/prediction_spool.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <tuple>

#include "events/columns.hpp"
#include "events/event_codec.hpp"
#include "storage/crc32c.hpp"

namespace mlforge::actors {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kFileBytes = 1 << 20;  // about: then comes the next one
constexpr std::size_t kHead = 8;             // u32 length, u32 CRC32C

// What stands in the file, as columns.
struct StoredRow {
  std::string endpoint, subject, row;
  static constexpr auto fields() {
    return FieldList{field("endpoint", &StoredRow::endpoint), field("subject", &StoredRow::subject),
                     field("row", &StoredRow::row)};
  }
};

std::uint32_t checksum(std::string_view bytes) {
  return storage::crc32c({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
}

// False at the end, or where the rest was not written whole.
bool take_record(std::string_view& rest, std::string_view& record) {
  std::uint32_t head[2];
  if (rest.size() < kHead) return false;
  std::memcpy(head, rest.data(), kHead);
  if (rest.size() - kHead < head[0]) return false;
  record = rest.substr(kHead, head[0]);
  rest.remove_prefix(kHead + head[0]);
  return checksum(record) == head[1];
}

std::vector<std::uint64_t> files_in(const fs::path& folder) {
  std::vector<std::uint64_t> out;
  std::error_code none;
  for (const auto& each : fs::directory_iterator(folder, none)) {
    const auto name = each.path().stem().string();
    if (each.path().extension() == ".rows" && name.find_first_not_of("0123456789") == name.npos &&
        name.size() < 19)
      out.push_back(std::stoull(name));
  }
  std::sort(out.begin(), out.end());
  return out;
}

bool is_one_row(const PredictionsLogged& row) {
  return row.request_ids.size() == 1 && row.times.size() == 1 && row.versions.size() == 1 &&
         row.probabilities.size() == 1 && row.challenger.size() == 1 &&
         row.numeric_values.size() == row.numeric_names.size() &&
         row.categorical_values.size() == row.categorical_names.size();
}

Expected<std::vector<SpooledRow>> read_files(const fs::path& folder) {
  std::vector<SpooledRow> out;
  for (const auto number : files_in(folder)) {
    const auto path = folder / (std::to_string(number) + ".rows");
    std::ifstream in(path, std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(in), {}};
    if (!in) return storage::file_error(EIO, "reading answered predictions", path);
    std::string_view rest = bytes, record;
    while (take_record(rest, record)) {
      auto stored = columns::decode<StoredRow>(record);
      if (!stored) break;
      auto row = columns::decode<PredictionsLogged>(stored->row);
      if (!row || !is_one_row(*row)) break;
      out.push_back({std::move(stored->endpoint), std::move(stored->subject), *std::move(row)});
    }
  }
  std::stable_sort(out.begin(), out.end(), [](const SpooledRow& a, const SpooledRow& b) {
    return a.endpoint < b.endpoint;
  });
  return out;
}

// By what a row is found again in the log. The id of one about a subject is encrypted there.
using RowKey = std::tuple<TimeUs, std::int64_t, std::string>;
RowKey key_of(const PredictionsLogged& batch, std::size_t i, bool sealed) {
  return {batch.times[i], batch.versions[i], sealed ? "" : batch.request_ids[i]};
}

// How often each row since `from` is in the log. An event is never older than its rows.
Expected<std::map<RowKey, std::size_t>> logged_since(const storage::Log& log,
                                                     std::string_view tenant,
                                                     const std::string& stream, TimeUs from) {
  constexpr std::uint64_t kPage = 64;
  std::map<RowKey, std::size_t> out;
  auto end = log.stream_version(tenant, stream);
  if (!end) return end.error();
  for (std::uint64_t last = *end; last > 0;) {
    const std::uint64_t first = last > kPage ? last - kPage + 1 : 1;
    bool older = false;
    const auto read = log.read_stream(
        tenant, stream, first, last - first + 1, UINT64_MAX, [&](const EventView& e) {
          older = older || e.time < from;
          const auto event = decode_event(e);
          const auto* batch = event ? get_if<PredictionsLogged>(&*event) : nullptr;
          if (!batch || e.time < from) return true;
          for (std::size_t i = 0; i < batch->times.size(); ++i)
            ++out[key_of(*batch, i, i < batch->sealed.size() && !batch->sealed[i].empty())];
          return true;
        });
    if (!read) return read.error();
    if (older) break;
    last = first - 1;
  }
  return out;
}

bool same_batch(const SpooledRow& a, const SpooledRow& b) {
  return a.endpoint == b.endpoint && a.row.numeric_names == b.row.numeric_names &&
         a.row.categorical_names == b.row.categorical_names;
}

RecordPredictions to_batch(std::span<const SpooledRow> rows) {
  RecordPredictions out{rows[0].endpoint, {}, {}};
  auto& b = out.batch;
  const std::size_t n = rows.size();
  b.numeric_names = rows[0].row.numeric_names;
  b.categorical_names = rows[0].row.categorical_names;
  b.numeric_values.resize(b.numeric_names.size() * n);
  b.categorical_values.resize(b.categorical_names.size() * n);
  bool somebody = false;
  for (std::size_t i = 0; i < n; ++i) {
    const auto& row = rows[i].row;
    b.request_ids.push_back(row.request_ids[0]);
    b.probabilities.push_back(row.probabilities[0]);
    b.versions.push_back(row.versions[0]);
    b.challenger.push_back(row.challenger[0]);
    b.times.push_back(row.times[0]);
    for (std::size_t f = 0; f < b.numeric_names.size(); ++f)
      b.numeric_values[f * n + i] = row.numeric_values[f];
    for (std::size_t f = 0; f < b.categorical_names.size(); ++f)
      b.categorical_values[f * n + i] = row.categorical_values[f];
    out.subjects.push_back(rows[i].subject);
    somebody = somebody || !rows[i].subject.empty();
  }
  if (!somebody) out.subjects.clear();
  return out;
}

}  // namespace

std::vector<RecordPredictions> to_batches(std::span<const SpooledRow> rows) {
  constexpr std::size_t kRows = 500;
  std::vector<RecordPredictions> out;
  while (!rows.empty()) {
    std::size_t n = 1;
    while (n < std::min(rows.size(), kRows) && same_batch(rows[0], rows[n])) ++n;
    out.push_back(to_batch(rows.first(n)));
    rows = rows.subspan(n);
  }
  return out;
}

Expected<std::vector<SpooledRow>> read_spool(const fs::path& folder, const storage::Log& log,
                                             std::string_view tenant) {
  auto rows = read_files(folder);
  if (!rows) return rows.error();
  std::vector<SpooledRow> out;
  for (auto at = rows->begin(); at != rows->end();) {
    const auto end = std::find_if(
        at, rows->end(), [&](const SpooledRow& each) { return each.endpoint != at->endpoint; });
    TimeUs from = at->row.times[0];
    for (auto each = at; each != end; ++each) from = std::min(from, each->row.times[0]);
    auto logged = logged_since(log, tenant, "predictions/" + at->endpoint, from);
    if (!logged) return logged.error();
    for (; at != end; ++at) {
      const auto found = logged->find(key_of(at->row, 0, !at->subject.empty()));
      if (found != logged->end() && found->second > 0)
        --found->second;
      else
        out.push_back(std::move(*at));
    }
  }
  return out;
}

Expected<PredictionSpool> PredictionSpool::start(fs::path folder) {
  PredictionSpool spool;
  spool.folder_ = std::move(folder);
  if (auto bad = storage::make_folder(spool.folder_)) return *bad;
  for (const auto number : files_in(spool.folder_)) ::unlink(spool.path_of(number).c_str());
  if (auto bad = spool.next_file()) return *bad;
  return spool;
}

std::string PredictionSpool::encode(const SpooledRow& row) {
  const auto bytes =
      columns::encode(StoredRow{row.endpoint, row.subject, columns::encode(row.row)});
  const std::uint32_t head[2] = {static_cast<std::uint32_t>(bytes.size()), checksum(bytes)};
  std::string out(reinterpret_cast<const char*>(head), kHead);
  return out += bytes;
}

fs::path PredictionSpool::path_of(std::uint64_t file) const {
  return folder_ / (std::to_string(file) + ".rows");
}

Status PredictionSpool::next_file() {
  auto file =
      storage::File::open(path_of(current_ + 1), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600);
  if (!file) return file.error();
  const auto former = std::exchange(current_, current_ + 1);
  file_ = *std::move(file);
  size_ = 0;
  about_somebody_ = false;
  if (former != 0 && open_rows_[former] == 0) forget(former);
  return {};
}

void PredictionSpool::forget(std::uint64_t file) {
  open_rows_.erase(file);
  ::unlink(path_of(file).c_str());
}

Status PredictionSpool::add(std::string_view endpoint, std::string_view encoded,
                            bool about_somebody) {
  if (size_ >= kFileBytes)
    if (auto bad = next_file()) return bad;
  if (auto bad = storage::write_all(file_, encoded, path_of(current_))) {
    // The next row must not stand behind a part of this one.
    if (::ftruncate(file_.fd(), static_cast<off_t>(size_)) != 0) size_ = kFileBytes;
    return bad;
  }
  size_ += encoded.size();
  about_somebody_ = about_somebody_ || about_somebody;
  ++open_rows_[current_];
  auto at = files_of_.find(endpoint);
  if (at == files_of_.end()) at = files_of_.emplace(endpoint, std::deque<std::uint64_t>{}).first;
  at->second.push_back(current_);
  return {};
}

void PredictionSpool::finished(std::string_view endpoint, std::size_t rows) {
  const auto at = files_of_.find(endpoint);
  if (at == files_of_.end()) return;
  for (; rows > 0 && !at->second.empty(); --rows, at->second.pop_front()) {
    const auto file = at->second.front();
    if (--open_rows_[file] == 0 && file != current_) forget(file);
  }
  if (about_somebody_ && open_rows_[current_] == 0) rotate();
}

void PredictionSpool::rotate() {
  // Without a new file the old one goes later.
  if (size_ > 0) (void)next_file();
}

}  // namespace mlforge::actors
