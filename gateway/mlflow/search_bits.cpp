#include "gateway/mlflow/search_bits.hpp"

#include <algorithm>

namespace mlforge::gateway::mlflow {
namespace {

using projections::CellKind;
using projections::NumberColumn;
using projections::RunTable;
using projections::TextColumn;
using projections::TextsColumn;
using Node = Filter::Node;

// NaN, and what is absent, is NaN here: of NaN != alone is true, and nothing of what is absent.
Bits of_numbers(const NumberColumn& column, std::uint32_t size, const Node& clause) {
  const auto* wanted = std::get_if<double>(&clause.value);
  if (!wanted) return Bits((size + 63) / 64);
  const double b = *wanted;
  const double* a = column.values.data();
  const auto& op = clause.op;
  if (op == ">") return bits_where(size, [=](auto i) { return a[i] > b; });
  if (op == ">=") return bits_where(size, [=](auto i) { return a[i] >= b; });
  if (op == "<") return bits_where(size, [=](auto i) { return a[i] < b; });
  if (op == "<=") return bits_where(size, [=](auto i) { return a[i] <= b; });
  if (op == "!=")
    return bits_where(size, [=](auto i) { return a[i] != b && !NumberColumn::is_absent(a[i]); });
  return bits_where(size, [=](auto i) { return a[i] == b; });
}

// A text is looked at once, however many runs have it.
Bits of_texts(const TextColumn& column, std::uint32_t size, const Node& clause) {
  const std::uint32_t* codes = column.codes.data();
  if (clause.op == "IS NULL") return bits_where(size, [=](auto i) { return codes[i] == 0; });
  if (clause.op == "IS NOT NULL") return bits_where(size, [=](auto i) { return codes[i] != 0; });
  const auto* wanted = std::get_if<std::string>(&clause.value);
  if (wanted && (clause.op == "=" || clause.op == "!=")) {
    const auto found = column.pool.find(*wanted);
    const std::uint32_t code = found ? *found + 1 : UINT32_MAX;
    if (clause.op == "=") return bits_where(size, [=](auto i) { return codes[i] == code; });
    return bits_where(size, [=](auto i) { return codes[i] != 0 && codes[i] != code; });
  }
  std::vector<char> fits(column.pool.size() + 1);
  for (std::uint32_t i = 0; i < column.pool.size(); ++i)
    fits[i + 1] = holds(clause, column.pool.at(i));
  return bits_where(size, [&](auto i) { return fits[codes[i]] != 0; });
}

Bits of_lists(const TextsColumn& column, std::uint32_t size, const Node& clause) {
  std::vector<char> fits(column.pool.size());
  for (std::uint32_t i = 0; i < column.pool.size(); ++i) fits[i] = holds(clause, column.pool.at(i));
  Bits bits((size + 63) / 64);
  for (const auto& [run, numbers] : column.numbers)
    if (std::any_of(numbers.begin(), numbers.end(), [&](auto each) { return fits[each] != 0; }))
      bits[run / 64] |= std::uint64_t{1} << (run % 64);
  return bits;
}

Bits of_clause(const RunTable& table, const Node& clause) {
  const auto& column = table.column(column_of(clause.key));
  if (const auto* numbers = std::get_if<NumberColumn>(&column))
    return of_numbers(*numbers, table.size(), clause);
  if (const auto* texts = std::get_if<TextColumn>(&column))
    return of_texts(*texts, table.size(), clause);
  return of_lists(std::get<TextsColumn>(column), table.size(), clause);
}

}  // namespace

projections::ColumnKey column_of(const Key& key) {
  const auto kind = key.numeric                     ? CellKind::number
                    : key.entity == Entity::dataset ? CellKind::texts
                                                    : CellKind::text;
  return {static_cast<int>(key.entity), key.name, kind, key.entity == Entity::metric};
}

void add_columns(const Node& node, std::vector<projections::ColumnKey>& columns) {
  for (const auto& child : node.children) add_columns(child, columns);
  if (node.kind != Node::clause) return;
  auto column = column_of(node.key);
  if (std::find(columns.begin(), columns.end(), column) == columns.end())
    columns.push_back(std::move(column));
}

Bits matching_runs(const RunTable& table, const Node& node) {
  if (node.kind == Node::clause) return of_clause(table, node);
  const bool all = node.kind == Node::all;
  Bits out = bits_where(table.size(), [all](auto) { return all; });
  for (const auto& child : node.children) {
    const Bits bits = matching_runs(table, child);
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = all ? out[i] & bits[i] : out[i] | bits[i];
  }
  return out;
}

}  // namespace mlforge::gateway::mlflow
