#include "storage/cursor_reader.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <optional>

#include "storage/crc32c.hpp"
#include "storage/files.hpp"
#include "storage/lmdb_env.hpp"

namespace mlforge::storage {
namespace {

namespace fs = std::filesystem;

constexpr int kCursorsSilence = 60'000;  // milliseconds
constexpr std::uint32_t kLastRow = UINT32_MAX;
constexpr std::size_t kCrcBytes = 9;

std::string_view view_of(const MDB_val& val) {
  return {static_cast<const char*>(val.mv_data), val.mv_size};
}

// A row on the pipe: two sizes, then key and value. The last has kLastRow and LMDB's verdict.
bool say(int out, std::uint32_t first, std::uint32_t second, std::string_view key,
         std::string_view value) {
  const auto all = [out](const void* bytes, std::size_t size) {
    const auto* at = static_cast<const char*>(bytes);
    while (size > 0) {
      const ssize_t written = ::write(out, at, size);
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) return false;
      at += written;
      size -= static_cast<std::size_t>(written);
    }
    return true;
  };
  const std::uint32_t sizes[] = {first, second};
  return all(sizes, sizeof sizes) && all(key.data(), key.size()) && all(value.data(), value.size());
}

int say_rows(MDB_env* env, int out) {
  MDB_txn* txn = nullptr;
  MDB_cursor* cursor = nullptr;
  MDB_dbi table = 0;
  MDB_envinfo info{};
  int rc = mdb_env_info(env, &info);
  if (rc == 0) rc = mdb_txn_begin(env, nullptr, MDB_RDONLY, &txn);
  if (rc == 0) rc = mdb_dbi_open(txn, std::string(kCursorTable).c_str(), 0, &table);
  // Nothing was ever committed, or what was is gone.
  if (rc == MDB_NOTFOUND) return info.me_last_txnid == 0 ? MDB_NOTFOUND : MDB_CORRUPTED;
  if (rc == 0) rc = mdb_cursor_open(txn, table, &cursor);
  std::string before;
  MDB_val key{}, value{};
  for (auto op = MDB_FIRST; rc == 0; op = MDB_NEXT) {
    rc = mdb_cursor_get(cursor, &key, &value, op);
    // A table says at least whose it is.
    if (rc == MDB_NOTFOUND && op == MDB_FIRST) return MDB_CORRUPTED;
    if (rc != 0) break;
    // In a damaged tree one could go in circles.
    if (op == MDB_NEXT && view_of(key) <= before) return MDB_CORRUPTED;
    before = view_of(key);
    if (!say(out, static_cast<std::uint32_t>(key.mv_size),
             static_cast<std::uint32_t>(value.mv_size), view_of(key), view_of(value)))
      return EPIPE;
  }
  return rc;
}

[[noreturn]] void run_reader(const std::string& folder, int out) {
  for (const int signal : {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGTERM, SIGINT})
    std::signal(signal, SIG_DFL);
  std::signal(SIGPIPE, SIG_IGN);
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
  // LMDB's assertions print before they abort.
  if (const int null = ::open("/dev/null", O_WRONLY | O_CLOEXEC); null >= 0)
    ::dup2(null, STDERR_FILENO);
  MDB_env* env = nullptr;
  int rc = mdb_env_create(&env);
  if (rc == 0) rc = mdb_env_set_mapsize(env, kCursorMapBytes);
  if (rc == 0) rc = mdb_env_set_maxdbs(env, 1);
  if (rc == 0) rc = mdb_env_open(env, folder.c_str(), MDB_RDONLY | MDB_NOLOCK, 0640);
  if (rc == 0) rc = say_rows(env, out);
  say(out, kLastRow, static_cast<std::uint32_t>(rc), {}, {});
  ::_exit(0);
}

struct Heard {
  CursorRows entries;  // as they stand in the table
  std::optional<int> verdict;
};

std::string hear_all(int in, pid_t child, bool& gave_up) {
  std::string text;
  char bytes[65536];
  for (;;) {
    pollfd wait{in, POLLIN, 0};
    const int ready = ::poll(&wait, 1, kCursorsSilence);
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) {
      gave_up = true;
      ::kill(child, SIGKILL);
      return text;
    }
    const ssize_t count = ::read(in, bytes, sizeof bytes);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return text;
    text.append(bytes, static_cast<std::size_t>(count));
  }
}

Heard take_apart(std::string_view text) {
  Heard heard;
  std::uint32_t sizes[2];
  while (text.size() >= sizeof sizes) {
    std::memcpy(sizes, text.data(), sizeof sizes);
    text.remove_prefix(sizeof sizes);
    if (sizes[0] == kLastRow) {
      heard.verdict = static_cast<int>(sizes[1]);
      break;
    }
    if (text.size() < std::size_t{sizes[0]} + sizes[1]) break;
    heard.entries.emplace(text.substr(0, sizes[0]), text.substr(sizes[0], sizes[1]));
    text.remove_prefix(std::size_t{sizes[0]} + sizes[1]);
  }
  return heard;
}

