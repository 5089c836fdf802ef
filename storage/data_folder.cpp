#include "storage/data_folder.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <fstream>
#include <sstream>

#include "storage/crc32c.hpp"
#include "storage/lmdb_env.hpp"

namespace mlforge::storage {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kMagic = "mlforge-log\n";
constexpr std::size_t kUnfinishedMapBytes = 1 << 20;

// The value of "<name>: <value>\n" at the start of `text`, which moves on; nothing when it is not
// there.
std::optional<std::string_view> take_line(std::string_view& text, std::string_view name) {
  const auto end = text.find('\n');
  if (end == text.npos || !text.starts_with(name)) return std::nullopt;
  std::string_view value = text.substr(name.size(), end - name.size());
  if (!value.starts_with(": ")) return std::nullopt;
  text.remove_prefix(end + 1);
  return value.substr(2);
}

Error damaged_format(std::string_view what) {
  return {ErrorCode::corrupt,
          fmt::format("The file FORMAT {}. Restore it from a backup of the folder.", what)};
}

// The subtype of the FUSE mount that holds `path` ("sshfs"); empty where it is none.
std::string fuse_subtype(const fs::path& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return {};
  const auto device = fmt::format(" {}:{} ", major(info.st_dev), minor(info.st_dev));
  std::ifstream mounts("/proc/self/mountinfo");
  for (std::string line; std::getline(mounts, line);) {
    const auto kind = line.find(" - fuse.");
    if (kind == line.npos || line.find(device) == line.npos) continue;
    const auto start = kind + 8;
    return line.substr(start, line.find(' ', start) - start);
  }
  return {};
}

Status refuse_network(const fs::path& path) {
  struct statfs info {};
  if (::statfs(path.c_str(), &info) != 0) return file_error(errno, "examining", path);
  const auto name =
      network_file_system(static_cast<std::uint32_t>(info.f_type), fuse_subtype(path));
  if (name.empty()) return {};
  return Error{ErrorCode::invalid_argument,
               fmt::format("The data folder {} is on a network file system ({}), where neither "
                           "locks nor syncs can be relied on. Choose a folder on a local disk.",
                           path.string(), name),
               "data"};
}

// What a creation that a power cut interrupted may have left, and what file systems put into every
// folder.
bool may_be_in_new_folder(const std::string& name) {
  return name == "LOCK" || name == "log" || name == "FORMAT.tmp" || name == "lost+found";
}

Status refuse_foreign(const fs::path& path) {
  std::error_code failed;
  // A log that lost its header is ours all the same: check_unfinished() says what is wrong with it.
  if (fs::exists(path / "log" / "data.mdb", failed)) return {};
  for (fs::directory_iterator at(path, failed), end; !failed && at != end; at.increment(failed)) {
    const auto name = at->path().filename().string();
    if (may_be_in_new_folder(name)) continue;
    return Error{ErrorCode::invalid_argument,
                 fmt::format("The data folder {} holds no log but other content ({}). Choose an "
                             "empty folder or one that does not exist yet.",
                             path.string(), name),
                 "data"};
  }
  if (failed) return file_error(failed.value(), "listing", path);
  return {};
}

Expected<FormatHeader> read_format(const fs::path& path) {
  auto text = read_small_file(path / "FORMAT", 4096);
  if (!text) return text.error();
  return parse_format(*text);
}

// The first commit fixes the kind of the keys; the folder is on disk when this returns.
Status create_environment(const fs::path& folder) {
  std::error_code failed;
  fs::remove_all(folder, failed);
  if (failed) return file_error(failed.value(), "removing", folder);
  if (auto bad = make_folder(folder)) return bad;
  auto env = Env::open(folder.string(), {.map_bytes = kUnfinishedMapBytes});
  if (!env) return env.error();
  Txn txn;
  MDB_dbi dbi = 0;
  int rc = txn.begin(env->get(), 0);
  if (rc == 0) rc = mdb_dbi_open(txn.get(), nullptr, MDB_INTEGERKEY, &dbi);
  if (rc == 0) rc = txn.commit();
  if (rc == 0) rc = mdb_env_sync(env->get(), 1);
  if (rc != 0) return lmdb_error(rc, "creating the log");
  auto data = File::open(folder / "data.mdb", O_RDWR);
  if (!data) return data.error();
  if (auto bad = sync_file(*data, folder / "data.mdb")) return bad;
  return sync_folder(folder);
}

}  // namespace

std::string format_text(const FormatHeader& header) {
  auto text =
      fmt::format("{}format: {}\nlog-id: {}\n", kMagic, header.version, to_string(header.log_id));
  return text + fmt::format("crc32c: {:08x}\n", crc32c(as_bytes(text)));
}

Expected<FormatHeader> parse_format(std::string_view text) {
  if (!text.starts_with(kMagic)) return damaged_format("does not belong to mlforge");
  const auto crc_at = text.rfind("crc32c: ");
  if (crc_at == text.npos ||
      text.substr(crc_at) !=
          fmt::format("crc32c: {:08x}\n", crc32c(as_bytes(text.substr(0, crc_at)))))
    return damaged_format("does not match its checksum");
  std::string_view rest = text.substr(kMagic.size(), crc_at - kMagic.size());
  FormatHeader header;
  const auto version = take_line(rest, "format");
  if (!version ||
      std::from_chars(version->data(), version->data() + version->size(), header.version).ptr !=
          version->data() + version->size())
    return damaged_format("has no format version");
  if (header.version > kFormatVersion)
    return Error{ErrorCode::conflict,
                 fmt::format("The data folder has format version {}; this program knows versions "
                             "up to {}. Start a newer mlforge; nothing was changed.",
                             header.version, kFormatVersion)};
  const auto id = take_line(rest, "log-id");
  const auto parsed = id ? parse_uuid(*id) : std::nullopt;
  if (!parsed || header.version == 0 || !rest.empty()) return damaged_format("has no valid log id");
  header.log_id = *parsed;
  return header;
}

