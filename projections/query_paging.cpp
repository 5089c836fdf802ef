#include "projections/query_paging.hpp"

namespace mlforge::projections {
namespace {

int hex_value(char c) {
  return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

}  // namespace

Error missing(const ViewReader& view, std::string_view what, std::string_view name) {
  return view.status() ? *view.status() : not_found(what, name);
}

std::string to_token(std::string_view key_rest) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  for (const char c : key_rest) {
    const auto byte = static_cast<unsigned char>(c);
    out += kHex[byte >> 4];
    out += kHex[byte & 15];
  }
  return out;
}

Error bad_token() {
  return invalid("page_token", "must be the next_page_token of the page before");
}

Expected<std::string> from_token(std::string_view token) {
  if (token.size() % 2 != 0 || token.size() > 1024) return bad_token();
  std::string out;
  for (std::size_t i = 0; i < token.size(); i += 2) {
    const int high = hex_value(token[i]), low = hex_value(token[i + 1]);
    if (high < 0 || low < 0) return bad_token();
    out += static_cast<char>(high << 4 | low);
  }
  return out;
}

Expected<std::string> newest_first_start(const std::string& prefix, const PageRequest& page) {
  auto rest = from_token(page.page_token);
  if (!rest) return rest.error();
  const std::string bound = page.as_of == kLatest ? "" : descending(page.as_of + 1);
  const std::string& after = std::max(*rest, bound);
  return after.empty() ? std::string() : prefix + after;
}

}  // namespace mlforge::projections
