// The broadcaster's durable cursor.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "actors/nats_publisher.hpp"
#include "storage/line_checksum.hpp"

namespace mlforge::actors {
namespace {

constexpr std::string_view kMagic = "mlforge-nats-cursor-1";

bool write_and_sync(const std::string& path, std::string_view text) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return false;
  const bool written = ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  const bool synced = ::fsync(fd) == 0;
  return ::close(fd) == 0 && written && synced;
}

void sync_folder(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  ::fsync(fd);
  ::close(fd);
}

}  // namespace

BroadcastCursor load_cursor(const std::string& path, const Uuid& log_id) {
  std::ifstream file(path);
  std::string text, magic, log, end, more;
  std::getline(file, text);
  const auto line = storage::checked_line(text);
  if (!line) return {};
  std::istringstream in{std::string(*line)};
  BroadcastCursor cursor;
  const bool read = static_cast<bool>(in >> magic >> log >> cursor.position >> cursor.sequence >>
                                      cursor.stream_created >> end);
  if (!read || in >> more || magic != kMagic || log != to_string(log_id) || end != "end") return {};
  return cursor;
}

Status save_cursor(const std::string& path, const Uuid& log_id, const BroadcastCursor& cursor) {
  const auto temporary = path + ".tmp";
  const auto line = fmt::format("{} {} {} {} {} end", kMagic, to_string(log_id), cursor.position,
                                cursor.sequence, cursor.stream_created);
  const auto text = line + ' ' + storage::line_checksum(line) + '\n';
  if (!write_and_sync(temporary, text) || std::rename(temporary.c_str(), path.c_str()) != 0)
    return Error{
        ErrorCode::unavailable,
        fmt::format("The cursor file {} cannot be written: {}.", path, std::strerror(errno)), ""};
  const auto folder = std::filesystem::path(path).parent_path().string();
  sync_folder(folder.empty() ? "." : folder);
  return std::nullopt;
}

}  // namespace mlforge::actors
