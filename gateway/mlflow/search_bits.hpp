// A filter over the columns of a table of runs: one bit a run.
#pragma once
#include <cstdint>
#include <vector>

#include "gateway/mlflow/search.hpp"
#include "projections/run_index.hpp"

namespace mlforge::gateway::mlflow {

// Bit i % 64 of word i / 64 is run i's; bits behind the last run are 0.
using Bits = std::vector<std::uint64_t>;

// The column that holds what a key of the search language names.
projections::ColumnKey column_of(const Key& key);

// All columns that the filter names, each once.
void add_columns(const Filter::Node& node, std::vector<projections::ColumnKey>& columns);

// Of which runs the filter is true. The table must have its columns.
Bits matching_runs(const projections::RunTable& table, const Filter::Node& node);

template <class Test>
Bits bits_where(std::uint32_t size, Test&& test) {
  Bits bits((size + 63) / 64);
  for (std::uint32_t i = 0; i < size; ++i) bits[i / 64] |= std::uint64_t{test(i)} << (i % 64);
  return bits;
}

}  // namespace mlforge::gateway::mlflow
