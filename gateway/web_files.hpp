// The files under web/, built into the program.
#pragma once
#include <span>
#include <string_view>

namespace mlforge::gateway {

struct WebFile {
  std::string_view path;  // as it is asked for: "/", "/app.js"
  std::string_view content_type;
  std::string_view bytes;
};

std::span<const WebFile> web_files();

}  // namespace mlforge::gateway
