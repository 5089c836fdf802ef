#include "gateway/mlflow/search_page.hpp"

namespace mlforge::gateway::mlflow {

bool read_search(Fields& fields, Reply& reply, const Dialect& dialect, PageLimits limits,
                 SearchPage& out, std::optional<std::vector<std::string>> orders,
                 std::string_view filter_name) {
  out.most = max_results(fields, limits.fallback, limits.most);
  out.filter_text = fields.text(filter_name);
  if (!orders) orders = fields.texts("order_by");
  const auto token = fields.text("page_token");
  out.as_of = fields.text("as_of");
  if (!ok(fields, reply)) return false;
  const auto refuse = [&](const Error& error) {
    fail(reply, error);
    return false;
  };
  auto filter = Filter::parse(out.filter_text, dialect);
  if (!filter) return refuse(filter.error());
  auto parsed = parse_order(*orders, dialect);
  if (!parsed) return refuse(parsed.error());
  const auto offset = page_offset(token);
  if (!offset) return refuse(offset.error());
  out.filter = *std::move(filter);
  out.orders = *std::move(parsed);
  out.offset = *offset;
  return true;
}

}  // namespace mlforge::gateway::mlflow
