#include "tests/crash/simulated_disk.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <mutex>
#include <optional>

namespace mlforge::crash {
namespace fs = std::filesystem;
namespace {

std::mutex g_mutex;  // guards what follows, and the state it points to
SimulatedDisk::State* g_disk = nullptr;

std::map<std::string, Node> names_of(const Journal& journal) {
  std::map<Node, std::string> folders{{kRoot, ""}};
  std::map<std::string, Node> names{{"", kRoot}};
  const auto path_of = [&](Node folder, const std::string& name) {
    const std::string& above = folders.at(folder);
    return above.empty() ? name : above + "/" + name;
  };
  for (const Entry& e : journal.entries) {
    if (e.failed) continue;
    if (e.call == Call::link) {
      names[path_of(e.folder, e.name)] = e.node;
      if (journal.is_folder[e.node]) folders[e.node] = path_of(e.folder, e.name);
    }
    if (e.call == Call::unlink || e.call == Call::rename) names.erase(path_of(e.folder, e.name));
    if (e.call == Call::rename) names[path_of(e.to_folder, e.to_name)] = e.node;
  }
  return names;
}

}  // namespace

Node Journal::find(const std::string& path) const {
  const auto names = names_of(*this);
  const auto found = names.find(path);
  return found == names.end() ? -1 : found->second;
}

struct SimulatedDisk::State {
  struct Descriptor {
    Node node;
    bool synchronous;
  };

  std::string root;
  Journal journal;
  std::map<std::string, Node> names;  // by path relative to the root
  std::map<int, Descriptor> descriptors;
  Fault fault;
  Node faulty_node() const {
    const auto found = names.find(fault.file);
    return found == names.end() ? -1 : found->second;
  }
  std::uint64_t struck = 0;

  // The path relative to the root; nothing for one that is not below it.
  std::optional<std::string> relative(int folder, const char* path) const {
    std::string whole = path;
    if (!whole.starts_with('/') && folder != AT_FDCWD) {
      char link[4096];
      const auto n = ::readlink(("/proc/self/fd/" + std::to_string(folder)).c_str(), link, 4096);
      if (n <= 0) return std::nullopt;
      whole = std::string(link, static_cast<std::size_t>(n)) + "/" + whole;
    }
    whole = fs::absolute(whole).lexically_normal().string();
    while (whole.size() > 1 && whole.ends_with('/')) whole.pop_back();
    if (whole == root) return "";
    if (!whole.starts_with(root + "/")) return std::nullopt;
    return whole.substr(root.size() + 1);
  }

  // The folder and the last part of a path.
  std::pair<Node, std::string> place(const std::string& path) const {
    const auto slash = path.rfind('/');
    const std::string above = slash == path.npos ? "" : path.substr(0, slash);
    const auto found = names.find(above);
    return {found == names.end() ? kRoot : found->second,
            slash == path.npos ? path : path.substr(slash + 1)};
  }

  Entry& add(Call call, Node node) {
    Entry& entry = journal.entries.emplace_back();
    entry.call = call;
    entry.node = node;
    return entry;
  }

  void link(const std::string& path, bool is_folder) {
    const auto node = static_cast<Node>(journal.is_folder.size());
    journal.is_folder.push_back(is_folder);
    Entry& entry = add(Call::link, node);
    std::tie(entry.folder, entry.name) = place(path);
    names[path] = node;
  }

  void unlink(const std::string& path) {
    const auto found = names.find(path);
    if (found == names.end()) return;
    Entry& entry = add(Call::unlink, found->second);
    std::tie(entry.folder, entry.name) = place(path);
    names.erase(found);
  }

  void rename(const std::string& from, const std::string& to) {
    const auto found = names.find(from);
    if (found == names.end()) return;
    Entry& entry = add(Call::rename, found->second);
    std::tie(entry.folder, entry.name) = place(from);
    std::tie(entry.to_folder, entry.to_name) = place(to);
    const Node node = found->second;
    names.erase(found);
    names[to] = node;
  }

