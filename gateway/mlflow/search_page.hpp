// What all searches of MLflow's API are asked with: a filter, an order, a page, a moment.
#pragma once
#include <memory>
#include <optional>
#include <utility>

#include "gateway/mlflow/handlers.hpp"
#include "gateway/mlflow/search.hpp"

namespace mlforge::gateway::mlflow {

struct SearchPage {
  Filter filter;
  std::vector<Order> orders;
  std::size_t most = 0, offset = 0;
  std::string filter_text;
  std::string as_of;  // a position or a time; empty: now
};

struct PageLimits {
  std::size_t fallback, most;  // of max_results
};

// Reads "filter", "order_by", "max_results", "page_token" and "as_of" in the dialect. False where
// something of the message was wrong, which is then answered. `orders`: ORDER BY, where that has
// been read in another form. `filter`: what the message calls it.
bool read_search(Fields& fields, Reply& reply, const Dialect& dialect, PageLimits limits,
                 SearchPage& out, std::optional<std::vector<std::string>> orders = {},
                 std::string_view filter = "filter");

// Which of `count` things are on the page: [first, last).
struct PageSpan {
  std::size_t first, last;
};
inline PageSpan page_of(const SearchPage& search, std::size_t count) {
  const auto first = search.offset < count ? search.offset : count;
  return {first, count - first < search.most ? count : first + search.most};
}

// Answers what `run(QueryContext, search)` finds as of the moment that the search asks for, on a
// worker's thread.
template <class Search, class Run>
void answer_long_search(App& app, Reply reply, Search search, Run run) {
  const auto as_of = search.as_of;
  answer_long_query(
      app, std::move(reply), as_of,
      [run = std::move(run), search = std::make_shared<const Search>(std::move(search))](
          const QueryContext& q) { return run(q, *search); });
}

}  // namespace mlforge::gateway::mlflow
