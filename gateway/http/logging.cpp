#include "gateway/http/logging.hpp"

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

namespace mlforge::logging {
namespace {

spdlog::level::level_enum spdlog_level(Level level) {
  switch (level) {
    case Level::debug:
      return spdlog::level::debug;
    case Level::info:
      return spdlog::level::info;
    case Level::warn:
      return spdlog::level::warn;
    case Level::error:
      break;
  }
  return spdlog::level::err;
}

}  // namespace

void set_up(const std::string& level) {
  auto logger = spdlog::stderr_color_mt("mlforge");
  spdlog::set_default_logger(logger);
  spdlog::set_level(spdlog::level::from_str(level));
  spdlog::set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %^%l%$ %v", spdlog::pattern_time_type::utc);
}

bool enabled(Level level) { return spdlog::default_logger_raw()->should_log(spdlog_level(level)); }

void write(Level level, fmt::string_view text, fmt::format_args values) {
  if (!enabled(level)) return;
  const auto line = fmt::vformat(text, values);
  spdlog::default_logger_raw()->log(spdlog_level(level), spdlog::string_view_t(line));
}

}  // namespace mlforge::logging
