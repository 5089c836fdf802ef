#include "gateway/crash_note.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <string>
#include <system_error>

#include "storage/data_folder.hpp"
#include "storage/files.hpp"

namespace mlforge::gateway {
namespace {

namespace fs = std::filesystem;

// Made before a signal can come, read by the handler.
std::string& note_path() {
  static std::string path;
  return path;
}

// Calls only what may be called in a handler. The signal waits until it returns and then, the
// handler being gone, ends the process.
extern "C" void leave_note(int signal) {
  const int fd = ::open(note_path().c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0640);
  if (fd >= 0) ::close(fd);
  ::raise(signal);
}

}  // namespace

void note_crashes(const fs::path& data_folder) {
  note_path() = fs::absolute(data_folder / kCrashNote).string();
  struct sigaction action {};
  action.sa_handler = leave_note;
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  for (const int signal : {SIGSEGV, SIGBUS, SIGABRT}) ::sigaction(signal, &action, nullptr);
}

Expected<bool> discard_after_crash(const fs::path& data_folder) {
  std::error_code failed;
  if (!fs::exists(data_folder / kCrashNote, failed)) return false;
  const auto locked = storage::DataFolder::open_existing(data_folder);
  if (!locked) return locked.error();
  for (const char* name : {"views", "snapshots", "index", "merkle"}) {
    fs::remove_all(data_folder / name, failed);
    if (failed) return storage::file_error(failed.value(), "deleting", data_folder / name);
  }
  fs::remove(data_folder / kCrashNote, failed);
  return true;
}

}  // namespace mlforge::gateway
