#include "gateway/media_type.hpp"

#include <algorithm>
#include <string>
#include <utility>

namespace mlforge::gateway {
namespace {

constexpr std::string_view kText[] = {
    "txt",  "log",   "err",  "cfg",  "conf", "cnf",   "cf",      "ini",      "properties",
    "prop", "hocon", "toml", "yaml", "yml",  "xml",   "json",    "js",       "py",
    "py3",  "csv",   "tsv",  "md",   "rst",  "ipynb", "MLmodel", "mlproject"};

constexpr std::pair<std::string_view, const char*> kOthers[] = {{"html", "text/html"},
                                                                {"htm", "text/html"},
                                                                {"css", "text/css"},
                                                                {"png", "image/png"},
                                                                {"jpg", "image/jpeg"},
                                                                {"jpeg", "image/jpeg"},
                                                                {"gif", "image/gif"},
                                                                {"svg", "image/svg+xml"},
                                                                {"bmp", "image/bmp"},
                                                                {"webp", "image/webp"},
                                                                {"tif", "image/tiff"},
                                                                {"tiff", "image/tiff"},
                                                                {"ico", "image/vnd.microsoft.icon"},
                                                                {"pdf", "application/pdf"},
                                                                {"zip", "application/zip"},
                                                                {"tar", "application/x-tar"},
                                                                {"mp4", "video/mp4"},
                                                                {"webm", "video/webm"},
                                                                {"mpeg", "video/mpeg"},
                                                                {"mov", "video/quicktime"},
                                                                {"avi", "video/x-msvideo"},
                                                                {"mp3", "audio/mpeg"},
                                                                {"wav", "audio/x-wav"},
                                                                {"h5", "application/x-hdf5"}};

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return out;
}

}  // namespace

const char* media_type(std::string_view name) {
  const auto dot = name.rfind('.');
  const auto end = dot == name.npos || dot == 0 ? name : name.substr(dot + 1);
  if (std::find(std::begin(kText), std::end(kText), end) != std::end(kText)) return "text/plain";
  const auto known = lower(end);
  for (const auto& [extension, type] : kOthers)
    if (known == extension) return type;
  return "application/octet-stream";
}

}  // namespace mlforge::gateway
