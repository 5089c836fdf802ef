// The media type of a file by its name.
#pragma once
#include <string_view>

namespace mlforge::gateway {

// "text/plain" for what people read (also MLmodel, JSON, YAML, CSV), "application/octet-stream"
// where the name says nothing.
const char* media_type(std::string_view name);

}  // namespace mlforge::gateway