std::string_view network_file_system(std::uint64_t type, std::string_view fuse) {
  switch (type) {
    case 0x6969:
      return "NFS";
    case 0x517B:
    case 0xFE534D42:
      return "SMB";
    case 0xFF534D42:
      return "CIFS";
    case 0x65735546:
      for (const std::string_view name : {"sshfs", "s3fs", "rclone", "glusterfs", "davfs"})
        if (fuse == name) return name;
      return {};
    default:
      return {};
  }
}

Expected<DataFolder> DataFolder::open_existing(const fs::path& path) {
  DataFolder folder;
  folder.path_ = path;
  // The header is read before the lock is taken, so that a folder of a newer program stays
  // untouched.
  auto format = read_format(path);
  if (!format && format.error().code == ErrorCode::not_found)
    return Error{ErrorCode::not_found, fmt::format("There is no log in {}.", path.string())};
  if (!format) return format.error();
  if (auto bad = refuse_network(path)) return *bad;
  if (auto bad = folder.lock()) return *bad;
  folder.format_ = *format;
  return folder;
}

Expected<DataFolder> DataFolder::open(const fs::path& path, Clock& clock, IdSource& ids) {
  auto existing = open_existing(path);
  if (!existing && existing.error().code != ErrorCode::not_found) return existing;
  if (auto bad = make_folder(path)) return *bad;
  if (existing) {
    // A process that was killed may have left the name FORMAT in the kernel's cache only.
    if (auto bad = sync_folder(path)) return *bad;
    return existing;
  }
  if (auto bad = refuse_network(path)) return *bad;
  if (auto bad = refuse_foreign(path)) return *bad;
  DataFolder folder;
  folder.path_ = path;
  if (auto bad = folder.lock()) return *bad;
  // Another process may have finished the creation before it let go of the lock.
  if (auto finished = read_format(path); finished) {
    folder.format_ = *finished;
    return folder;
  }
  if (auto bad = folder.create(clock, ids)) return *bad;
  return folder;
}

Status DataFolder::check_headless(const fs::path& path) {
  std::error_code failed;
  if (!fs::exists(path / "log" / "data.mdb", failed)) return {};
  DataFolder folder;
  folder.path_ = path;
  if (auto bad = folder.lock()) return bad;
  return folder.check_unfinished();
}

Status DataFolder::lock() {
  const fs::path path = path_ / "LOCK";
  auto file = File::open(path, O_RDWR | O_CREAT);
  // A folder that can only be read (another user's, or on such a medium) can be verified all the
  // same. Without the file nobody has it open: who opens it makes that file first.
  const bool read_only = !file && ::access(path_.c_str(), W_OK) != 0;
  if (read_only) file = File::open(path, O_RDONLY);
  if (!file)
    return read_only && file.error().code == ErrorCode::not_found ? Status() : file.error();
  if (::flock(file->fd(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return file_error(errno, "locking", path);
    auto holder = read_small_file(path, 32);
    const std::string pid = holder ? holder->substr(0, holder->find('\n')) : std::string("unknown");
    return Error{ErrorCode::conflict,
                 fmt::format("The data folder {} is open in another process (process id {}). Stop "
                             "that one or choose another folder.",
                             path_.string(), pid),
                 "data"};
  }
  if (read_only) {
    lock_ = std::move(*file);
    return {};
  }
  // The id is for people; where a full disk has no room for it, the lock holds all the same.
  const std::string pid = fmt::format("{}\n", ::getpid());
  const auto bad = write_all(*file, pid, path);
  if (bad && bad->code != ErrorCode::read_only) return bad;
  if (::ftruncate(file->fd(), bad ? 0 : static_cast<off_t>(pid.size())) != 0)
    return file_error(errno, "writing", path);
  lock_ = std::move(*file);
  return {};
}

Status DataFolder::create(Clock& clock, IdSource& ids) {
  if (auto bad = check_unfinished()) return bad;
  if (auto bad = create_environment(log())) return bad;
  if (auto bad = sync_folder(path_)) return bad;
  format_ = {kPlainFormatVersion, ids.next(clock.now())};
  return write_file_durably(path_ / "FORMAT", format_text(format_));
}

Status DataFolder::allow_segments() {
  if (format_.version == kFormatVersion) return {};
  const auto text = format_text({kFormatVersion, format_.log_id});
  if (auto bad = write_file_durably(path_ / "FORMAT", text)) return bad;
  format_.version = kFormatVersion;
  return {};
}

// An unfinished creation never holds a record. So a log that holds some has lost its header and
// must not be wiped.
Status DataFolder::check_unfinished() const {
  std::error_code failed;
  const auto bytes = fs::file_size(log() / "data.mdb", failed);
  if (failed) return {};
  MDB_stat stat{};
  int rc = MDB_INVALID;
  if (auto env = Env::open(log().string(), {.map_bytes = kUnfinishedMapBytes}))
    rc = mdb_env_stat(env->get(), &stat);
  const bool empty = rc == 0 ? stat.ms_entries == 0 : bytes <= 4 * 4096;
  if (empty) return {};
  return Error{ErrorCode::corrupt,
               fmt::format("The file FORMAT is missing in {}, but the log holds records. Restore "
                           "FORMAT from a backup; nothing was changed.",
                           path_.string())};
}

}  // namespace mlforge::storage
