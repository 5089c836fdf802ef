// What the queries share: rows by key, pages of rows, tokens.
#pragma once
#include <algorithm>
#include <limits>

#include "events/checks.hpp"
#include "projections/queries.hpp"

namespace mlforge::projections {

// Of a failed read, or that there is no such thing.
Error missing(const ViewReader& view, std::string_view what, std::string_view name);

// A token is the hexadecimal form of the part of the last key that follows the prefix.
Error bad_token();
std::string to_token(std::string_view key_rest);
Expected<std::string> from_token(std::string_view token);

inline std::size_t page_limit(const PageRequest& page) {
  return page.limit == 0 ? 100 : std::min<std::size_t>(page.limit, 1000);
}

// The key to begin after, for keys that end in descending(position): rows younger than the bound
// are not even looked at.
Expected<std::string> newest_first_start(const std::string& prefix, const PageRequest& page);

template <class Row>
Expected<Row> read_row(std::string_view text) {
  auto row = from_json<Row>(text, Unknown::skip);
  if (!row) return Error{ErrorCode::corrupt, "A stored row: " + row.error().message, ""};
  return std::move(*row);
}

template <class Row>
Expected<Row> get_row(ViewReader& view, const std::string& key, Position as_of,
                      std::string_view what, std::string_view name) {
  const auto text = view.get(key, as_of);
  if (!text) return missing(view, what, name);
  return read_row<Row>(*text);
}

// Fills a page, one row after the other, until it is full.
template <class Row>
class PageFiller {
 public:
  PageFiller(const std::string& prefix, std::size_t limit) : prefix_(prefix), limit_(limit) {}

  // Whether the scan shall go on. A row that is nothing does not count.
  bool add(std::string_view key, Expected<Row> row) {
    if (page_.items.size() == limit_) {
      page_.next_page_token = to_token(last_);
      return false;
    }
    if (!row) {
      if (row.error().code == ErrorCode::not_found) return true;
      failed_ = row.error();
      return false;
    }
    last_ = key.substr(prefix_.size());
    page_.items.push_back(std::move(*row));
    return true;
  }

  Expected<Page<Row>> finish(const ViewReader& view) {
    if (view.status()) return *view.status();
    if (failed_) return *failed_;
    return std::move(page_);
  }

 private:
  const std::string& prefix_;
  std::size_t limit_;
  std::string last_;
  Page<Row> page_;
  Status failed_;
};

inline constexpr std::size_t kNoLimit = std::numeric_limits<std::size_t>::max();

// Versioned rows in key order; make(value) turns a stored value into a row.
template <class Row, class Make>
Expected<Page<Row>> page_of_rows(ViewReader& view, const std::string& prefix,
                                 const PageRequest& page, Make&& make, bool reverse = false) {
  auto rest = from_token(page.page_token);
  if (!rest) return rest.error();
  PageFiller<Row> filler(prefix, page_limit(page));
  view.scan(
      prefix, rest->empty() ? std::string() : prefix + *rest, page.as_of, kNoLimit,
      [&](std::string_view key, std::string_view value) { return filler.add(key, make(value)); },
      reverse);
  return filler.finish(view);
}

// By a plain index whose keys end in descending(position); make(id) finds the row of an entry.
template <class Row, class Make>
Expected<Page<Row>> page_newest_first(ViewReader& view, const std::string& prefix,
                                      const PageRequest& page, Make&& make) {
  auto start = newest_first_start(prefix, page);
  if (!start) return start.error();
  PageFiller<Row> filler(prefix, page_limit(page));
  view.scan_plain(prefix, *start, kNoLimit, [&](std::string_view key, std::string_view id) {
    return filler.add(key, make(id));
  });
  return filler.finish(view);
}

}  // namespace mlforge::projections
