#include "storage/log_builder.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "storage/data_folder.hpp"
#include "storage/files.hpp"
#include "storage/lmdb_env.hpp"
#include "storage/record.hpp"

namespace mlforge::storage {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kCommitBytes = 32 << 20;  // of records in one transaction
constexpr std::uint64_t kProgressEvents = 16'384;

Status refuse_used(const fs::path& folder) {
  std::error_code failed;
  if (!fs::exists(folder, failed)) return {};
  if (fs::is_directory(folder, failed) && fs::is_empty(folder, failed) && !failed) return {};
  return Error{ErrorCode::already_exists,
               fmt::format("{} exists already and is not an empty folder. Choose another one.",
                           folder.string()),
               "folder"};
}

}  // namespace

struct LogBuilder::State {
  fs::path target, building;
  Env env;
  Txn txn;
  Cursor cursor;
  MDB_dbi records = 0;
  Position head = 0;
  std::size_t pending = 0;
  bool named = false;

  ~State() {
    close();
    std::error_code ignored;
    if (!named && !building.empty()) fs::remove_all(building, ignored);
  }

  void close() {
    cursor.close();
    txn.abort();
    env = Env();
  }

  Status open(std::size_t map_bytes) {
    if (auto bad = make_folder(building / "log")) return bad;
    // Nothing of this counts before finish() has synced it, so no commit on the way needs to.
    auto opened = Env::open((building / "log").string(),
                            {.map_bytes = map_bytes, .flags = MDB_NOSYNC | MDB_NOMETASYNC});
    if (!opened) return opened.error();
    env = std::move(*opened);
    return begin();
  }

  Status begin() {
    int rc = txn.begin(env.get(), 0);
    if (rc == 0) rc = mdb_dbi_open(txn.get(), nullptr, MDB_INTEGERKEY, &records);
    if (rc == 0) rc = cursor.open(txn.get(), records);
    if (rc != 0) return lmdb_error(rc, "building a log");
    return {};
  }

  Status commit() {
    cursor.close();
    pending = 0;
    if (const int rc = txn.commit(); rc != 0) return lmdb_error(rc, "building a log");
    // The disk begins to write while the next records are copied; finish() waits for it.
    int file = -1;
    if (mdb_env_get_fd(env.get(), &file) == 0)
      (void)::sync_file_range(file, 0, 0, SYNC_FILE_RANGE_WRITE);
    return {};
  }

  Status sync() {
    if (const int rc = mdb_env_sync(env.get(), 1); rc != 0)
      return lmdb_error(rc, "syncing a new log");
    close();
    auto data = File::open(building / "log" / "data.mdb", O_RDWR);
    if (!data) return data.error();
    if (auto bad = sync_file(*data, building / "log" / "data.mdb")) return bad;
    return sync_folder(building / "log");
  }
};

LogBuilder::LogBuilder(std::unique_ptr<State> state) : state_(std::move(state)) {}
LogBuilder::~LogBuilder() = default;

const fs::path& LogBuilder::folder() const { return state_->building; }
Position LogBuilder::head() const { return state_->head; }

Expected<std::unique_ptr<LogBuilder>> LogBuilder::create(const fs::path& folder,
                                                         std::size_t map_bytes) {
  if (auto bad = refuse_used(folder)) return *bad;
  fs::path target = fs::absolute(folder).lexically_normal();
  if (!target.has_filename()) target = target.parent_path();
  if (auto bad = make_folder(target.parent_path())) return *bad;
  std::string name = (target.parent_path() / ("." + target.filename().string() + ".XXXXXX"));
  if (::mkdtemp(name.data()) == nullptr) return file_error(errno, "creating", name);
  auto state = std::make_unique<State>();
  state->target = target;
  state->building = name;
  std::error_code ignored;
  fs::permissions(name, fs::perms::owner_all | fs::perms::group_read | fs::perms::group_exec,
                  ignored);
  if (auto bad = state->open(map_bytes)) return *bad;
  return std::unique_ptr<LogBuilder>(new LogBuilder(std::move(state)));
}

Status LogBuilder::append(Bytes record, EventView* seen) {
  EventView own;
  EventView& event = seen ? *seen : own;
  if (const char* why = decode_record(record, event))
    return Error{ErrorCode::corrupt,
                 fmt::format("The record after position {} is damaged: {}.", state_->head, why)};
  if (event.position != state_->head + 1)
    return Error{ErrorCode::invalid_argument,
                 fmt::format("Position {} cannot follow position {}: a log has no gaps.",
                             event.position, state_->head),
                 "position"};
  MDB_val key = to_val(event.position), value = to_val(record);
  if (const int rc = mdb_cursor_put(state_->cursor.get(), &key, &value, MDB_APPEND); rc != 0)
    return lmdb_error(rc, fmt::format("writing event {}", event.position));
  state_->head = event.position;
  if ((state_->pending += record.size()) < kCommitBytes) return {};
  if (auto bad = state_->commit()) return bad;
  return state_->begin();
}

Status LogBuilder::finish(const Uuid& log_id) {
  if (auto bad = state_->commit()) return bad;
  if (auto bad = state_->sync()) return bad;
  const auto header = format_text({kPlainFormatVersion, log_id});
  if (auto bad = write_file_durably(state_->building / "FORMAT", header)) return bad;
  if (auto bad = sync_folder(state_->building)) return bad;
  if (::rename(state_->building.c_str(), state_->target.c_str()) != 0)
    return file_error(errno, "naming", state_->target);
  state_->named = true;
  return sync_folder(state_->target.parent_path());
}

Error given_up() { return {ErrorCode::unavailable, "The copy was given up before its end.", ""}; }

Status copy_records(const Log& from, Position last, LogBuilder& to, const CopyProgress& progress,
                    const std::function<void(const EventView&)>& seen) {
  Status failed;
  EventView event;
  const auto read =
      from.read_records(to.head() + 1, last - to.head(), [&](Position position, Bytes record) {
        failed = to.append(record, &event);
        if (!failed && seen) seen(event);
        if (!failed && progress && position % kProgressEvents == 0 && !progress(position, last))
          failed = given_up();
        return !failed;
      });
  if (!read) return read.error();
  if (failed) return failed;
  if (to.head() == last) return {};
  return Error{ErrorCode::corrupt,
               fmt::format("The log ends at position {}, before position {}.", to.head(), last)};
}

}  // namespace mlforge::storage
