// Loaded into a server (LD_PRELOAD): from the moment the file FAILING_DISK_TRIGGER exists, calls on
// files whose path ends with FAILING_DISK_FILE fail with EIO. FAILING_DISK_CALL is "sync" (fsync,
// fdatasync) or "dsync" (pwrite through a descriptor with O_DSYNC). Each failed call adds a byte to
// the file FAILING_DISK_COUNT.
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string_view>

namespace {

std::string_view setting(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

bool is_on_file(int fd) {
  char name[64] = "/proc/self/fd/", path[4096];
  char* end = name + sizeof("/proc/self/fd/") - 1;
  char digits[16];
  int count = 0;
  for (unsigned rest = static_cast<unsigned>(fd); count == 0 || rest > 0; rest /= 10)
    digits[count++] = static_cast<char>('0' + rest % 10);
  while (count > 0) *end++ = digits[--count];
  const auto length = ::readlink(name, path, sizeof path);
  const auto wanted = setting("FAILING_DISK_FILE");
  return length > 0 && !wanted.empty() &&
         std::string_view(path, static_cast<std::size_t>(length)).ends_with(wanted);
}

bool fails(const char* call, int fd) {
  if (setting("FAILING_DISK_CALL") != call || !is_on_file(fd)) return false;
  if (::access(setting("FAILING_DISK_TRIGGER").data(), F_OK) != 0) return false;
  const int count =
      ::open(setting("FAILING_DISK_COUNT").data(), O_WRONLY | O_APPEND | O_CREAT, 0600);
  (void)!::write(count, "x", 1);
  ::close(count);
  errno = EIO;
  return true;
}

}  // namespace

extern "C" {

int fsync(int fd) { return fails("sync", fd) ? -1 : static_cast<int>(::syscall(SYS_fsync, fd)); }

int fdatasync(int fd) {
  return fails("sync", fd) ? -1 : static_cast<int>(::syscall(SYS_fdatasync, fd));
}

ssize_t pwrite(int fd, const void* bytes, size_t size, off_t offset) {
  if ((::fcntl(fd, F_GETFL) & O_DSYNC) && fails("dsync", fd)) return -1;
  return ::syscall(SYS_pwrite64, fd, bytes, size, offset);
}

}  // extern "C"