  // 0, or the errno with which this call is to fail.
  int strike(Fault::At at, Node node) {
    if (fault.nth == 0) return 0;
    if (struck > 0) return fault.for_good ? (++struck, fault.error) : 0;
    if (at != fault.at || (!fault.file.empty() && node != faulty_node())) return 0;
    if (--fault.nth > 0) return 0;
    fault.nth = 1;
    ++struck;
    return fault.error;
  }
};

SimulatedDisk::SimulatedDisk(fs::path root, Journal journal) : state_(std::make_unique<State>()) {
  state_->root = fs::absolute(root).lexically_normal().string();
  state_->names = names_of(journal);
  state_->journal = std::move(journal);
  const std::lock_guard lock(g_mutex);
  g_disk = state_.get();
}

SimulatedDisk::~SimulatedDisk() {
  const std::lock_guard lock(g_mutex);
  g_disk = nullptr;
}

const Journal& SimulatedDisk::journal() const { return state_->journal; }

void SimulatedDisk::arm(const Fault& fault) {
  const std::lock_guard lock(g_mutex);
  state_->fault = fault;
  state_->struck = 0;
}

std::uint64_t SimulatedDisk::struck() const {
  const std::lock_guard lock(g_mutex);
  return state_->struck;
}

namespace {

// What one call on a descriptor is about; `disk` is null where the call is none of ours.
struct Watched {
  explicit Watched(int fd) : lock(g_mutex) {
    if (!g_disk) return;
    const auto found = g_disk->descriptors.find(fd);
    if (found == g_disk->descriptors.end()) return;
    disk = g_disk;
    file = found->second;
  }
  std::lock_guard<std::mutex> lock;
  SimulatedDisk::State* disk = nullptr;
  SimulatedDisk::State::Descriptor file{};
};

ssize_t fail(int error) {
  errno = error;
  return -1;
}

// A failing synchronous write leaves its bytes in the kernel's cache, a failing plain one does not.
template <class Bytes, class Write>
ssize_t watched_write(int fd, off_t offset, const Bytes& bytes, const Write& write) {
  Watched watched(fd);
  if (!watched.disk) return write();
  if (offset < 0) offset = ::lseek(fd, 0, SEEK_CUR);
  const int error = watched.disk->strike(Fault::At::write, watched.file.node);
  if (error && !watched.file.synchronous) return fail(error);
  const ssize_t written = write();
  if (written <= 0) return written;
  Entry& entry = watched.disk->add(Call::write, watched.file.node);
  entry.offset = static_cast<std::uint64_t>(offset);
  entry.bytes = bytes().substr(0, static_cast<std::size_t>(written));
  entry.synchronous = watched.file.synchronous && !error;
  return error ? fail(error) : written;
}

int watched_sync(int fd, bool data_only) {
  Watched watched(fd);
  if (!watched.disk) return 0;  // no test needs a real disk to be synced
  const int error = watched.disk->strike(Fault::At::sync, watched.file.node);
  Entry& entry = watched.disk->add(Call::sync, watched.file.node);
  entry.data_only = data_only;
  entry.failed = error != 0;
  return error ? static_cast<int>(fail(error)) : 0;
}

int watched_open(int folder, const char* path, int flags, mode_t mode) {
  const std::lock_guard lock(g_mutex);
  // A real synchronous write would only cost time.
  const int plain = flags & ~(O_SYNC | O_DSYNC);
  const auto name = g_disk ? g_disk->relative(folder, path) : std::nullopt;
  const int fd = static_cast<int>(::syscall(SYS_openat, folder, path, plain, mode));
  if (fd < 0 || !name) return fd;
  if ((flags & O_CREAT) && !g_disk->names.count(*name)) g_disk->link(*name, false);
  const auto found = g_disk->names.find(*name);
  if (found == g_disk->names.end()) return fd;
  if ((flags & O_TRUNC) && (flags & O_ACCMODE) != O_RDONLY)
    g_disk->add(Call::truncate, found->second).offset = 0;
  g_disk->descriptors[fd] = {found->second, (flags & O_DSYNC) != 0};
  return fd;
}

int watched_unlink(int folder, const char* path, int flags) {
  const std::lock_guard lock(g_mutex);
  const auto name = g_disk ? g_disk->relative(folder, path) : std::nullopt;
  const int rc = static_cast<int>(::syscall(SYS_unlinkat, folder, path, flags));
  if (rc == 0 && name) g_disk->unlink(*name);
  return rc;
}

}  // namespace
}  // namespace mlforge::crash

