// Reads the table of cursors (storage/cursor_store.hpp) without trusting its file.
#pragma once
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>

#include "events/envelope.hpp"
#include "events/error.hpp"

namespace mlforge::storage {

using CursorRows = std::map<std::string, std::string>;

// A row is its text, a line end and 8 hexadecimal digits: the CRC-32C of log id, key and text. The
// row kCursorOwner says whose the table is, how many rows it has, and the sum of their CRCs.
inline constexpr std::string_view kCursorTable = "cursors";
inline constexpr std::string_view kCursorOwner = "log";  // other keys begin with kCursorPrefix
inline constexpr char kCursorPrefix = '=';
inline constexpr std::size_t kCursorMapBytes = std::size_t{1} << 30;

std::uint32_t cursor_crc(const Uuid& log_id, std::string_view key, std::string_view text);
std::string cursor_row(std::string_view text, std::uint32_t crc);
std::string cursor_owner(const Uuid& log_id, std::uint64_t rows, std::uint64_t sum);

struct CursorsFound {
  enum class State {
    none,     // no table
    whole,    // ours, with checksums
    plain,    // ours, from before there were checksums
    foreign,  // of another log
    damaged,
  };
  State state = State::none;
  CursorRows rows;   // by key without its prefix; of a damaged table those that are surely right
  std::string what;  // is damaged: a sentence
};

// Reads in a child process, for LMDB trusts the pages that it maps: a damaged file may crash its
// reader. Changes nothing. The Error is the system's (no child, no permission, no memory): it tells
// nothing about the file.
Expected<CursorsFound> read_cursors(const std::filesystem::path& folder, const Uuid& log_id);

}  // namespace mlforge::storage
