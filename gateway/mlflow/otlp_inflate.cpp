#include <boost/beast/zlib/inflate_stream.hpp>

#include "gateway/mlflow/otlp.hpp"

namespace mlforge::gateway::mlflow::otlp {
namespace inflate {
namespace {

constexpr std::size_t kMost = 64 << 20, kPiece = 256 << 10;

Error failed(std::string_view encoding) {
  return {ErrorCode::malformed, "Failed to decompress " + std::string(encoding) + " payload", ""};
}

// Without the header of RFC 1952; nothing where it is none.
std::optional<std::string_view> without_gzip_header(std::string_view in) {
  if (in.size() < 18 || !in.starts_with("\x1f\x8b\x08")) return std::nullopt;
  const auto flags = static_cast<std::uint8_t>(in[3]);
  in.remove_prefix(10);
  const auto skip = [&](std::size_t size) { in.remove_prefix(std::min(size, in.size())); };
  if ((flags & 4) && in.size() >= 2)
    skip(2 + static_cast<std::uint8_t>(in[0]) + 256 * static_cast<std::uint8_t>(in[1]));
  for (const int text : {8, 16})  // name, comment
    if (flags & text) skip(in.find('\0') == in.npos ? in.size() : in.find('\0') + 1);
  if (flags & 2) skip(2);
  return in;
}

// How much there was, in the last four bytes of gzip.
std::uint32_t size_said(std::string_view body) {
  std::uint32_t out = 0;
  for (std::size_t i = 1; i <= 4; ++i)
    out = out << 8 | static_cast<std::uint8_t>(body[body.size() - i]);
  return out;
}

// RFC 1950's header is often left out.
std::string_view without_zlib_header(std::string_view in) {
  if (in.size() < 2) return in;
  const unsigned first = static_cast<std::uint8_t>(in[0]),
                 second = static_cast<std::uint8_t>(in[1]);
  return (first & 15) == 8 && (first * 256 + second) % 31 == 0 ? in.substr(2) : in;
}

}  // namespace
}  // namespace inflate

Expected<std::string> decompressed(std::string_view body, std::string_view encoding) {
  namespace zlib = boost::beast::zlib;
  std::string_view in;
  std::string padded;
  if (encoding == "gzip") {
    const auto found = inflate::without_gzip_header(body);
    if (!found) return inflate::failed(encoding);
    in = *found;
  } else if (encoding == "deflate") {
    // The decoder wants to look beyond the last block, where a header's sum would be.
    padded = std::string(inflate::without_zlib_header(body)) + std::string(8, '\0');
    in = padded;
  } else {
    return Error{ErrorCode::invalid_argument,
                 "Unsupported Content-Encoding: " + std::string(encoding), "Content-Encoding"};
  }
  zlib::inflate_stream stream;
  zlib::z_params z{};
  z.next_in = in.data();
  z.avail_in = in.size();
  std::string out;
  boost::beast::error_code error;
  while (!error && out.size() <= inflate::kMost) {
    const auto before = out.size();
    out.resize(before + inflate::kPiece);
    z.next_out = out.data() + before;
    z.avail_out = inflate::kPiece;
    stream.write(z, zlib::Flush::sync, error);
    out.resize(out.size() - z.avail_out);
    if (!error && out.size() == before) return inflate::failed(encoding);
  }
  if (error != zlib::error::end_of_stream ||
      (encoding == "gzip" && inflate::size_said(body) != static_cast<std::uint32_t>(out.size())))
    return inflate::failed(encoding);
  return out;
}

}  // namespace mlforge::gateway::mlflow::otlp
