#include "projections/view_damage.hpp"

#include <fcntl.h>
#include <lmdb.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>

#include "storage/files.hpp"
#include "storage/lmdb_env.hpp"

namespace mlforge::projections {
namespace {

constexpr std::string_view kField = "views";
constexpr std::uint16_t kMetaFlag = 0x08;
constexpr std::uint32_t kMagic = 0xBEEFC0DE;
constexpr std::uint32_t kDataVersion = 1;
constexpr std::uint64_t kNoPage = ~std::uint64_t{0};

// A tree as LMDB 0.9 writes it into a meta page; the page size lies in the first one's `pad`.
struct Tree {
  std::uint32_t pad;
  std::uint16_t flags, depth;
  std::uint64_t branch_pages, leaf_pages, overflow_pages, entries, root;
};

// A meta page from its first byte on.
struct MetaPage {
  std::uint64_t number;
  std::uint16_t pad, flags;
  std::uint32_t free;
  std::uint32_t magic, version;
  std::uint64_t address, map_bytes;
  Tree trees[2];  // the free pages, and the named tables
  std::uint64_t last_page, transaction;
};
static_assert(sizeof(MetaPage) == 152, "64-bit LMDB 0.9");

bool read_meta(const storage::File& file, std::uint64_t at, MetaPage& page) {
  return ::pread(file.fd(), &page, sizeof page, static_cast<off_t>(at)) == sizeof page &&
         (page.flags & kMetaFlag) != 0 && page.magic == kMagic && page.version == kDataVersion;
}

bool is_page_size(std::uint64_t bytes) {
  return bytes >= 512 && bytes <= 65536 && (bytes & (bytes - 1)) == 0;
}

}  // namespace

Error view_error(int rc, std::string_view doing) {
  Error error = storage::lmdb_error(rc, doing);
  switch (rc) {
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_INVALID:
    case MDB_VERSION_MISMATCH:
    case MDB_INCOMPATIBLE:
    case MDB_BAD_TXN:
    case MDB_BAD_DBI:
    case MDB_BAD_VALSIZE:
    case MDB_CURSOR_FULL:
    case MDB_PAGE_FULL:
    case MDB_PANIC:
      return {ErrorCode::corrupt,
              "The read models are damaged, found while " + std::string(doing) + ": " +
                  mdb_strerror(rc) + ". They are made anew from the log at the next start.",
              std::string(kField)};
    default:
      return error;
  }
}

bool is_view_damage(const Error& error) {
  return error.code == ErrorCode::corrupt && error.field == kField;
}

void mark_view_damage(MDB_env* env) {
  const char* folder = nullptr;
  if (mdb_env_get_path(env, &folder) != 0) return;
  // A mark that cannot be written is left again by the next read that finds the damage.
  (void)storage::write_marker(std::filesystem::path(folder) / kDamagedMark, "a page is damaged\n");
}

bool has_sound_meta(const std::filesystem::path& path) {
  auto file = storage::File::open(path, O_RDONLY);
  if (!file) return true;  // who opens it says what is wrong
  struct stat info {};
  if (::fstat(file->fd(), &info) != 0 || info.st_size == 0) return true;
  MetaPage first{}, second{};
  if (!read_meta(*file, 0, first)) return false;
  const std::uint64_t page_bytes = first.trees[0].pad;
  if (!is_page_size(page_bytes) || !read_meta(*file, page_bytes, second)) return false;
  const MetaPage& newer = second.transaction > first.transaction ? second : first;
  const auto pages = static_cast<std::uint64_t>(info.st_size) / page_bytes;
  if (newer.trees[0].pad != page_bytes || newer.last_page >= pages) return false;
  for (const Tree& tree : newer.trees)
    if (tree.root != kNoPage && tree.root > newer.last_page) return false;
  return true;
}

}  // namespace mlforge::projections