// The log id of an owner's row that matches its checksum, or stands alone as it did formerly.
std::optional<Uuid> owner_in(std::string_view value, bool& plain) {
  plain = value.size() == 36;
  if (plain) return parse_uuid(value);
  if (value.size() < 36 + kCrcBytes) return std::nullopt;
  const auto id = parse_uuid(value.substr(0, 36));
  const auto text = value.substr(0, value.size() - kCrcBytes);
  if (!id || cursor_row(text, cursor_crc(*id, kCursorOwner, text)) != value) return std::nullopt;
  return id;
}

CursorsFound damaged(CursorRows rows, std::string what) {
  return {CursorsFound::State::damaged, std::move(rows), std::move(what)};
}

CursorsFound judge(const Heard& heard, const Uuid& log_id, int status) {
  if (heard.verdict == MDB_NOTFOUND && heard.entries.empty()) return {};
  const bool read_all = heard.verdict == MDB_NOTFOUND;
  const auto owner = heard.entries.find(std::string(kCursorOwner));
  bool plain = false;
  const auto whose = owner == heard.entries.end() ? std::nullopt : owner_in(owner->second, plain);
  if (read_all && whose && *whose != log_id) return {CursorsFound::State::foreign, {}, {}};
  CursorRows right;
  std::uint64_t wrong = 0, sum = 0;
  for (const auto& [key, value] : heard.entries) {
    if (!key.starts_with(kCursorPrefix)) continue;
    const auto name = key.substr(1);
    if (read_all && whose && plain) {
      right.emplace(name, value);
      continue;
    }
    const auto text = value.substr(0, value.size() - std::min(value.size(), kCrcBytes));
    const auto crc = cursor_crc(log_id, name, text);
    if (cursor_row(text, crc) != value) {
      ++wrong;
      continue;
    }
    sum += crc;
    right.emplace(name, text);
  }
  if (read_all && whose && plain) return {CursorsFound::State::plain, std::move(right), {}};
  if (WIFSIGNALED(status))
    return damaged(std::move(right),
                   fmt::format("reading them crashes ({})", ::strsignal(WTERMSIG(status))));
  if (!read_all)
    return damaged(std::move(right), heard.verdict ? fmt::format("reading them fails ({})",
                                                                 mdb_strerror(*heard.verdict))
                                                   : "reading them ends without an answer");
  if (!whose) return damaged(std::move(right), "whose they are does not match its checksum");
  if (wrong > 0)
    return damaged(std::move(right), fmt::format("{} do not match their checksum", wrong));
  if (owner->second != cursor_owner(log_id, right.size(), sum))
    return damaged(std::move(right), "some are missing");
  return {CursorsFound::State::whole, std::move(right), {}};
}

}  // namespace

std::uint32_t cursor_crc(const Uuid& log_id, std::string_view key, std::string_view text) {
  return crc32c(as_bytes(fmt::format("{}\n{}\n{}", to_string(log_id), key, text)));
}

std::string cursor_row(std::string_view text, std::uint32_t crc) {
  return fmt::format("{}\n{:08x}", text, crc);
}

std::string cursor_owner(const Uuid& log_id, std::uint64_t rows, std::uint64_t sum) {
  const auto text = fmt::format("{} {} {:016x}", to_string(log_id), rows, sum);
  return cursor_row(text, cursor_crc(log_id, kCursorOwner, text));
}

Expected<CursorsFound> read_cursors(const fs::path& folder, const Uuid& log_id) {
  std::error_code ignored;
  if (!fs::exists(folder / "data.mdb", ignored)) return CursorsFound{};
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return file_error(errno, "reading", folder);
  File in(ends[0]), out(ends[1]);
  const std::string name = folder.string();
  const pid_t child = ::fork();
  if (child < 0) return file_error(errno, "starting the check of", folder);
  if (child == 0) run_reader(name, out.fd());
  out = File();
  bool gave_up = false;
  const auto text = hear_all(in.fd(), child, gave_up);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL && !gave_up)
    return Error{ErrorCode::unavailable,
                 fmt::format("The process that reads {} was killed: is there too little memory?",
                             folder.string()),
                 ""};
  const auto heard = take_apart(text);
  // The system refused, which tells nothing about the file. ENOENT: LMDB's word for an empty one.
  if (heard.verdict && *heard.verdict > 0 && *heard.verdict != ENOENT)
    return file_error(*heard.verdict, "reading", folder / "data.mdb");
  return judge(heard, log_id, status);
}

}  // namespace mlforge::storage
