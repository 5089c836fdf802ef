// Where those who follow the log have come to: a small durable table of texts, in an LMDB
// environment of its own.
#pragma once
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "storage/cursor_reader.hpp"
#include "storage/lmdb_env.hpp"
#include "storage/log.hpp"

namespace mlforge::storage {

inline constexpr const char* kCursorsMended = "mended";

class CursorStore {
 public:
  // Makes the folder where it is missing. What is there of another log is dropped: followers then
  // begin again. A damaged table is put aside as `<folder>.damaged-<N>` and made anew of the rows
  // that are surely right: a cursor is never taken from a row that is not. With `anew` the file is
  // written again though nothing is found (after a crash, for what LMDB keeps beside the rows has
  // no checksum).
  static Expected<std::unique_ptr<CursorStore>> open(const std::filesystem::path& folder,
                                                     const Uuid& log_id, bool anew = false);

  // A sentence: what was damaged and where it is now; empty when nothing was. It is kept with the
  // rows, under kCursorsMended, until that is erased: by who has made good what is missing.
  const std::string& mended() const { return mended_; }

  // Everything that is kept. Any thread.
  Expected<CursorRows> load() const;
  // Writes all of it together or nothing, and syncs; a text that is nothing is erased. One thread
  // at a time. Keys have at most 500 bytes.
  using Change = std::pair<std::string, std::optional<std::string>>;
  Status save(const std::vector<Change>& changes);
  // A copy as of now in another folder, which is made. Any thread.
  Status copy(const std::filesystem::path& folder) const;

 private:
  CursorStore() = default;
  static Expected<std::unique_ptr<CursorStore>> open_env(const std::filesystem::path& folder,
                                                         const Uuid& log_id);
  static Status make_of(const std::filesystem::path& folder, const Uuid& log_id,
                        CursorsFound found);
  friend Status copy_cursors(const std::filesystem::path&, const std::filesystem::path&,
                             const Uuid&);
  Status prepare(const CursorsFound& found);
  std::string owner(const std::map<std::string, std::uint32_t>& crcs) const;

  Env env_;
  MDB_dbi table_ = 0;
  Uuid log_id_;
  std::string mended_;
  std::map<std::string, std::uint32_t> crcs_;  // of the rows, by key
};

// Makes a folder with the rows of another that is only read. Of a damaged one with those that are
// right, and with what is to be known of the others as CursorStore::mended().
Status copy_cursors(const std::filesystem::path& from, const std::filesystem::path& to,
                    const Uuid& log_id);

// For a folder that is only looked at: a sentence about the damage, empty where there is none, or
// the file may not be read.
Expected<std::string> verify_cursors(const std::filesystem::path& folder, const Uuid& log_id);

}  // namespace mlforge::storage
