// What the server tells whoever runs it. spdlog, whose headers are long to compile, stays in the
// .cpp.
#pragma once
#include <fmt/core.h>

namespace mlforge::logging {

enum class Level { debug, info, warn, error };

// Messages go to stderr from `level` on: one of spdlog's names. Once, before the first of them.
void set_up(const std::string& level);

// All below: any thread.
bool enabled(Level level);
void write(Level level, fmt::string_view text, fmt::format_args values);

template <class... T>
void debug(fmt::format_string<T...> text, T&&... values) {
  write(Level::debug, text, fmt::make_format_args(values...));
}
template <class... T>
void info(fmt::format_string<T...> text, T&&... values) {
  write(Level::info, text, fmt::make_format_args(values...));
}
template <class... T>
void warn(fmt::format_string<T...> text, T&&... values) {
  write(Level::warn, text, fmt::make_format_args(values...));
}
template <class... T>
void error(fmt::format_string<T...> text, T&&... values) {
  write(Level::error, text, fmt::make_format_args(values...));
}

}  // namespace mlforge::logging