using namespace mlforge::crash;

extern "C" {

int open(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const auto mode = static_cast<mode_t>(va_arg(arguments, unsigned));
  va_end(arguments);
  return watched_open(AT_FDCWD, path, flags, mode);
}

int open64(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const auto mode = static_cast<mode_t>(va_arg(arguments, unsigned));
  va_end(arguments);
  return watched_open(AT_FDCWD, path, flags, mode);
}

int close(int fd) {
  {
    const std::lock_guard lock(g_mutex);
    if (g_disk) g_disk->descriptors.erase(fd);
  }
  return static_cast<int>(::syscall(SYS_close, fd));
}

ssize_t write(int fd, const void* bytes, size_t size) {
  return watched_write(
      fd, -1, [&] { return std::string(static_cast<const char*>(bytes), size); },
      [&] { return ::syscall(SYS_write, fd, bytes, size); });
}

ssize_t pwrite(int fd, const void* bytes, size_t size, off_t offset) {
  return watched_write(
      fd, offset, [&] { return std::string(static_cast<const char*>(bytes), size); },
      [&] { return ::syscall(SYS_pwrite64, fd, bytes, size, offset); });
}

ssize_t pwrite64(int fd, const void* bytes, size_t size, off64_t offset) {
  return pwrite(fd, bytes, size, offset);
}

ssize_t writev(int fd, const iovec* parts, int count) {
  const auto bytes = [&] {
    std::string all;
    for (int i = 0; i < count; ++i)
      all.append(static_cast<const char*>(parts[i].iov_base), parts[i].iov_len);
    return all;
  };
  return watched_write(fd, -1, bytes, [&] { return ::syscall(SYS_writev, fd, parts, count); });
}

int fsync(int fd) { return watched_sync(fd, false); }
int fdatasync(int fd) { return watched_sync(fd, true); }

int ftruncate(int fd, off_t size) noexcept {
  Watched watched(fd);
  const int rc = static_cast<int>(::syscall(SYS_ftruncate, fd, size));
  if (rc == 0 && watched.disk)
    watched.disk->add(Call::truncate, watched.file.node).offset = static_cast<std::uint64_t>(size);
  return rc;
}

int ftruncate64(int fd, off64_t size) noexcept { return ftruncate(fd, size); }

int mkdir(const char* path, mode_t mode) noexcept {
  const std::lock_guard lock(g_mutex);
  const int rc = static_cast<int>(::syscall(SYS_mkdirat, AT_FDCWD, path, mode));
  const auto name = g_disk && rc == 0 ? g_disk->relative(AT_FDCWD, path) : std::nullopt;
  if (name) g_disk->link(*name, true);
  return rc;
}

int rename(const char* from, const char* to) noexcept {
  const std::lock_guard lock(g_mutex);
  const int rc = static_cast<int>(::syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0));
  if (rc != 0 || !g_disk) return rc;
  const auto old_name = g_disk->relative(AT_FDCWD, from), new_name = g_disk->relative(AT_FDCWD, to);
  if (old_name && new_name) g_disk->rename(*old_name, *new_name);
  return rc;
}

int unlink(const char* path) noexcept { return watched_unlink(AT_FDCWD, path, 0); }
int unlinkat(int folder, const char* path, int flags) noexcept {
  return watched_unlink(folder, path, flags);
}
int rmdir(const char* path) noexcept { return watched_unlink(AT_FDCWD, path, AT_REMOVEDIR); }

int remove(const char* path) noexcept {
  const int rc = watched_unlink(AT_FDCWD, path, 0);
  return rc != 0 && (errno == EISDIR || errno == EPERM) ? rmdir(path) : rc;
}

}  // extern "C"
